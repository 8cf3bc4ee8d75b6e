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
        if options.dry_run:
            from agent.dry_run import plan_study

            terminal.document = {"plan": plan_study(config, terminal).as_json()}
            return 0
        from agent.study import run_study

        code = run_study(config, terminal)
        if options.as_document and terminal.study:
            from agent.studies.listing import attached, document_of

            terminal.document = document_of(*attached(terminal.study, config.runs_dir, Terminal(quiet=True)))
        return code

    return perform(run, options, resume=runs_dir_flag(config.runs_dir))


def _add_flags(parser: FlagParser) -> None:
    parser.add_argument(
        "--yes",
        action="store_true",
        help="fetch published weights without asking (model.download)",
    )
    parser.add_json()
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print what the study would take (trainings, time, disk, cost of the language model), and stop",
    )
