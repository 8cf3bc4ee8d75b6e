"""`agent resume`: a study that was interrupted, from where it was."""

import os
from collections.abc import Sequence
from pathlib import Path

from agent.screen.exits import perform, runs_dir_flag
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser, usual_runs_dir
from agent.settings.config import StudyConfig
from agent.settings.sources import load_file, read_changes


def main(words: Sequence[str]) -> int:
    """Resume a study, with the settings that the flags change; the exit code."""
    changes, options = read_changes(words, _add_flags)
    runs_dir = Path(getattr(options, "runs_dir", usual_runs_dir()))  # a flag that is not given is not there

    def resume(terminal: Terminal) -> int:
        from agent.comparing.marks import refuse_search
        from agent.study import resume_study
        from agent.training.policies import is_training, resume_training

        def load(path: Path) -> StudyConfig:
            return load_file(path, os.environ, changes)

        refuse_search(options.name, runs_dir)
        if is_training(runs_dir / "studies" / options.name):
            return resume_training(options.name, runs_dir, terminal, load)
        return resume_study(options.name, runs_dir, terminal, load)

    return perform(resume, options, resume=runs_dir_flag(runs_dir))


def _add_flags(parser: FlagParser) -> None:
    parser.add_argument("name", metavar="STUDY", help="name of the study, as `agent list` shows it")
