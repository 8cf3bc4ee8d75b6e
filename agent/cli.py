"""The command `agent`: which command is meant, and nothing of what it does.

Everything heavy is imported inside the command that needs it, so that help and errors come at once.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.settings.arguments import FlagParser, HelpFormatter, parse_words, unknown_word
from tools.errors import AugurError, ConfigurationError

if TYPE_CHECKING:
    from agent.screen.terminal import Terminal

_DESCRIPTION = """\
Augur finds the training-time augmentation policy that makes your image
classifier best on your data: an LLM proposes, your classifier is trained, the
results go back to it, and the sealed test set has the last word."""

_EXAMPLES = """\
examples:
  agent run --dataset demo                         needs no data, no key, no GPU
  agent run --data FOLDER --llm openai:gpt-5-mini  one subfolder for each class
  agent run --dataset aptos --llm openai:llama3 \\
            --llm-base-url http://localhost:11434/v1
  agent resume STUDY                               after Ctrl-C or a power cut
  agent COMMAND --help                             the flags of a command
"""


class Command(NamedTuple):
    """One command: what `agent --help` says of it, and what it does with its words."""

    purpose: str
    run: Callable[[Sequence[str]], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0 done, 1 failed, 2 wrong usage or configuration, 130 and 143 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a screen without ± must not end a study
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(words)
    except AugurError as error:
        from agent.screen.terminal import Terminal

        if "--debug" in words or os.environ.get("AGENT_DEBUG"):
            traceback.print_exc()
        Terminal().error(str(error))
        return error.exit_code
    except SystemExit as done:  # argparse, after --help and --version
        return done.code if isinstance(done.code, int) else 1


def _dispatch(arguments: list[str]) -> int:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {command.purpose}" for name, command in COMMANDS.items())
    parser = FlagParser(
        prog="agent",
        usage="agent COMMAND [options]",
        description=f"{_DESCRIPTION}\n\ncommands:\n{listed}",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"augur {_version(arguments)}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    # The words of a command are its own: they are not parsed here.
    own = arguments[:1] if arguments and not arguments[0].startswith("-") else arguments
    name = parser.parse_all(own).command
    if name is None:
        parser.print_help()
        return ConfigurationError.exit_code
    if name not in COMMANDS:
        raise unknown_word("command", name, list(COMMANDS))
    return COMMANDS[name].run(arguments[1:])


def _version(arguments: list[str]) -> str:
    if arguments[:1] != ["--version"]:
        return ""  # reading the metadata of a package takes time
    from importlib.metadata import version

    return version("augur")


def _run(words: Sequence[str]) -> int:
    from agent.settings.sources import load_with_options

    config, options = load_with_options(words, os.environ, command="run")

    def run(terminal: "Terminal") -> int:
        from agent.study import run_study

        return run_study(config, terminal)

    return _perform(run, options, resume=_runs_dir_flag(config.runs_dir))


def _resume(words: Sequence[str]) -> int:
    from agent.settings.sources import load_file, read_changes

    extra = FlagParser(add_help=False)
    extra.add_argument("name", metavar="STUDY", help="its name, as `agent list` shows it")
    changes, options = read_changes(words, extra)
    runs_dir = Path(options.runs_dir or os.environ.get("AGENT_RUNS_DIR") or "runs")

    def resume(terminal: "Terminal") -> int:
        from agent.study import resume_study

        return resume_study(
            options.name, runs_dir, terminal, lambda path: load_file(path, os.environ, changes)
        )

    return _perform(resume, options, resume=_runs_dir_flag(runs_dir))


def _generate(words: Sequence[str]) -> int:
    from agent.settings.sources import load_with_options

    extra = FlagParser(add_help=False)
    extra.add_argument(
        "--scale", type=float, default=1.0, metavar="K", help="synthetic images for each real one"
    )
    extra.add_argument(
        "--subject", default="object", metavar="NAME", help="superclass for the detector, such as bird"
    )
    extra.add_argument(
        "--domain", metavar="NAME", help="whose instructions, settings and times (prompts/aga/)"
    )
    extra.add_argument("--prompts", type=Path, metavar="FILE", help="YAML with a prompt set of your own")
    extra.add_argument(
        "--flip", type=float, default=0.5, metavar="P", help="probability of mirroring the subject"
    )
    extra.add_argument(
        "--rotation", type=float, default=15.0, metavar="DEGREES", help="largest turn, either way"
    )
    extra.add_argument(
        "--smallest", type=float, default=0.8, metavar="X", help="smallest zoom of the subject"
    )
    extra.add_argument("--largest", type=float, default=1.2, metavar="X", help="largest zoom of the subject")
    extra.add_argument("--out", type=Path, metavar="PATH", help="copy the images there, as class folders")
    extra.add_argument("--status", action="store_true", help="list what was made so far, and make nothing")
    extra.add_argument("--prune", action="store_true", help="remove what was made, but for --keep")
    extra.add_argument("--keep", action="append", default=[], metavar="SET", help="a set that --prune leaves")
    config, options = load_with_options(
        words, os.environ, command="generate", extra=extra, shown=_is_of_generation
    )

    def generate(terminal: "Terminal") -> int:
        from agent.commands import generate as generation

        if options.status:
            return generation.status(config.runs_dir, terminal)
        if options.prune:
            return generation.make_room(config.runs_dir, options.keep, terminal)
        wishes = generation.Wishes(
            options.scale,
            options.subject,
            options.prompts,
            options.domain,
            options.flip,
            options.rotation,
            options.smallest,
            options.largest,
            options.out,
        )
        return generation.generate(config, wishes, terminal)

    return _perform(generate, options)


def _is_of_generation(key: str) -> bool:
    return key.startswith(("aga.", "data.", "llm.")) or key in ("search.seed", "runs_dir")


def _list(words: Sequence[str]) -> int:
    options = parse_words("list", "List the studies in a folder of runs.", words)

    def list_all(terminal: "Terminal") -> int:
        from agent.study import list_studies

        return list_studies(options.runs_dir, terminal)

    return _perform(list_all, options, pages=True)


def _show(words: Sequence[str]) -> int:
    options = parse_words("show", "Show what a study tried, found and spent.", words, study=True)

    def show(terminal: "Terminal") -> int:
        from agent.study import show_study

        return show_study(options.study, options.runs_dir, terminal)

    return _perform(show, options, pages=True)


def _ui(words: Sequence[str]) -> int:
    extra = FlagParser(add_help=False)
    extra.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    extra.add_argument("--port", type=int, default=5000, help="port to listen at (default: %(default)s)")
    options = parse_words("ui", "Show all studies and trials in MLflow's web interface.", words, extra=extra)

    def serve(terminal: "Terminal") -> int:
        from agent.commands.ui import serve

        return serve(options.runs_dir, options.host, options.port, terminal)

    return _perform(serve, options, pages=True)


def _doctor(words: Sequence[str]) -> int:
    from agent.settings.sources import load_with_options

    extra = FlagParser(add_help=False)
    extra.add_argument("--offline", action="store_true", help="send no request to the LLM's provider")
    config, options = load_with_options(words, os.environ, command="doctor", extra=extra)

    def examine(terminal: "Terminal") -> int:
        from agent.commands.doctor import examine

        return examine(config, terminal, offline=options.offline)

    return _perform(examine, options, pages=True)


def _datasets(words: Sequence[str]) -> int:
    from agent.commands.datasets import datasets

    return datasets(words)


def _cache(words: Sequence[str]) -> int:
    from agent.commands.datasets import cache

    return cache(words)


COMMANDS = {
    "run": Command("search for the best augmentation policy of a classifier", _run),
    "resume": Command("go on with a study that was interrupted", _resume),
    "generate": Command("make training images with new backgrounds", _generate),
    "datasets": Command("list, show, fetch and check data sets", _datasets),
    "cache": Command("list decoded images on disk, check them, make room", _cache),
    "list": Command("list the studies so far", _list),
    "show": Command("show what a study tried, found and spent", _show),
    "ui": Command("open MLflow's web interface on the studies", _ui),
    "doctor": Command("say what works on this machine, and how to mend what does not", _doctor),
}


def _perform(
    action: Callable[["Terminal"], int],
    options: argparse.Namespace,
    *,
    resume: str | None = None,
    pages: bool = False,
) -> int:
    from agent.screen.exits import perform

    return perform(action, options, resume=resume, pages=pages)


def _runs_dir_flag(runs_dir: Path) -> str:
    import shlex

    return "" if runs_dir == Path("runs") else f" --runs-dir {shlex.quote(str(runs_dir))}"
