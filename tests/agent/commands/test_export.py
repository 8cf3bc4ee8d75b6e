"""`agent export`: what a study recommends, as code for other libraries."""

import json
import shutil

import pytest
import torch
import yaml
from PIL import Image

from agent.cli import main
from agent.studies.exporting import export, exported
from tests.tools.policy.pictures import picture
from tools.errors import AugurError


def body(code: str) -> str:
    return "\n".join(line for line in code.splitlines() if not line.startswith("#"))


def test_for_torchvision_it_is_the_file_of_the_study(finished, tmp_path):
    out = tmp_path / "new" / "augment.py"
    assert main(["export", "s", "--runs-dir", str(finished), "--out", str(out)]) == 0
    exported, own = out.read_text(), (finished / "studies" / "s" / "policy.py").read_text()
    assert body(exported) == body(own)
    images = []
    for code in (exported, own):
        namespace: dict = {}
        exec(compile(code, "exported.py", "exec"), namespace)
        torch.manual_seed(3)
        images.append(namespace["augment"](Image.fromarray(picture(16))))
    assert torch.equal(*images)


@pytest.mark.parametrize("target", ["torchvision", "kornia", "albumentations"])
def test_the_head_says_what_was_measured(finished, target):
    head = [line for line in export("s", finished, target).splitlines() if line.startswith("#")]
    text = " ".join(line.removeprefix("# ") for line in head)
    for told in (
        "study: s",
        "result: ",
        "points of test accuracy",
        "data: demo at 16 px",
        "fresh seeds 3000000000",
    ):
        assert told in text


def test_yaml_is_printed_on_the_screen(finished, capsys):
    assert main(["export", "s", "--to", "yaml", "--runs-dir", str(finished)]) == 0
    found = yaml.safe_load(capsys.readouterr().out)
    assert found["about"]["study"] == "s"
    assert isinstance(found["operations"], list)


def test_a_study_that_recommends_nothing_yet_is_told(finished, tmp_path):
    folder = tmp_path / "studies" / "s"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text((finished / "studies" / "s" / "config.yaml").read_text())
    with pytest.raises(AugurError, match="recommends nothing"):
        export("s", tmp_path, "yaml")


@pytest.mark.parametrize("kind", ["classes", "labels (an image may have several)"])
def test_the_size_and_the_classes_are_read_whatever_the_data_are_called(finished, tmp_path, kind):
    folder = tmp_path / "studies" / "s"
    shutil.copytree(finished / "studies" / "s", folder)
    content = json.loads((folder / "report.json").read_text())
    facts = [list(fact) for fact in content["report"]["facts"]]
    data = next(fact for fact in facts if fact[0] == "data")
    data[1] = f"scans, 3 classes at 9 px, 4 {kind}, 40 train, 24 validation, 16 px"
    content["report"]["facts"] = facts
    (folder / "report.json").write_text(json.dumps(content))
    found = exported("s", tmp_path)
    assert (found.classes, found.image_size) == (4, 16)


def test_a_place_that_cannot_be_written_is_named(finished, tmp_path, capsys):
    assert main(["export", "s", "--runs-dir", str(finished), "--out", str(tmp_path)]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert f"--out {tmp_path} cannot be written (Is a directory): name another file" in told


def test_an_unknown_library_and_a_missing_name_are_told(finished, capsys):
    assert main(["export", "s", "--to", "jax", "--runs-dir", str(finished)]) == 2
    assert main(["export"]) == 2
    assert "name a study or a race" in capsys.readouterr().err


def test_as_json_the_text_is_in_the_document_and_nothing_else_is_printed(finished, tmp_path, capsys):
    out = tmp_path / "augment.py"
    assert main(["export", "s", "--runs-dir", str(finished), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["to"], found["file"], found["error"]) == ("s", "torchvision", None, None)
    assert found["text"] == export("s", finished, "torchvision")
    assert found["about"]["study"] == "s"
    assert main(["export", "s", "--runs-dir", str(finished), "--json", "--out", str(out)]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == str(out)
    assert main(["export", "nowhere", "--runs-dir", str(finished), "--json"]) == 2
    assert "nowhere" in json.loads(capsys.readouterr().out)["error"]
