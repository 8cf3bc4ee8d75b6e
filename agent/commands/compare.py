"""`agent compare`: policies and ways of searching race on the same data, with the same budget, and intervals."""

import argparse
import os
import shlex
from collections.abc import Sequence

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser, given_path
from agent.settings.config import StudyConfig
from agent.settings.secrets import mask
from agent.settings.sources import load_config
from tools.errors import ConfigurationError

_DECIDED = {
    "search.proposer": "name the ways of searching with --arms",
    "search.iterations": "--trials or --samples says how much each search may train",
    "search.baselines": "name the policies with --arms",
    "search.choosing_seeds": "a search chooses by the seeds that it trained its candidates under",
    "search.top_k": "a search chooses by the seeds that it trained its candidates under",
    "search.second_lengths": "all arms train for the same length",
    "search.check_length": "all arms train for the same length",
    "budget.wall_clock": "time depends on what else the machine does; give --trials or --samples",
    "budget.training_seconds": "time depends on what else the machine does; give --trials or --samples",
    "budget.trials": "give --trials, which bounds each search",
    "data.shifts": "evaluate the race's classifiers on other sets with agent evaluate",
}
"""Settings that the race decides itself → what to do instead."""


def main(words: Sequence[str]) -> int:
    """`agent compare …`; the exit code."""
    config, options = load_config(
        words, os.environ, command="compare", add_flags=_add_flags, shown=_is_of_races
    )
    if decided := [f"--{key}: {why}" for key, why in _DECIDED.items() if key in vars(options)]:
        raise ConfigurationError("\n".join(decided))
    if not options.arms:
        raise ConfigurationError(
            "--arms: say what to compare, such as --arms rand_augment,trivial_augment_wide,random,nearby; see "
            "`agent compare --help`"
        )
    from agent.comparing.arms import parse_arms
    from agent.comparing.plan import Race

    if options.scale and options.prompts is None:
        raise ConfigurationError(
            "--scale is for new backgrounds: give their prompts as well (--prompts FILE)"
        )
    race = Race(
        _of_race(config, options),
        parse_arms(options.arms),
        options.trials,
        options.samples,
        options.repeats,
        options.winner,
        options.prompts,
        options.scale,
    )
    command = mask(shlex.join(["agent", "compare", *words]))

    def compare(terminal: Terminal) -> int:
        if options.plan:
            from agent.comparing.planning import show_plan

            return show_plan(race, terminal)
        from agent.comparing.race import run_race

        return run_race(race, terminal, command)

    return perform(compare, options, again=command)


def _of_race(config: StudyConfig, options: argparse.Namespace) -> StudyConfig:
    """A name in a file of settings is that of the study which wrote it; so are its other data sets."""
    name = getattr(options, "study", None) or os.environ.get("AGENT_STUDY") or None
    data = config.data.model_copy(update={"shifts": []})
    return config.model_copy(update={"study": name, "data": data})


def _add_flags(parser: FlagParser) -> None:
    add = parser.add_argument
    parser.add_json()
    add(
        "--arms",
        action="append",
        default=[],
        metavar="NAME,…",
        help="what to compare, besides none and default, which are always there: policies as for agent train --policy "
        "(rand_augment, 'rand_augment(num_ops=3)', trivial_augment_wide, aug_mix, auto_augment, med_augment, sra, "
        "mixup, cutmix, a line, a file, study:NAME) and ways of searching (random, nearby, tpe, llm, best_of_n, "
        "hybrid, online, rand_augment_grid; llm@provider:model for a model of its own)",
    )
    add(
        "--trials",
        type=_whole,
        default=30,
        metavar="N",
        help="trainings that each search has, the default policy's included (default: %(default)s)",
    )
    add(
        "--samples",
        type=_whole,
        metavar="N",
        help="training images that each search may show, in the place of --trials",
    )
    add(
        "--repeats",
        type=_whole,
        default=1,
        metavar="R",
        help="searches of each searching arm, each under seeds of its own (default: %(default)s)",
    )
    add(
        "--winner",
        choices=("best", "recommended"),
        default="best",
        help="what a search is judged by: the best that it measured, or what Augur recommends, which stays with the "
        "default policy where in doubt (default: %(default)s)",
    )
    add(
        "--prompts",
        type=given_path,
        metavar="FILE",
        help="YAML file with a set of background prompts: these backgrounds alone, and with the default policy, are "
        "arms as well",
    )
    add(
        "--scale",
        type=_numbers,
        default=[],
        metavar="K,…",
        help="synthetic images per real one, for --prompts",
    )
    add(
        "--plan",
        action="store_true",
        help="only say which gains such a race can see, and what it costs; nothing is trained",
    )


def _is_of_races(key: str) -> bool:
    return key not in _DECIDED


def _whole(text: str) -> int:
    try:
        number = int(text.replace("_", "").replace(",", ""))
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return number


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 1,2,3") from None
