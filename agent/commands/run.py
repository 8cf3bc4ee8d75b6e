"""`agent run`: a new study."""

import os
from collections.abc import Sequence

from agent.screen.exits import perform, runs_dir_flag
from agent.screen.terminal import Terminal
from agent.settings.sources import load_config


def main(words: Sequence[str]) -> int:
    """Run a study to its report; the exit code."""
    config, options = load_config(words, os.environ)

    def run(terminal: Terminal) -> int:
        from agent.study import run_study

        return run_study(config, terminal)

    return perform(run, options, resume=runs_dir_flag(config.runs_dir))
