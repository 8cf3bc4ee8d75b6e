"""The flags of `agent run`: made by pydantic-settings from the tree, one dotted flag for each setting.

This adds a short flag for each setting that people use most, and lists these first in the help (the library's own
`cli_shortcuts` would list them in their groups). It omits the library's flags that set a whole section from JSON
(`--data JSON`): a short flag of the same name (`--data PATH`) is worth more.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from pydantic_settings import BaseSettings, CliSettingsSource

from agent.settings.arguments import FlagParser
from agent.settings.table import NONE, Setting, settings
from tools.durations import as_flag

SHORT_FLAGS: dict[str, str] = {
    "data.dataset": "--dataset",
    "data.path": "--data",
    "data.modality": "--modality",
    "data.image_size": "--image-size",
    "data.fold": "--fold",
    "model.name": "--model",
    "training.epochs": "--epochs",
    "search.proposer": "--proposer",
    "llm.model": "--llm",
    "llm.base_url": "--llm-base-url",
    "search.augmentations": "--augmentations",
    "search.iterations": "--iterations",
    "search.seeds": "--seeds",
    "search.seed": "--seed",
    "search.warm_start": "--warm-start",
    "aga.detector.kind": "--detector",
    "aga.segmenter.kind": "--segmenter",
    "aga.background.kind": "--background",
    "study": "--study",
    "runs_dir": "--runs-dir",
}
"""Key → short flag, in the order in which help lists them."""

OFTEN_CHANGED = (
    "data.labels",
    "data.on_leak",
    "data.per_class",
    "model.weights",
    "training.batch_size",
    "training.learning_rate",
    "search.metric",
    "search.baselines",
    "search.candidates",
    "search.backgrounds",
    "budget.wall_clock",
    "budget.trials",
    "budget.dollars",
    "execution.device",
    "execution.workers",
)
"""Settings without a short flag that the short help shows."""
_BRIEF = ("run", "submit", "compare", "train", "paper", "doctor")
"""Commands with a short help, because the whole one has hundreds of lines."""

_SHORT_FLAGS_OF: dict[str, dict[str, str]] = {
    "compare": {
        **{key: flag for key, flag in SHORT_FLAGS.items() if key not in ("search.seeds", "search.proposer")},
        "search.final_seeds": "--seeds",
    },
    "paper": {
        "data.path": "--data",
        "search.seeds": "--seeds",
        "llm.base_url": "--llm-base-url",
        "aga.detector.kind": "--detector",
        "aga.segmenter.kind": "--segmenter",
        "aga.background.kind": "--background",
        "runs_dir": "--runs-dir",
    },
}
"""Command → its short flags, where they are others: a race is judged by its fresh seeds."""

_EPILOG = """\
--help-all lists every setting. A dotted flag is the key of a setting (a dash
may stand for an underscore); a setting whose default is not shown is unset. The
same key works in a YAML file (--config FILE) and as a variable:
search.iterations is AGENT_SEARCH__ITERATIONS. A flag overrides a variable, a
variable overrides the file, the file overrides the default; 'none' unsets. Keys
of LLM providers are read only from the environment: OPENAI_API_KEY, …

Some data sets have a preset with settings that suit them better than the
defaults (agent/settings/presets/); everything above overrides it.
"""
_EPILOG_OF_RESUME = """\
A study resumes with the settings that it began with (config.yaml in its
folder); variables and --config are not read. The settings above can change,
and stay changed.
"""
_SETTINGS = "[--dataset NAME | --data PATH] [--llm MODEL] [options]"
_TEXTS = {
    "run": (
        _SETTINGS,
        "Search for the augmentation policy that makes the classifier best, and prove it.",
        _EPILOG,
    ),
    "submit": (
        _SETTINGS,
        "Queue a study in a service (agent serve), with the settings of `agent run`.",
        """\
See docs/service.md. Settings that are not given here are those of the service.
Paths of data are on its machine. The same name with the same settings is the
same study: the command can be repeated.
""",
    ),
    "train": (
        "[--dataset NAME | --data PATH] --policy TEXT … [options]",
        "Train given policies, and compare them with no augmentation and each other: the same trials as in a study, "
        "without a search.",
        """\
See docs/train.md. The same command, repeated, reuses what it trained and
continues what was interrupted. The settings of a study:
--config runs/studies/NAME/config.yaml.
""",
    ),
    "compare": (
        "[--dataset NAME | --data PATH] --arms NAME,… [options]",
        "Let policies and ways of searching race: the same data, splits, seeds and budget for each; the test set is "
        "opened when all have chosen, and the report says who is better, with intervals.",
        """\
See docs/race.md. The same command, repeated, continues what was interrupted.
Trials of each proposal of a search: --search.seeds N.
""",
    ),
    "paper": (
        "NAME [--cells PATTERN,…] [--plan] [options]",
        "Run a table of the papers that Augur follows, cell by cell, and show it in the paper's layout with the "
        "printed numbers beside ours.",
        """\
See docs/paper.md. The same command, repeated, reads finished cells back and
continues what was interrupted. A setting that is given here is stronger than
the protocol, and is named below the table.
""",
    ),
    "generate": (
        "[--dataset NAME | --data PATH] [--scale K] [options]",
        "Make training images with new backgrounds: the subject is cut out, moved and pasted.",
        "See docs/backgrounds.md. The same command, repeated, finds the images it made.",
    ),
    "datasets check": (
        "[NAME | --data PATH] [--sheet FILE] [options]",
        "Inspect every image of a data set before you train on it: counts, classes, sizes, unreadable files, "
        "duplicates, leaks between splits, labels. Exits with 0 if there is no problem (there may be warnings), "
        "with 1 if a study would refuse the data set or if it differs from what was published.",
        "Images are decoded as for a study with these settings, and kept for it.\n",
    ),
    "doctor": (
        _SETTINGS,
        "Check what works on this machine with these settings, and say how to fix what does not.",
        _EPILOG,
    ),
    "resume": ("STUDY [options]", "Resume a study that was interrupted.", _EPILOG_OF_RESUME),
}
"""Command → what its help says: usage, purpose, closing words."""


class FlagSource(CliSettingsSource[FlagParser]):
    """The command line as a source of settings; also knows which flag a value came from."""

    def __init__(
        self,
        tree: type[BaseSettings],
        command: str,
        add_flags: Callable[[FlagParser], object] = lambda parser: None,
        shown: Callable[[str], bool] = lambda key: True,
    ) -> None:
        """`add_flags` adds the command's own flags to the parser; help omits the settings that are not `shown`."""
        usage, purpose, epilog = _TEXTS[command]
        parser = FlagParser(command, usage=f"agent {command} {usage}", description=purpose, epilog=epilog)
        self._shown = shown
        self._short_flags = _SHORT_FLAGS_OF.get(command, SHORT_FLAGS)
        self._short: dict[str, dict[str, Any]] = {}
        self.typed: dict[str, str] = {}
        """Key → the flag as it was typed."""
        super().__init__(
            tree,
            root_parser=parser,
            parse_args_method=FlagParser.parse_all,
            add_argument_method=self._add,
            add_argument_group_method=_add_group,
            cli_hide_none_type=True,
            cli_parse_none_str=NONE,
            cli_use_class_docs_for_groups=True,
        )
        for group in parser._action_groups:
            if all(action.help == argparse.SUPPRESS for action in group._group_actions):
                group.title = group.description = None
        for key, flag in self._short_flags.items():
            parser.add_argument(flag, **self._short[key])
        add_flags(parser)
        if command != "resume":
            parser.add_argument("--config", metavar="FILE", help="YAML file of settings (AGENT_CONFIG)")
        parser.add_common_flags()
        if command in _BRIEF:
            usual = (key for key in self._short_flags if not key.startswith("aga."))
            parser.add_whole_help(frozenset(key for key in (*usual, *OFTEN_CHANGED) if shown(key)))

    def _add(self, group: argparse._ActionsContainer, *flags: str, **options: Any) -> None:
        """Called by the library for each flag that it makes."""
        setting = settings().get(options["dest"])
        if setting is None:
            return  # a whole section as JSON
        text = _help(setting).replace("%", "%%") if self._shown(setting.key) else argparse.SUPPRESS
        options |= {"metavar": setting.metavar, "help": text}
        dotted, short = f"--{setting.key}", self._short_flags.get(setting.key)
        if short:
            self._short[setting.key] = options
        hidden = {**options, "help": argparse.SUPPRESS}
        if dotted != short:
            # At the top of the tree there is no group to show it in: help shows its short flag.
            group.add_argument(dotted, **(options if "." in setting.key else hidden))
        dashed = dotted.replace("_", "-")
        if dashed not in (dotted, short):
            group.add_argument(dashed, **hidden)

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse `arguments`; afterwards the source holds their settings. Returns all that was parsed.

        Raises:
            ConfigurationError: an unknown flag, or one without its value.
            SystemExit: after --help, with status 0.
        """
        namespace = self.root_parser.parse_all(arguments)
        given = {key: value for key, value in vars(namespace).items() if key in settings()}
        self(parsed_args=given)
        keys = {flag: action.dest for action in self.root_parser._actions for flag in action.option_strings}
        for word in arguments:
            flag = word.partition("=")[0]
            if keys.get(flag) in given:
                self.typed[keys[flag]] = flag
        return namespace


def _add_group(parser: argparse.ArgumentParser, **options: Any) -> argparse._ArgumentGroup:
    options["title"] = options["title"].removesuffix(" options")
    options["description"] = " ".join(str(options["description"]).split())
    return parser.add_argument_group(**options)


def _help(setting: Setting) -> str:
    match setting.default:
        case None:
            default = ""
        case float() as seconds if setting.is_time:
            default = f"default: {as_flag(seconds)}"
        case list() as names:
            default = "default: " + (",".join(map(str, names)) or "[]")
        case float() as number:
            default = f"default: {number:g}"
        case value:
            default = f"default: {value}"
    listed = "" if setting.metavar.startswith("{") else ", ".join(setting.choices)
    bounds = "" if setting.is_time else setting.bounds
    notes = "; ".join(filter(None, (listed, bounds, default)))
    return f"{setting.field.description} ({notes})" if notes else str(setting.field.description)
