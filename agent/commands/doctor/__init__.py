"""`agent doctor`: what works on this machine with these settings, and how to fix what does not.

Each check is a function that yields its lines; none changes anything, and no line ever holds the value of a key.
"""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

from rich.text import Text

from agent.commands.doctor.check import Check, State
from agent.llm.ping import ping
from agent.screen.exits import perform
from agent.screen.tables import marked_grid
from agent.screen.terminal import Terminal
from agent.settings.arguments import FlagParser
from agent.settings.config import StudyConfig
from agent.settings.sources import load_config
from tools.errors import AugurError
from tools.text import counted

if TYPE_CHECKING:
    from agent.memory.tracking.store import Address

DISTRIBUTION = "augur-vision"
MINIMUM_PYTHON = (3, 11)
MINIMUM_DISK = 2 * 2**30
"""Bytes that the cache and the checkpoints of a small study need."""
_GIB = 2**30


def main(words: Sequence[str]) -> int:
    """`agent doctor …`; the exit code."""
    config, options = load_config(words, os.environ, command="doctor", add_flags=_add_flags)
    return perform(lambda terminal: examine(config, terminal, offline=options.offline), options, pages=True)


def _add_flags(parser: FlagParser) -> None:
    parser.add_json()
    parser.add_argument(
        "--offline", action="store_true", help="send nothing to the LLM's provider or an MLflow server"
    )


def examine(config: StudyConfig, terminal: Terminal, *, offline: bool = False) -> int:
    """Run every check and print the table; 1 if something fails, else 0. What is absent, such as a GPU, is no failure.

    Args:
        config: the settings of the study that would run.
        terminal: where the table goes.
        offline: send no request to the LLM's provider, nor to an MLflow server.
    """
    checks = list(all_checks(config, offline=offline))
    terminal.document = {"checks": [asdict(check) for check in checks]}
    terminal.show(marked_grid((_MARKS[check.state], check.name, _detail(check)) for check in checks))
    broken = [check for check in checks if check.state == "fails" and check.essential]
    failed = [check.name for check in checks if check.state == "fails"]
    if broken:
        names = ", ".join(check.name for check in broken)
        terminal.result(f"A study cannot run here: {names}.")
    else:
        terminal.result(
            f"A study can run here{', but these checks failed: ' if failed else ''}{', '.join(failed)}."
        )
    terminal.document |= {"can_run": not broken, "failed": failed}
    return 1 if failed else 0


def all_checks(config: StudyConfig, *, offline: bool) -> Iterator[Check]:
    """Every check, in the order of the table."""
    yield from _machine()
    yield from _packages()
    yield from _devices(config)
    yield from _store(config, offline)
    yield from _data(config)
    yield from _keys()
    yield from reach_model(config, offline=offline)


def _machine() -> Iterator[Check]:
    import psutil

    from tools.machine import usable_cores

    python = platform.python_version()
    if sys.version_info[:2] >= MINIMUM_PYTHON:
        yield Check("Python", "works", f"{python} ({sys.executable})")
    else:
        least = ".".join(map(str, MINIMUM_PYTHON))
        yield Check("Python", "fails", python, f"install Python {least} or newer", essential=True)
    memory = psutil.virtual_memory()
    yield Check("machine", "works", f"{platform.platform(terse=True)} {platform.machine()}")
    yield Check("CPU", "works", f"{usable_cores()} of {counted(os.cpu_count() or 0, 'core')} can be used")
    yield Check("memory", "works", f"{memory.available / _GIB:.1f} GiB free of {memory.total / _GIB:.1f} GiB")


def _packages() -> Iterator[Check]:
    try:
        needed = [line for line in requires(DISTRIBUTION) or [] if "extra ==" not in line]
    except PackageNotFoundError:
        yield Check(
            "packages", "fails", f"{DISTRIBUTION} itself is not installed", "run `make setup`", essential=True
        )
        return
    from packaging.requirements import Requirement

    found, wrong = [], []
    for requirement in map(Requirement, needed):
        try:
            have = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        found.append(f"{requirement.name} {have}")
        if not requirement.specifier.contains(have, prereleases=True):
            wrong.append(f"{requirement.name} {have} is not {requirement.specifier}")
    if wrong:
        yield Check("packages", "fails", "; ".join(wrong), "run `make setup`", essential=True)
    yield Check("versions", "works", ", ".join(found))


def _devices(config: StudyConfig) -> Iterator[Check]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Check("torch", "fails", f"cannot be imported: {error}", "run `make setup`", essential=True)
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for number in range(count):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        yield Check(
            f"cuda:{number}", "works", f"{name}, {free / _GIB:.1f} GiB free of {total / _GIB:.1f} GiB"
        )
    if not count:
        built = f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch has no CUDA"
        yield Check(
            "CUDA", "absent", f"no device ({built})", "trials run on the CPU, which is enough for small ones"
        )
    if torch.backends.mps.is_available():
        yield Check("MPS", "works", "Apple GPU")
    from tools.execution.make import workers_of

    try:
        plans = workers_of(config.execution)
    except AugurError as error:
        yield Check("workers", "fails", str(error), "see --execution.device", essential=True)
        return
    yield Check(
        "workers", "works", ", ".join(f"{plan.device} × {counted(plan.threads, 'thread')}" for plan in plans)
    )
    from agent.commands.doctor.pace import cpu_pace, cuda_pace

    for device, threads in {plan.device: plan.threads for plan in plans}.items():
        if device.startswith("cuda"):
            yield cuda_pace(device)
        elif device == "cpu":
            yield cpu_pace(threads)


def _store(config: StudyConfig, offline: bool) -> Iterator[Check]:
    from agent.memory.tracking.store import find_store

    folder = config.runs_dir.resolve()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        remedy = "make it writable, or choose another with --runs-dir"
        yield Check("runs", "fails", f"{folder}: {error.strerror}", remedy, essential=True)
    else:
        yield Check("runs", "works", f"{folder} is writable")
        free = shutil.disk_usage(existing).free
        if free < MINIMUM_DISK:
            remedy = "free some space, or choose another disk with --runs-dir"
            yield Check("disk", "fails", f"{free / _GIB:.1f} GiB free at {existing}", remedy)
        else:
            yield Check("disk", "works", f"{free / _GIB:.0f} GiB free at {existing}")
    try:
        address = find_store(config.tracking, config.runs_dir)
    except AugurError as error:
        yield Check("MLflow", "fails", str(error), essential=True)
        return
    if not address.exists:
        yield Check("MLflow", "absent", f"no store yet at {address.shown}", "the first study creates it")
    elif offline and address.file is None:
        yield Check("MLflow", "absent", f"{address.shown} was not contacted (--offline)")
    else:
        yield _open_store(address)


def _open_store(address: "Address") -> Check:
    from agent.memory.writing import open_store
    from agent.settings.config import TrackingConfig

    notes: list[str] = []
    try:
        tracking = open_store(address, TrackingConfig(retries=0, timeout=10), notes.append)
        tracking.check()
        studies = len(tracking.studies())
    except AugurError as error:
        return Check("MLflow", "fails", str(error), essential=True)
    held = f"{address.shown} holds {counted(studies, 'study', 'studies')}"
    return Check("MLflow", "works", "\n".join([held, *notes]))


def _data(config: StudyConfig) -> Iterator[Check]:
    from tools.datasets.registry import ENTRIES, open_dataset, open_published

    asked = config.data
    assert asked.dataset is not None  # resolved by the configuration
    try:
        data = open_dataset(asked)
    except AugurError as error:
        first, *rest = str(error).splitlines()
        yield Check(f"data: {asked.dataset}", "fails", first, "\n".join(rest).strip(), essential=True)
    else:
        found = (
            f"{counted(len(data.records), 'image')}, {counted(len(data.card.classes), 'class', 'classes')}"
        )
        yield Check(f"data: {asked.dataset}", "works", found)
    present = []
    for name in ENTRIES:
        try:
            open_published(asked.model_copy(update={"dataset": name, "path": None, "variant": None}))
            present.append(name)
        except AugurError:
            continue
    found = f"{len(present)} of the {len(ENTRIES)} known by name: {', '.join(present)}"
    yield Check("data sets", "works", found, "`agent datasets` lists all, and says how to get them")


def _keys() -> Iterator[Check]:
    from agent.llm.providers import KEY_VARIABLES

    names = [name for names in KEY_VARIABLES.values() for name in names]
    present = [name for name in names if os.environ.get(name)]
    if present:
        yield Check("keys", "works", f"{', '.join(present)} {'is' if len(present) == 1 else 'are'} set")
    else:
        remedy = "set OPENAI_API_KEY or GOOGLE_API_KEY, or use a local server (--llm-base-url), or --proposer nearby"
        yield Check("keys", "absent", "no key of a known provider is set", remedy)


def reach_model(config: StudyConfig, *, offline: bool) -> Iterator[Check]:
    """Whether the model that would propose can be reached; one request that costs no tokens."""
    from agent.llm import check_llm, configured_model
    from agent.proposers.factory import LLM_ARMS

    needed = config.search.proposer in LLM_ARMS
    try:
        model = configured_model(config.llm)
        if model is not None:
            check_llm(config.llm.model_copy(update={"model": model}))
    except AugurError as error:
        yield Check("LLM", "fails", str(error), "see --llm", essential=True)
        return
    if model is None:
        remedy = "name one with --llm PROVIDER:MODEL; without one, the proposer nearby searches"
        yield Check(
            "LLM", "fails" if needed else "absent", "no model is configured", remedy, essential=needed
        )
    elif offline:
        yield Check("LLM", "absent", f"{model} was not contacted (--offline)")
    else:
        found = ping(model, config.llm.base_url, unlisted=config.llm.unlisted)
        states: dict[bool | None, State] = {True: "works", False: "fails", None: "absent"}
        yield Check("LLM", states[found.reachable], found.detail, found.remedy, essential=needed)


_MARKS = {"works": ("✓", "green"), "fails": ("✗", "bold red"), "absent": ("–", "dim")}


def _detail(check: Check) -> Text:
    detail = Text(check.detail)
    if check.remedy:
        detail.append(f"\n→ {check.remedy}", style="yellow" if check.state == "fails" else "dim")
    return detail
