"""What the operating system refuses, told with the file and the remedy."""

import errno
import os
from pathlib import Path

import pytest

from tools.disk import explain, is_explainable


def refusal(act) -> OSError:
    with pytest.raises(OSError) as caught:
        act()
    return caught.value


def test_real_refusals_name_the_file_and_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    cases = {
        "something else stands in its place": lambda: (file / "x").mkdir(),
        "choose a shorter": lambda: (tmp_path / ("x" * 300)).mkdir(),
        "restore it": lambda: (tmp_path / "gone").read_text(),
    }
    for remedy, act in cases.items():
        error = refusal(act)
        assert is_explainable(error)
        assert str(tmp_path) in explain(error)
        assert remedy in explain(error)


def test_a_full_disk_says_where_and_how_much_is_left(tmp_path: Path) -> None:
    text = explain(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), tmp_path / "runs")
    assert str(tmp_path / "runs") in text
    assert "iB free" in text
    assert "agent cache" in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_write_that_names_no_file_is_given_one(tmp_path: Path) -> None:
    def write() -> None:
        with open("/dev/full", "w") as full:
            full.write("x" * 10_000)

    error = refusal(write)
    assert error.filename is None
    assert str(tmp_path) in explain(error, tmp_path)


def test_what_is_no_fault_of_a_file_stays_a_bug() -> None:
    assert not is_explainable(ConnectionRefusedError(errno.ECONNREFUSED, "refused"))
    assert not is_explainable(OSError("no number at all"))
