"""`agent run`: a new study."""

import os
from collections.abc import Sequence

from agent.screen.exits import perform, runs_dir_flag
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser
from agent.settings.sources import load_config


def main(words: Sequence[str]) -> int:
    """Run a study to its report; the exit code."""
    config, options = load_config(words, os.environ, add_flags=_add_flags)
    if options.yes:
        config = config.model_copy(update={"model": config.model.model_copy(update={"download": "yes"})})

    def run(terminal: Terminal) -> int:
        from agent.study import run_study

        return run_study(config, terminal)

    return perform(run, options, resume=runs_dir_flag(config.runs_dir))


def _add_flags(parser: FlagParser) -> None:
    parser.add_argument(
        "--yes",
        action="store_true",
        help="fetch published weights of the model without asking (model.download)",
    )
