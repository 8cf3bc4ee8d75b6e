"""`agent completion`, asked by a real bash."""

import subprocess
from pathlib import Path

import pytest

from agent.commands.completion import script


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("completion") / "script.sh"
    file.write_text(script())
    return file


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("agent sh", ["show"]),
        ("agent run --budget.wall", ["--budget.wall_clock"]),
        ("agent run --image", ["--image-size"]),
        ("agent train --pol", ["--policy"]),
        ("agent show fi", ["first"]),
        ("agent fit fi", ["first"]),
        ("agent follow fi", ["first"]),
        ("agent delete fi", ["first", "first-race"]),
        ("agent export first-", ["first-race"]),
        ("agent resume first-", []),
        ("agent run fi", []),
        ("agent datasets s", ["show"]),
        ("agent datasets check --data.on_le", ["--data.on_leak"]),
    ],
)
def test_bash_completes_commands_flags_studies_and_races(
    source: Path, tmp_path: Path, line: str, completed: list[str]
):
    (tmp_path / "runs/studies/first").mkdir(parents=True)
    (tmp_path / "runs/compares/first-race").mkdir(parents=True)
    words = line.split(" ")
    asked = f"""
source {source}
COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}
_augur
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stderr == ""
    assert done.stdout.split() == completed
