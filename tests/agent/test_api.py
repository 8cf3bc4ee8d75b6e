"""Studies from Python: in a script without the usual guard, and in the notebook of the documentation."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from agent import AugurError, Study
from agent.api import as_config
from tests.agent.studies import SMALL, copy_trials, environment
from tests.repository import ROOT

SCRIPT = """
from agent import AugurError, plan_study, run_study

study = run_study({{"search": {{"baselines": ["trivial_augment_wide"], "backgrounds": "off"}}}}, dataset="demo",
    study="s", runs_dir={runs!r}, quiet=True, **{settings!r})
print("FOUND", study.state, study.recommended, len(study.table), sorted(study.pictures))
"""


def settings() -> dict[str, str]:
    """The flags of a small study as keyword arguments, without the one that the script gives itself."""
    words = SMALL.split()
    given = dict(zip(words[::2], words[1::2], strict=True))
    own = ("--dataset", "--search.baselines", "--search.backgrounds")
    return {
        flag.removeprefix("--").replace("-", "_").replace(".", "__"): value
        for flag, value in given.items()
        if flag not in own
    }


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, agent; print([m for m in ('torch', 'mlflow', 'pydantic', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_a_script_without_a_guard_runs_a_study(finished: Path, tmp_path: Path):
    """Its workers, and those that decode the images, would run the script again."""
    runs = tmp_path / "runs"
    (runs / "trials").mkdir(
        parents=True
    )  # as far as trials are there, they are taken; the images are decoded again
    for trial in (finished / "trials").iterdir():
        (runs / "trials" / trial.name).symlink_to(trial)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(runs=str(runs), settings={**settings(), "iterations": "0"}))
    env = environment(PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=env, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert len(found) == 1
    assert found[0].startswith("FOUND finished ")
    assert " 2 [" in found[0], "no augmentation and the baseline"
    assert "'search'" in found[0]


def test_what_is_wrong_raises_with_its_remedy(tmp_path: Path):
    from agent import run_study

    with pytest.raises(AugurError, match=r"search\.seeds = 'many' \(flag --seeds\): must be a whole number"):
        run_study(dataset="demo", seeds="many")
    with pytest.raises(AugurError, match="unknown flag --sedes: did you mean"):
        run_study(dataset="demo", sedes=3)
    with pytest.raises(AugurError, match="There is no study 'nothing'"):
        _ = Study("nothing", tmp_path).state


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.exclude", ["a,b", 'c"d', "[e]", "none", "f=g", "é\n😀"]),
        ("data.shifts", ["there=/data/first, second"]),
        ("aga.subjects", {"a,b": 'c="d", {e}', "f": "none", "1": "2"}),
        (
            "aga.background.scheduler_options",
            {"steps": 3, "shift": 1.5, "karras": True, "kind": "a,b", "no": "3"},
        ),
    ],
)
def test_no_character_of_a_value_makes_several_of_it(key: str, value: Any):
    section, _, name = key.rpartition(".")
    for given in ({key: value}, {section: {name: value}}):
        found: Any = as_config(given)
        for part in key.split("."):
            found = getattr(found, part)
        assert found == value


def test_a_study_is_read_by_its_name(finished: Path):
    study = Study("s", finished)
    assert study.state == "finished"
    assert study.sentence is not None
    assert study.sentence in repr(study)
    assert list(study.table["name"])[:2] == ["no augmentation", "trivial_augment_wide"]  # type: ignore[call-overload]
    assert study.test_table["recommended"].sum() == 1  # type: ignore[call-overload]
    assert study.policy_py is not None
    html = study._repr_html_()
    assert html.count("data:image/png;base64,") == len(study.pictures)


@pytest.mark.slow
def test_the_notebook_runs(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its settings are made small by variables, and its trials are there already."""
    runs = tmp_path / "runs"
    runs.mkdir()
    copy_trials(finished, runs)
    for name in list(os.environ):
        if name.startswith("AGENT_") or name.endswith("_API_KEY") or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)
    words = SMALL.split()
    from agent.settings.flags import SHORT_FLAGS

    keys = {flag: key for key, flag in SHORT_FLAGS.items()}
    for flag, value in zip(words[::2], words[1::2], strict=True):
        key = keys.get(flag, flag.removeprefix("--"))
        monkeypatch.setenv("AGENT_" + key.replace(".", "__").upper(), value)
    monkeypatch.setenv("AGENT_RUNS_DIR", str(runs))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    book = nbformat.read(ROOT / "docs/notebook.ipynb", as_version=4)
    client = NotebookClient(
        book, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    plan, run, study = code[0], code[1], code[2]
    assert plan.outputs[-1]["data"]["text/plain"].startswith("(")
    said = "".join(output.get("text", "") for output in run.outputs)
    assert "report: " in said
    assert any("<progress" in str(output.get("data", "")) or output.get("data") for output in run.outputs)
    assert "data:image/png;base64," in study.outputs[-1]["data"]["text/html"]
    assert code[-1].outputs[-1]["data"]["text/plain"].strip("'")
