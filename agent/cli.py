"""The command `agent`: finds the command that is meant, runs it, and reports errors.

A command's module is imported only when it is called, so that help and errors come at once.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from agent.settings.arguments import FlagParser, unknown_word
from tools.errors import AugurError, ConfigurationError

COMMANDS = {
    "run": "search for the best augmentation policy for your classifier",
    "resume": "resume a study that was interrupted",
    "train": "train given policies, and compare them",
    "compare": "let policies and ways of searching race, with intervals",
    "paper": "run the tables of the papers, beside their printed numbers",
    "export": "write a policy as code: torchvision, kornia, Albumentations, YAML",
    "evaluate": "put trained classifiers to a test set",
    "explain": "what a result means: robustness, attribution, calibration",
    "fit": "train what a study recommends, as a model to take away",
    "predict": "what a model of agent fit says about images",
    "generate": "make training images with new backgrounds",
    "datasets": "list, show, download and check data sets",
    "cache": "list, check and remove decoded images on disk",
    "simulate": "try rules of choosing on a table of trained policies",
    "list": "list the studies",
    "show": "show what a study tried, found and spent",
    "delete": "delete a study",
    "report": "write a study's report as one page",
    "watch": "keep the page of a running study up to date",
    "serve": "run studies as a service: a queue, an HTTP API and its page",
    "submit": "queue a study in a service",
    "follow": "show what a study of a service does, as it does it",
    "ui": "open the studies in MLflow's web interface",
    "completion": "print a script for completion in bash and zsh",
    "doctor": "check what works on this machine, and how to fix the rest",
}
"""Command → its purpose. What it does is `main` in the module of its name in agent/commands/."""

_DESCRIPTION = """\
Augur finds the training-time augmentation policy that makes your image
classifier best on your data: an LLM proposes a policy, your classifier is
trained with it, the LLM sees the result and proposes again. At the end, a test
set that was never used before shows whether it helped."""

_EXAMPLES = """\
examples:
  agent run --dataset demo                         needs no data, no key, no GPU
  agent run --data FOLDER --llm openai:gpt-5-mini  one subfolder for each class
  agent run --dataset aptos --llm openai:llama3 \\
            --llm-base-url http://localhost:11434/v1
  agent resume STUDY                               after Ctrl-C or a power cut
  agent train --dataset demo --policy default --policy 'rotate(degrees=9)'
  agent COMMAND --help                             the flags of a command
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0 done, 1 failed, 2 wrong usage or configuration, 130 and 143 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A screen that cannot show ± must not end a study.
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(words)
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # whoever reads it, such as `head`, has seen enough
            _tell(error)
        # Standard output takes no more; without this, Python complains of it when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _tell(error: OSError) -> None:
    """Say that what was printed could not be written, as on a full disk; any other error is raised again."""
    from agent.screen.terminal import Terminal
    from tools.disk import is_explainable

    if error.filename or not is_explainable(error):
        raise error
    Terminal().error(
        f"standard output cannot be written ({error.strerror}): see that there is room where it goes, or send it "
        "elsewhere"
    )


def _run(words: list[str]) -> int:
    """One command and its errors; the exit code."""
    try:
        return _dispatch(words)
    except AugurError as error:
        from agent.screen.terminal import Terminal

        if "--debug" in words or os.environ.get("AGENT_DEBUG"):
            traceback.print_exc()
        Terminal().error(str(error))
        if "--json" in words:
            from agent.screen.exits import print_document

            print_document({}, error.exit_code, str(error))
        return error.exit_code
    except SystemExit as done:  # argparse, after --help
        return done.code if isinstance(done.code, int) else 1


def _dispatch(words: list[str]) -> int:
    if words and not words[0].startswith("-"):
        name = words[0]
        if name not in COMMANDS:
            raise unknown_word("command", name, list(COMMANDS))
        return import_module(f"agent.commands.{name}").main(words[1:])
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {purpose}" for name, purpose in COMMANDS.items())
    parser = FlagParser(
        usage="agent COMMAND [options]",
        description=f"{_DESCRIPTION}\n\ncommands:\n{listed}",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    if parser.parse_all(words).version:
        from importlib.metadata import version

        print(f"augur {version('augur-vision')}")
        return 0
    parser.print_help()
    return ConfigurationError.exit_code
