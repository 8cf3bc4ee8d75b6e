"""From a configuration to the Context of one session. What needs no torch was checked before (`prechecks.py`)."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.context import Context
from agent.images.synthesis import Synthesis
from agent.images.whether import backgrounds_of
from agent.llm import make_ask
from agent.memory import Tracking
from agent.memory.history import Backgrounds
from agent.memory.ledger import Ledger
from agent.memory.length_file import Lengths, read_lengths
from agent.memory.study_file import remember
from agent.memory.traces import IterationTrace
from agent.memory.tracking.store import experiment_of
from agent.proposers.factory import make_proposer
from agent.screen.terminal import Terminal
from agent.settings.config import LLMConfig, StudyConfig
from agent.settings.sources import dump_config
from agent.shifts import decode_shifts, find_shifts
from agent.starting.arithmetic import slow_here
from agent.starting.calls import begin_call, bookkeeper, keep_trace
from agent.starting.facts import opening_facts, recipe_line
from agent.starting.model_start import model_tag, refuse_other_model
from prompts import template_hash
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.check.class_balance import (
    ClassCounts,
    in_one_line,
    labels_line,
    scarce,
    sizes_line,
    unbalanced,
)
from tools.datasets.config import DataConfig
from tools.datasets.grey import is_grey
from tools.datasets.original_size import median_size
from tools.datasets.seed_folds import describe_folds, seed_folds
from tools.datasets.splits.split_file import what_changed
from tools.datasets.types import SPLITS, Dataset, Split
from tools.energy import open_meter
from tools.errors import AugurError
from tools.execution.make import connecting, described, machines_of, make_executor, workers_of
from tools.policy.catalogue import operation_names
from tools.policy.named import DEFAULT
from tools.text import counted
from tools.training.config import Recipe
from tools.training.model_source import source_identity
from tools.training.networks.models import check_model
from tools.training.recipes import resolve_recipe
from tools.training.trial_store import TrialStore

_FOLDS_TAG, _NO_FOLDS = "folds", "off"
"""Tag of a study: how many folds its seeds are validated on in turn."""
_OF_SEARCH = ("search", "finish")
"""Facts that say nothing where policies are given."""


@contextmanager
def open_context(
    config: StudyConfig,
    why: str,
    folder: Path,
    terminal: Terminal,
    tracking: Tracking,
    dataset: Dataset,
    given: Backgrounds | None = None,
    llm: LLMConfig | None = None,
    rehearsal: bool = False,
    unsaid: Collection[str] = (),
) -> Iterator[Context]:
    """Open everything that one session of the study in `folder` works with; close it at the end.

    Args:
        config: with the arm and the model resolved.
        why: which arm was chosen and for what reason.
        folder: the study's own.
        terminal: what shows progress.
        tracking: the open store, attached to the study if it holds it already.
        dataset: as `agent.starting.prechecks` opened it.
        given: where policies are given and nothing is searched (`agent train`): whether any has backgrounds.
        llm: the model that proposes, as `agent.starting.consent.settle` allows; None: as configured.
        rehearsal: nothing will be trained (`agent run --dry-run`): nothing is written to the store.
        unsaid: facts that are not shown, such as 'finish' where there is none.

    Raises:
        AugurError: the data, the model, a device, the store or a setting is wrong; says which.
    """
    study = config.study or folder.name
    if config.execution.kind == "ray":
        terminal.note(connecting(config.execution))
    plans = workers_of(config.execution)
    shifts = find_shifts(config.data, dataset.card)
    recipe = resolve_recipe(config.training, config.search.metric)
    size = config.data.image_size or dataset.card.image_size
    lengths = read_lengths(folder, tracking, found=False)
    recipe = _of_length(recipe, lengths)
    model_source = source_identity(config.model.name)
    told = check_model(config.model, len(dataset.card.classes), size, [plan.device for plan in plans])
    told += slow_here(config)
    with make_executor(config.execution, plans, config.training.loader_workers) as executor:
        executor.warm_up()
        backgrounds, why_backgrounds = (given, given) if given else backgrounds_of(config, dataset.card)
        workers, line = described(executor, plans, config.execution), recipe_line(config, recipe, lengths)
        terminal.metric = config.search.metric
        facts = opening_facts(config, why, why_backgrounds, dataset, line, size, workers)
        left_out = {*unsaid, *(_OF_SEARCH if given else ())}
        terminal.opening(study, [each for each in facts if each[0] not in left_out])
        for line in told:
            terminal.note(line)
        data = _read_data(dataset, config.data, size, config.runs_dir, terminal)
        folds, grey = _folds(config, dataset, data, tracking, terminal), _grey(data, terminal)
        synthesis = Synthesis(
            config,
            dataset,
            data,
            terminal.progress,
            lambda llm: make_ask(
                llm, lambda call: on_call(call), on_start=lambda call: begin_call(ledger, call, llm)
            ),
        )
        if backgrounds != "off":
            synthesis.chain.open()  # report what is missing now, not after the reference was trained
        if not rehearsal:
            arm = "given" if given else config.search.proposer
            _enter(config, study, folder, arm, why, data, recipe, folds, tracking)
            remember(folder, tracking.experiment_id, tracking.study_run)
            shutil.copyfile(data.splits_file, folder / data.splits_file.name)
            tracking.log_file(tracking.study_run, folder / data.splits_file.name)
        ledger = Ledger(folder / "ledger.jsonl", energy=open_meter().joules)
        lengths = lengths or read_lengths(
            folder, tracking, config.training.epochs == "auto" and not rehearsal
        )
        trace = IterationTrace(tracking, folder)
        on_call = bookkeeper(config, ledger, trace)
        context = Context(
            config=config,
            study=study,
            folder=folder,
            data=data,
            recipe=_of_length(recipe, lengths),
            lengths=lengths,
            tracking=tracking,
            ledger=ledger,
            trace=trace,
            terminal=terminal,
            executor=executor,
            machines=machines_of(config.execution, plans),
            store=TrialStore(config.runs_dir / "trials"),
            make_proposer=lambda: make_proposer(
                config.search, llm or config.llm, on_call, lambda call: begin_call(ledger, call, config.llm)
            )[0],
            backgrounds=backgrounds,
            synthesis=synthesis,
            shifts=decode_shifts(shifts, data, config.runs_dir / "cache", terminal),
            fold_count=folds,
            grey=grey,
            model_source=model_source,
            original_size=median_size(dataset.source, data.split("train").files),
        )
        try:
            yield context
        finally:
            keep_trace(trace, terminal)


def _of_length(recipe: Recipe, lengths: Lengths | None) -> Recipe:
    """`recipe` for the length that was found, if it was."""
    return recipe if lengths is None else recipe.model_copy(update={"epochs": lengths.epochs})


def _read_data(
    dataset: Dataset, config: DataConfig, size: int, runs_dir: Path, terminal: Terminal
) -> CachedDataset:
    """Decode the images, and say what may spoil the result before anything is trained."""
    data = build_cache(
        dataset,
        config,
        size,
        runs_dir / "cache",
        lambda done, total: terminal.progress("decoding", done, total),
        lambda done, total: terminal.progress("looking for near-duplicates", done, total),
    )
    for line in data.notes:
        terminal.note(line)
    counts: ClassCounts = {
        split: data.class_counts(split) for split in SPLITS if any(data.class_counts(split).values())
    }
    groups: ClassCounts = {split: data.class_groups(split) for split in counts}
    several = data.card.several_labels
    sizes: dict[Split, int] = {split: data.size(split) for split in counts}
    used = labels_line(counts, sizes, data.without_label) if several else in_one_line(counts)
    if used != sizes_line(dataset.records, dataset.card):
        terminal.note(f"images that are used: {used}")
    if data.skipped:
        shown = "; ".join(f"{item.file}: {item.reason}" for item in data.skipped[:5])
        terminal.warn(
            f"{counted(len(data.skipped), 'unreadable image is', 'unreadable images are')} skipped: {shown}"
        )
    few = scarce(counts, groups)
    for line in (*data.card.warnings, *data.warnings, "" if several else unbalanced(counts), few):
        if line:
            terminal.warn(line)
    return data


def _folds(
    config: StudyConfig, dataset: Dataset, data: CachedDataset, tracking: Tracking, terminal: Terminal
) -> int | None:
    """How many folds the seeds are validated on in turn, which is told; as recorded where the study began before."""
    if tracking.study_run:
        recorded = tracking.study_tags().get(_FOLDS_TAG, _NO_FOLDS)  # earlier versions had none, and no tag
        count = None if recorded == _NO_FOLDS else int(recorded)
    else:
        gate = config.search.backgrounds != "off" and config.aga.gates.classifier is not None
        found = seed_folds(config.data, dataset.published or dataset, data, gate)
        count = found.count
        if found.unusual:
            terminal.note(f"folds: {found.why}")
    if count is not None:
        images = sum(data.size(split) for split in ("train", "validation"))
        terminal.note(describe_folds(count, images))
    return count


def _grey(data: CachedDataset, terminal: Terminal) -> bool:
    """Whether the images are grey, which is told with what follows from it."""
    grey = is_grey(data)
    if grey:
        usable = operation_names(grey=True)
        left_out = ", ".join(name for name in operation_names() if name not in usable)
        terminal.note(f"grey: the images have no colour, so operations on colour are left out ({left_out})")
    return grey


def _enter(
    config: StudyConfig,
    study: str,
    folder: Path,
    arm: str,
    why: str,
    data: CachedDataset,
    recipe: Recipe,
    folds: int | None,
    tracking: Tracking,
) -> None:
    """Open the study in MLflow, new or existing; the data must be those that it began with."""
    tracking.open_study(
        experiment_of(config.tracking, data.card.name, config.model.title),
        study,
        {
            "arm": arm,
            "metric": config.search.metric,
            "arm_reason": why,
            "data_fingerprint": data.fingerprint,
            "prompts": template_hash(),
            **model_tag(config.model),
            _FOLDS_TAG: _NO_FOLDS if folds is None else str(folds),
            "cautions": "\n".join((*data.card.warnings, *data.warnings)),
        },
        _flatten({**dump_config(config), "recipe": _logged(config, recipe)}),
    )
    tracking.log_view(over_default=DEFAULT in config.search.baselines)
    tracking.log_dataset(
        data.card.name,
        data.fingerprint,
        str(config.data.path or data.card.name),
        {split: data.size(split) for split in SPLITS},
    )
    recorded = tracking.study_tags().get("data_fingerprint", "")
    if recorded != data.fingerprint:
        began_with = folder / data.splits_file.name
        what = f"{what_changed(began_with, data.splits_file)}; " if began_with.exists() else ""
        where = "" if config.data.path is None else f", which were read from {config.data.path},"
        raise AugurError(
            f"The data of study {study}{where} have changed since it began ({what}fingerprint {recorded[:12]} then, "
            f"{data.fingerprint[:12]} now): its results cannot be compared with new ones. Restore the data, or start "
            "a new study."
        )
    refuse_other_model(config.model, study, tracking.study_tags())


def _logged(config: StudyConfig, recipe: Recipe) -> dict[str, Any]:
    """The recipe as parameters of the study, which cannot change: a length that is to be found is 'auto'."""
    return {**recipe.model_dump(), **({"epochs": "auto"} if config.training.epochs == "auto" else {})}


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat
