"""Objects of the user's own files, loaded by name."""

from pathlib import Path

import pytest

from tools.errors import ConfigurationError
from tools.training.from_file import absolute, is_reference, load, source_digest


def _file(folder: Path, text: str, name: str = "own.py") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize("text", ["a/b.py:make", "b.py:Class.method", "package.module:name", "~/x.py:f"])
def test_a_file_or_a_module_with_a_name_is_a_reference(text: str) -> None:
    assert is_reference(text)


@pytest.mark.parametrize("text", ["rotate(p=0.5)", "default", "b.py", "b.py:", "b.py:2", "a/b:c", "rotate:"])
def test_other_text_is_none(text: str) -> None:
    assert not is_reference(text)


def test_a_name_in_a_file_is_loaded_with_what_lies_beside_it(tmp_path: Path) -> None:
    _file(tmp_path, "NUMBER = 7\n", "beside_own_71.py")
    file = _file(tmp_path, "from beside_own_71 import NUMBER\nclass Box:\n    number = NUMBER\n")
    assert load(f"{file}:Box.number", "model.name") == 7
    assert load(f"{file}:Box", "model.name") is load(f"{file}:Box", "model.name")


def test_a_name_in_an_installed_module_is_loaded() -> None:
    assert load("json.decoder:JSONDecoder", "model.name").__name__ == "JSONDecoder"
    assert len(source_digest("json.decoder:JSONDecoder")) == 64


def test_a_relative_file_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("own.py:make") == f"{tmp_path.resolve()}/own.py:make"
    assert absolute("json.decoder:JSONDecoder") == "json.decoder:JSONDecoder"


def test_the_digest_follows_the_source_and_what_it_imports_from_beside_it(tmp_path: Path) -> None:
    reference = f"{_file(tmp_path, 'from pack.part import value')}:value"
    part = _file(tmp_path, "from .more import value\n", "pack/part.py")
    more = _file(tmp_path, "value = 1\n", "pack/more.py")
    _file(tmp_path, "", "pack/__init__.py")
    first = source_digest(reference)
    _file(tmp_path, "value = 5\n", "unused.py")
    assert source_digest(reference) == first
    more.write_text("value = 2\n")
    second = source_digest(reference)
    part.write_text("value = 3\n")
    assert len({first, second, source_digest(reference)}) == 3


def test_the_digest_does_not_depend_on_where_the_file_is(tmp_path: Path) -> None:
    one, other = (_file(tmp_path / name, "value = 1\n") for name in ("a", "b"))
    assert source_digest(f"{one}:value") == source_digest(f"{other}:value")


def test_an_edited_file_is_run_again_but_not_taken_for_what_it_was(tmp_path: Path) -> None:
    file = _file(tmp_path, "value = 1\n")
    digest = source_digest(f"{file}:value")
    assert load(f"{file}:value", "model.name", digest) == 1
    file.write_text("value = 2\n")
    assert load(f"{file}:value", "model.name") == 2
    with pytest.raises(ConfigurationError, match=r"own\.py:value \(model\.name\) was edited"):
        load(f"{file}:value", "model.name", digest)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("value = (1,\n", r"own\.py, line 1 \(model\.name\): SyntaxError"),
        ("import json\n\nvalue = 1 / 0\n", r"own\.py, line 3 \(model\.name\): ZeroDivisionError"),
        ("import no_such_package\n", r"line 1 .*ModuleNotFoundError: No module named 'no_such_package'"),
        ("values = 1\n", r"has no 'value' \(model\.name\): did you mean 'values'"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load(f"{_file(tmp_path, text)}:value", "model.name")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("gone/away.py:make", r"there is no file /.*gone/away\.py \(model\.name\)"),
        ("no_such_package.part:make", r"no module 'no_such_package\.part' .*path/to/part\.py:name"),
        ("something", r"'something' \(model\.name\) names nothing"),
    ],
)
def test_what_is_not_there_is_told_with_the_remedy(reference: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load(reference, "model.name")
