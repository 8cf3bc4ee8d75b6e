"""From a configuration to the Context of one session, checking first what is cheap to check."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.context import Context
from agent.llm import CallRecord, is_price_known, make_ask
from agent.memory import Tracking
from agent.memory.ledger import BudgetSpent, Ledger, exceeded
from agent.memory.store import open_tracking
from agent.proposers.factory import LLM_ARMS, make_proposer
from agent.screen.terminal import Terminal
from agent.settings.config import LLMConfig, StudyConfig
from agent.settings.sources import dump_config
from agent.steps.shifts import decode_shifts, find_shifts
from agent.steps.synthesis import Synthesis, backgrounds_of
from prompts import template_hash
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.original_size import median_size
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset
from tools.errors import AugurError, ConfigurationError, did_you_mean
from tools.execution.devices import WorkerPlan, plan_workers
from tools.execution.local import LocalExecutor
from tools.policy.catalogue import CATALOGUE
from tools.training.config import Recipe
from tools.training.hardware import environment
from tools.training.models import check_model
from tools.training.recipes import describe_recipe, resolve_recipe
from tools.training.trial_store import TrialStore


@contextmanager
def open_context(config: StudyConfig, why: str, folder: Path, terminal: Terminal) -> Iterator[Context]:
    """Open everything that one session of the study in `folder` works with; close it at the end.

    Args:
        config: with the arm and the model resolved.
        why: which arm was chosen and for what reason.
        folder: the study's own.
        terminal: what shows progress.

    Raises:
        AugurError: the data, the model, a device, the store or a setting is wrong; says which.
    """
    study = config.study or folder.name
    check_settings(config)
    plans = plan_workers(config.execution)
    dataset = open_dataset(config.data)
    shifts = find_shifts(config.data, dataset.card)
    recipe = resolve_recipe(config.training)
    size = config.data.image_size or dataset.card.image_size
    check_model(config.model, len(dataset.card.classes), size)
    with LocalExecutor(plans, config.execution.trial_timeout) as executor:
        executor.warm_up()
        backgrounds, why_backgrounds = backgrounds_of(config, dataset.card)
        terminal.opening(study, _facts(config, why, why_backgrounds, dataset, recipe, size, plans))
        data = _read_data(dataset, config.data, size, config.runs_dir, terminal)
        synthesis = Synthesis(
            config, dataset, data, terminal.progress, lambda llm: make_ask(llm, lambda call: on_call(call))
        )
        if backgrounds != "off":
            synthesis.tools()  # report what is missing now, not after the reference was trained
        tracking = _enter(config, study, why, data, recipe)
        shutil.copyfile(data.splits_file, folder / data.splits_file.name)
        tracking.log_file(tracking.study_run, folder / data.splits_file.name)
        ledger = Ledger(folder / "ledger.jsonl")
        on_call = _bookkeeper(config, ledger, tracking)
        yield Context(
            config=config,
            study=study,
            folder=folder,
            data=data,
            recipe=recipe,
            tracking=tracking,
            ledger=ledger,
            terminal=terminal,
            executor=executor,
            machines=[{**environment(plan.device), "threads": str(plan.threads)} for plan in plans],
            store=TrialStore(config.runs_dir / "trials"),
            make_proposer=lambda: make_proposer(config.search, config.llm, on_call)[0],
            backgrounds=backgrounds,
            synthesis=synthesis,
            shifts=decode_shifts(shifts, data, config.runs_dir / "cache", terminal),
            original_size=median_size(dataset.source, data.split("train").files),
        )


def check_settings(config: StudyConfig) -> None:
    """Check settings that are valid one by one but cannot work together.

    Raises:
        ConfigurationError: an unknown baseline, or a limit in dollars for a model whose price is unknown.
    """
    whole = [name for name, spec in CATALOGUE.items() if spec.whole_policy]
    for name in config.search.baselines:
        if name not in CATALOGUE:
            hint = did_you_mean(name, CATALOGUE)
            raise ConfigurationError(
                f"search.baselines: there is no operation {name!r}{': ' + hint if hint else '.'} Published whole "
                f"policies are {', '.join(whole)}; any operation of the catalogue may be a baseline."
            )
    calls = config.search.proposer in LLM_ARMS
    if calls and config.budget.dollars is not None and not is_price_known(config.llm):
        raise ConfigurationError(
            f"budget.dollars is {config.budget.dollars:g}, but {_unpriced(config.llm)}: the limit could never "
            "stop anything. Set llm.input_price and llm.output_price (dollars per million tokens; 0 for your own "
            "model), or limit budget.tokens or budget.llm_calls instead."
        )


def _unpriced(llm: LLMConfig) -> str:
    return (
        f"the price of {llm.model} behind llm.base_url is unknown"
        if llm.base_url
        else f"the price of {llm.model} is unknown"
    )


def _facts(
    config: StudyConfig,
    why: str,
    why_backgrounds: str,
    dataset: Dataset,
    recipe: Recipe,
    size: int,
    plans: list[WorkerPlan],
) -> list[tuple[str, str]]:
    search = config.search
    return [
        ("arm", why),
        ("data", f"{dataset.card.title}, {size} px"),
        ("model", f"{config.model.name}, " + (config.model.weights or "from scratch")),
        ("recipe", describe_recipe(recipe)),
        (
            "search",
            f"{search.iterations} iterations × {search.seeds} seeds, {search.augmentations} operations in a policy; "
            f"{search.final_seeds} seeds for the best {search.top_k}",
        ),
        ("backgrounds", why_backgrounds),
        ("workers", ", ".join(f"{plan.device} × {plan.threads} threads" for plan in plans)),
    ]


def _read_data(
    dataset: Dataset, config: DataConfig, size: int, runs_dir: Path, terminal: Terminal
) -> CachedDataset:
    for line in dataset.card.warnings:
        terminal.warn(line)
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
    if data.skipped:
        shown = "; ".join(f"{item.file}: {item.reason}" for item in data.skipped[:5])
        terminal.warn(f"{len(data.skipped)} unreadable images are skipped: {shown}")
    return data


def _enter(config: StudyConfig, study: str, why: str, data: CachedDataset, recipe: Recipe) -> Tracking:
    """Open the study in MLflow, new or existing; the data must be those that it began with."""
    tracking = open_tracking(config.runs_dir)
    tracking.open_study(
        f"{data.card.name}/{config.model.name}",
        study,
        {
            "arm": config.search.proposer,
            "arm_reason": why,
            "data_fingerprint": data.fingerprint,
            "prompts": template_hash(),
            "cautions": "\n".join(data.card.warnings),
        },
        _flatten({**dump_config(config), "recipe": recipe.model_dump()}),
    )
    recorded = tracking.study_tags()["data_fingerprint"]
    if recorded != data.fingerprint:
        raise AugurError(
            f"The data of study {study} have changed since it began (fingerprint {recorded[:12]} then, "
            f"{data.fingerprint[:12]} now): its results cannot be compared with new ones. Restore the data, or start "
            "a new study."
        )
    return tracking


def _bookkeeper(config: StudyConfig, ledger: Ledger, tracking: Tracking) -> Callable[[CallRecord], None]:
    """Called after each LLM call: counts it, traces it, and checks the limits."""
    limits = config.budget.model_copy(update={"trials": None, "training_seconds": None, "wall_clock": None})

    def on_call(call: CallRecord) -> None:
        ledger.add_llm_call(call.id, call.input_tokens, call.output_tokens, call.dollars)
        tracking.log_llm_call(call)
        # The call that reaches a limit may hold a proposal that was paid for; only the next one is too many.
        if reason := exceeded(ledger.spent(), limits, beyond=True):
            raise BudgetSpent(reason)

    return on_call


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat
