"""`agent explain`: what the result of a finished study means."""

from collections.abc import Sequence

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser
from tools.errors import ConfigurationError, did_you_mean

_DESCRIPTION = """\
Explain the result of a finished study on its test set: what is recommended (or
the policy of a trial that you name) against no augmentation. Calibration,
confusion and gains by class; Grad-CAM pictures; AIC, SIC, insertion and
deletion of attribution maps; corrupted images; other backgrounds; a map of
features; and a frozen pretrained backbone for comparison. Writes explain/ in
the study's folder, which the report shows. docs/explain.md says what each
number means."""

_METHODS = ("ig", "gradcam", "xrai")
_SECTIONS = ("gradcam", "frozen", "generated", "corruptions", "backgrounds", "attribution", "features")


def main(words: Sequence[str]) -> int:
    """`agent explain …`; the exit code."""
    parser = FlagParser("explain", description=_DESCRIPTION)
    add = parser.add_argument
    add(
        "what",
        metavar="STUDY|TRIAL",
        help="name of a finished study, or of what agent train trained, or the beginning of a trial's key",
    )
    add(
        "--images",
        type=int,
        default=32,
        metavar="N",
        help="test images that attributions are computed of; eight times as many are corrupted and put on other "
        "backgrounds (default: %(default)s)",
    )
    add(
        "--methods",
        metavar="NAME,…",
        help=f"attribution methods: {', '.join(_METHODS)} (default: all that are installed)",
    )
    add(
        "--sections",
        metavar="NAME,…",
        help=f"what is computed besides calibration, confusion and gains by class: {', '.join(_SECTIONS)} "
        "(default: all)",
    )
    add(
        "--least-score",
        type=float,
        default=0.8,
        metavar="X",
        help="AIC and SIC leave out images with a lower score (default: %(default)s)",
    )
    add(
        "--minutes",
        type=float,
        metavar="N",
        help="leave out what would take longer; 2 or more (default: all is computed; how long it takes is told first)",
    )
    parser.add_runs_dir()
    parser.add_common_flags()
    options = parser.parse_all(words)
    methods = _chosen("--methods", options.methods, _METHODS)
    sections = _chosen("--sections", options.sections, _SECTIONS)
    if options.images < 1:
        raise ConfigurationError(f"--images {options.images}: at least 1")
    if not 0 <= options.least_score <= 1:
        raise ConfigurationError(f"--least-score {options.least_score}: a score is between 0 and 1")
    if options.minutes is not None and options.minutes < 2:
        raise ConfigurationError(
            f"--minutes {options.minutes:g}: 2 or more, since less measures nothing; leave it out to compute everything"
        )

    def explain(terminal: Terminal) -> int:
        from agent.explanation.work import Options
        from agent.studies.explaining import explain_one

        seconds = None if options.minutes is None else 60 * options.minutes
        wanted = Options(options.images, methods, sections, seconds, options.least_score)
        return explain_one(options.what, wanted, options.runs_dir, terminal)

    return perform(explain, options)


def _chosen(flag: str, given: str | None, known: Sequence[str]) -> tuple[str, ...]:
    """The words of a list; empty where the flag was not given."""
    words = tuple(dict.fromkeys(each.strip() for each in (given or "").split(",") if each.strip()))
    if unknown := [each for each in words if each not in known]:
        hint = did_you_mean(unknown[0], known) or f"choose from {', '.join(known)}"
        raise ConfigurationError(f"{flag} {unknown[0]!r}: {hint}")
    return words
