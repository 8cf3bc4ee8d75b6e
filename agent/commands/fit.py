"""`agent fit`: the model of a study, to take away."""

from collections.abc import Sequence

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser, given_path
from tools.errors import ConfigurationError

_MOST_SEEDS = 100

_DESCRIPTION = """\
Train what a study recommends, for the length that it recommends, on training
and validation images together, and write a folder to take away: weights,
preprocessing, a model card, ONNX. The study's test figures say what to expect;
the test images are not opened. Interrupted, the same command resumes."""


def main(words: Sequence[str]) -> int:
    """`agent fit …`; the exit code."""
    parser = FlagParser("fit", description=_DESCRIPTION)
    add = parser.add_argument
    add("study", metavar="STUDY", help="name of a finished study (agent list)")
    add("--out", type=given_path, metavar="FOLDER", help="where to; runs/models/STUDY if unset")
    add(
        "--seeds",
        type=int,
        default=1,
        metavar="K",
        help="train it under several seeds; the probabilities are averaged (default: 1)",
    )
    add("--no-onnx", dest="onnx", action="store_false", help="write no model.onnx")
    add(
        "--mlflow",
        action="store_true",
        help="log it with the study's run as an MLflow model, which can be served",
    )
    parser.add_runs_dir()
    parser.add_common_flags()
    options = parser.parse_all(words)
    if not 1 <= options.seeds <= _MOST_SEEDS:
        raise ConfigurationError(f"--seeds {options.seeds}: expected 1 to {_MOST_SEEDS}")

    def fit(terminal: Terminal) -> int:
        from agent.taking.fitting import Wanted, fit_study

        wanted = Wanted(options.out, options.seeds, options.onnx, options.mlflow)
        return fit_study(options.study, wanted, options.runs_dir, terminal)

    return perform(fit, options)
