"""`agent train`: given policies, trained and compared like the candidates of a study."""

import argparse
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from itertools import product

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser, given_path
from agent.settings.config import StudyConfig
from agent.settings.secrets import mask
from agent.settings.sources import load_config
from agent.settings.table import settings
from tools.errors import ConfigurationError

_OF_SEARCH = ("metric", "seed", "seeds")
_OF_BUDGET = ("wall_clock", "training_seconds", "trials")


def main(words: Sequence[str]) -> int:
    """`agent train …`; the exit code."""
    config, options = _load(words)
    if unused := [f"--{key}" for key in vars(options) if key in settings() and _is_unused(key)]:
        raise ConfigurationError(
            f"{', '.join(unused)}: agent train searches nothing and asks no model for proposals, so this would change "
            "nothing; leave it out, or see `agent train --help`"
        )
    if not options.policy and options.prompts is None:
        raise ConfigurationError(
            "nothing to train: give at least one --policy (a name, a line, a file or study:NAME), or --prompts FILE; "
            "see `agent train --help`"
        )
    configs = [
        _named(each, options, part)
        for each, part in _combinations(words, config, options, lambda more: _load([*words, *more])[0])
    ]

    def train(terminal: Terminal) -> int:
        from agent.training.given import Given
        from agent.training.policies import Job, train_given

        given = Given(options.policy, options.prompts, options.scale, options.reference)
        return train_given([Job(each, given, options.weights) for each in configs], terminal)

    return perform(train, options, again=mask(shlex.join(["agent", "train", *words])))


def _load(words: Sequence[str]) -> tuple[StudyConfig, argparse.Namespace]:
    config, options = load_config(
        words, os.environ, command="train", add_flags=_add_flags, shown=_is_of_training
    )
    if options.yes:
        config = config.model_copy(update={"model": config.model.model_copy(update={"download": "yes"})})
    return config, options


def _add_flags(parser: FlagParser) -> None:
    add = parser.add_argument
    parser.add_json()
    add(
        "--policy",
        action="append",
        default=[],
        metavar="TEXT",
        help="what to train; can be repeated: a name (default, none, trivial_augment_wide), a call such as "
        "'rand_augment(num_ops=3)', a line such as 'translate(p=0.8, fraction=0.08) > rotate(p=0.8, degrees=12)', a "
        "file (policy.json of a study, or a line of text), study:NAME (what that study recommends, with its "
        "backgrounds), or 'study:NAME:iteration 3'",
    )
    add(
        "--prompts",
        type=given_path,
        metavar="FILE",
        help="YAML file with a set of background prompts: each policy is trained without and with these backgrounds; "
        "without --policy, the backgrounds alone",
    )
    add(
        "--scale",
        type=_numbers,
        default=[],
        metavar="K,…",
        help="synthetic images per real one; several are tried in turn (default: as in FILE, or 1)",
    )
    add(
        "--datasets", type=_names, default=[], metavar="NAME,…", help="several data sets, one after the other"
    )
    add("--models", type=_names, default=[], metavar="NAME,…", help="several models")
    add("--image-sizes", type=_names, default=[], metavar="N,…", help="several image sizes, in pixels")
    add(
        "--no-reference",
        dest="reference",
        action="store_false",
        help="do not train no augmentation, which the gains are measured against",
    )
    add("--yes", action="store_true", help="fetch published weights of the model without asking")
    add(
        "--weights",
        action="store_true",
        help="train again what a study trained but kept no weights of (agent evaluate needs weights)",
    )


def _is_of_training(key: str) -> bool:
    section, _, name = key.partition(".")
    match section:
        case "search":
            return name in _OF_SEARCH
        case "budget":
            return name in _OF_BUDGET
        case "llm":
            return False
    return key not in ("data.shifts",)


def _is_unused(key: str) -> bool:
    # With a classifier among the gates, whether backgrounds are on decides how a study of these settings is validated.
    return not _is_of_training(key) and key != "search.backgrounds"


def _combinations(
    words: Sequence[str],
    config: StudyConfig,
    options: argparse.Namespace,
    load: Callable[[list[str]], StudyConfig],
) -> Iterator[tuple[StudyConfig, str]]:
    """(settings, what distinguishes it from the others) of each combination, in the order of the flags."""
    several = [
        ("--dataset", "data.dataset", options.datasets),
        ("--model", "model.name", options.models),
        ("--image-size", "data.image_size", options.image_sizes),
    ]
    for flag, key, values in several:
        if values and key in vars(options):
            raise ConfigurationError(f"{flag} and {flag}s name the same thing: give one of them")
    if options.datasets and config.data.path is not None:
        raise ConfigurationError("--data and --datasets: give one of them")
    counts = {flag: len(values) for flag, _, values in several}
    choices = [[(flag, value) for value in values] or [None] for flag, _, values in several]
    if not any(values for _, _, values in several):
        yield config, ""
        return
    for chosen in product(*choices):
        picked = [each for each in chosen if each is not None]
        part = "-".join(value for flag, value in picked if counts[flag] > 1)
        yield load([word for pair in picked for word in pair]), part


def _named(config: StudyConfig, options: argparse.Namespace, part: str) -> StudyConfig:
    """The settings without what belongs to a search; of several entries, each has a name of its own.

    A name in a file of settings is that of the study which wrote it.
    """
    name = getattr(options, "study", None) or os.environ.get("AGENT_STUDY") or None
    if name and part:
        name = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in f"{name}-{part}")
    search = config.search.model_copy(update={"iterations": 0, "baselines": [], "proposer": "fixed"})
    data = config.data.model_copy(update={"shifts": []})
    return config.model_copy(update={"study": name, "search": search, "data": data})


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in _names(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 1,2,3") from None
