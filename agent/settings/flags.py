"""The flags of `agent run`: made by pydantic-settings from the tree, one dotted flag for each setting.

Two things are added to what the library makes. The settings that people use most have a short flag, and these come
first in the help. And the library's flags that set a whole section from JSON (`--data JSON`) are left out: a short
flag of the same name (`--data PATH`) is worth more.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from pydantic_settings import BaseSettings, CliSettingsSource

from agent.settings.arguments import FlagParser, HelpFormatter, common_options
from agent.settings.table import NONE, settings

SHORT_FLAGS: dict[str, str] = {
    "data.dataset": "--dataset",
    "data.path": "--data",
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
    "aga.detector.kind": "--detector",
    "aga.segmenter.kind": "--segmenter",
    "aga.background.kind": "--background",
    "study": "--study",
    "runs_dir": "--runs-dir",
}
"""Key → short flag, in the order in which help lists them."""

_EPILOG = """\
The dotted flags are the keys of the configuration (a dash may stand for an
underscore); where no default is shown, the setting is unset. The same key is
good in a YAML file (--config FILE) and as a variable: search.iterations is
AGENT_SEARCH__ITERATIONS. A flag beats a variable, a variable beats the file,
the file beats the default; 'none' unsets. Keys of LLM providers are read from
the environment only: OPENAI_API_KEY, GOOGLE_API_KEY, …

Some data sets have a preset, weaker than all of these (agent/presets/): what
suits the data set better than the defaults do.
"""
_EPILOG_OF_RESUME = """\
A study goes on with the settings that it began with (config.yaml in its
folder); variables and --config are not read. What may change is shown above,
and holds from then on.
"""
_SETTINGS = "[--dataset NAME | --data PATH] [--llm MODEL] [options]"
_WORDS = {
    "run": (
        _SETTINGS,
        "Search for the augmentation policy that makes the classifier best, and prove it.",
        _EPILOG,
    ),
    "generate": (
        "[--dataset NAME | --data PATH] [--scale K] [options]",
        "Make training images with new backgrounds: the subject cut out, moved, and pasted.",
        "All of it: docs/backgrounds.md. A second call with the same settings finds what the first one made.\n",
    ),
    "datasets check": (
        "[NAME | --data PATH] [--sheet FILE] [options]",
        "Look at every image of a data set before anything is trained on it: counts, classes, sizes, unreadable "
        "files, copies, leaks between splits, labels. Ends with 0 where nothing is wrong (there may be warnings), "
        "with 1 where a study would refuse the data set or it is not as it was published.",
        "Images are decoded as a study with these settings does it, and kept for it.\n",
    ),
    "doctor": (
        _SETTINGS,
        "Say what works here with these settings, and how to mend what does not.",
        _EPILOG,
    ),
    "resume": (
        "STUDY [options]",
        "Go on with a study that was interrupted, from where it was.",
        _EPILOG_OF_RESUME,
    ),
}
"""Command → what its help says: usage, purpose, last words."""


class FlagSource(CliSettingsSource[FlagParser]):
    """The command line as a source of settings; also knows which flag a value came from."""

    def __init__(
        self,
        tree: type[BaseSettings],
        command: str,
        extra: argparse.ArgumentParser | None = None,
        shown: Callable[[str], bool] = lambda key: True,
    ) -> None:
        """`extra` has flags that are no settings; help leaves out the settings that are not `shown`."""
        usage, purpose, epilog = _WORDS[command]
        parser = FlagParser(
            prog=f"agent {command}",
            usage=f"agent {command} {usage}",
            description=purpose,
            epilog=epilog,
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )
        self._shown = shown
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
            if group._group_actions and all(
                action.help == argparse.SUPPRESS for action in group._group_actions
            ):
                group.title = group.description = None
        for key, flag in SHORT_FLAGS.items():
            parser.add_argument(flag, **self._short[key])
        if command != "resume":
            parser.add_argument("--config", metavar="FILE", help="YAML file of settings (AGENT_CONFIG)")
        for parent in (common_options(), extra):
            for action in parent._actions if parent else ():
                parser._add_action(action)

    def _add(self, group: argparse._ActionsContainer, *flags: str, **options: Any) -> None:
        """Called by the library for each flag that it makes."""
        setting = settings().get(options["dest"])
        if setting is None:
            return  # a whole section as JSON
        text = _help(setting.key).replace("%", "%%") if self._shown(setting.key) else argparse.SUPPRESS
        options |= {"metavar": setting.metavar, "help": text}
        dotted, short = f"--{setting.key}", SHORT_FLAGS.get(setting.key)
        if short:
            self._short[setting.key] = options
        hidden = {**options, "help": argparse.SUPPRESS}
        if dotted != short:
            # At the top of the tree there is no group to show it in: its short flag stands for it.
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


def _help(key: str) -> str:
    setting = settings()[key]
    match setting.default:
        case None:
            default = ""
        case list() as names:
            default = "default: " + (",".join(map(str, names)) or "[]")
        case float() as number:
            default = f"default: {number:g}"
        case value:
            default = f"default: {value}"
    notes = "; ".join(filter(None, (setting.bounds, default)))
    return f"{setting.field.description} ({notes})" if notes else str(setting.field.description)
