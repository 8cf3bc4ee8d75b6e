"""`agent export`: what a study recommends, as code for torchvision, kornia or Albumentations, or as YAML."""

from collections.abc import Sequence

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser, given_path
from tools.errors import AugurError, ConfigurationError


def main(words: Sequence[str]) -> int:
    """`agent export …`; the exit code."""
    from agent.studies.exporting import TARGETS

    parser = FlagParser(
        "export",
        usage="agent export STUDY [--to LIBRARY] [--out FILE] [options]",
        description="Write what a study recommends, or what an arm of a race chose, as code to train with elsewhere. "
        "Its head says what was gained, on which data and under which seeds. For torchvision, the same draw gives the "
        "same pixels; for kornia and Albumentations, the distribution agrees within limits that the file states. What "
        "a library lacks is refused, with what to use instead.",
    )
    parser.add_argument(
        "name", metavar="STUDY", nargs="?", help="name of a study, or of a race (agent compare)"
    )
    parser.add_argument(
        "--to",
        choices=TARGETS,
        default="torchvision",
        metavar="LIBRARY",
        help="torchvision, kornia, albumentations or yaml (default: %(default)s)",
    )
    parser.add_argument("--arm", metavar="NAME", help="of a race: the arm whose policy is written")
    parser.add_json()
    parser.add_argument(
        "--out", type=given_path, metavar="FILE", help="where to write it (default: the screen)"
    )
    parser.add_runs_dir()
    parser.add_common_flags()
    options = parser.parse_all(words)
    if options.name is None:
        raise ConfigurationError("name a study or a race: agent export STUDY (see: agent list)")

    def run(terminal: Terminal) -> int:
        from agent.studies.exporting import as_text, exported
        from tools.policy.canonical import one_line

        found = exported(options.name, options.runs_dir, options.arm)
        text = as_text(found, options.to)
        terminal.document = {
            "name": options.name,
            "arm": options.arm,
            "to": options.to,
            "policy": one_line(found.policy),
            "about": dict(found.about),
            "image_size": found.image_size,
            "classes": found.classes,
            "file": None if options.out is None else str(options.out.resolve()),
            "text": text,
        }
        if options.out is None:
            if not options.as_document:
                terminal.verbatim(text.rstrip("\n"))
            return 0
        try:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise AugurError(
                f"--out {options.out} cannot be written ({error.strerror or error}): name another file"
            ) from error
        terminal.note(f"{options.to}: {options.out}")
        return 0

    return perform(run, options)
