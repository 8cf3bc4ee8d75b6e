"""`agent evaluate`: trained classifiers on a test set."""

from collections.abc import Sequence

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser, given_path
from tools.errors import ConfigurationError

_DESCRIPTION = """\
Put trained classifiers to the test set of their data, or to other images of the
same classes: scores, recall, confusion, and a paired comparison with no
augmentation. The test set of a study is sealed until the study has finished;
each opening of a test set is recorded."""


def main(words: Sequence[str]) -> int:
    """`agent evaluate …`; the exit code."""
    parser = FlagParser("evaluate", description=_DESCRIPTION)
    add = parser.add_argument
    add(
        "what",
        nargs="+",
        metavar="TRIAL|STUDY",
        help="name of a study, or of what agent train trained (agent list shows both), or the beginning of a trial's "
        "key (the folders in runs/trials)",
    )
    add(
        "--folder",
        type=given_path,
        metavar="PATH",
        help="evaluate on the images of this folder, with the same class names",
    )
    add(
        "--dataset",
        metavar="NAME",
        help="evaluate on the test images of this data set, with the same class names",
    )
    add(
        "--out",
        type=given_path,
        metavar="PATH",
        help="write predictions and scores as CSV and JSON to this folder",
    )
    parser.add_runs_dir()
    parser.add_common_flags()
    options = parser.parse_all(words)
    if options.folder is not None and options.dataset is not None:
        raise ConfigurationError("--folder and --dataset: give one of them")

    def evaluate(terminal: Terminal) -> int:
        from agent.studies.evaluation import Target, evaluate_all

        target = Target(options.folder, options.dataset)
        return evaluate_all(options.what, target, options.out, options.runs_dir, terminal)

    return perform(evaluate, options)
