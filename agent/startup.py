"""Opens all that a sitting of a study works with, checking first what is cheap to check."""

import difflib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.context import Context, describe_recipe
from agent.llm import CallRecord, is_price_known, make_ask
from agent.memory import Tracking
from agent.memory.ledger import BudgetSpent, Ledger, exceeded
from agent.memory.store import open_tracking
from agent.proposers.factory import make_proposer
from agent.screen.terminal import Terminal
from agent.settings.config import LLMConfig, StudyConfig
from agent.settings.sources import dump_config
from agent.steps.shifts import decode_shifts, find_shifts
from agent.steps.synthesis import Synthesis, backgrounds_of
from prompts import template_hash
from tools.datasets.cache.build import CachedDataset, build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset
from tools.errors import AugurError, ConfigurationError
from tools.execution.devices import WorkerPlan, plan_workers
from tools.execution.local import LocalExecutor
from tools.policy.catalogue import CATALOGUE
from tools.training.config import Recipe
from tools.training.environment import environment
from tools.training.models import check_model
from tools.training.recipes import resolve_recipe
from tools.training.trial_store import TrialStore


@contextmanager
def open_context(config: StudyConfig, why: str, folder: Path, terminal: Terminal) -> Iterator[Context]:
    """One sitting of the study in `folder`; `why` says which arm was chosen and on what grounds.

    Raises:
        AugurError: the data, the model, a device, the store or a setting is not as it must be; says which.
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
            config, dataset, data, _progress(terminal), lambda llm: make_ask(llm, lambda call: on_call(call))
        )
        if backgrounds != "off":
            synthesis.tools()  # what is missing is said now, not after the reference was trained
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
        )


def check_settings(config: StudyConfig) -> None:
    """Settings that are each valid and yet cannot do what they say.

    Raises:
        ConfigurationError: an unknown baseline, or a limit in dollars where the price of the model is not known.
    """
    whole = [name for name, spec in CATALOGUE.items() if spec.whole_policy]
    for name in config.search.baselines:
        if name not in CATALOGUE:
            near = difflib.get_close_matches(name, CATALOGUE, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ConfigurationError(
                f"search.baselines: there is no operation {name!r}.{hint} Whole policies of the literature are "
                f"{', '.join(whole)}; any operation of the catalogue may stand there."
            )
    calls = config.search.proposer in ("llm", "best_of_n")
    if calls and config.budget.dollars is not None and not is_price_known(config.llm):
        raise ConfigurationError(
            f"budget.dollars is {config.budget.dollars:g}, but {_unpriced(config.llm)}: the limit could never stop "
            "anything. Set llm.input_price and llm.output_price (dollars for a million tokens; 0 for a model of your "
            "own), or limit budget.tokens or budget.llm_calls instead."
        )


def _unpriced(llm: LLMConfig) -> str:
    return (
        f"what {llm.model} costs behind llm.base_url is not known"
        if llm.base_url
        else f"what {llm.model} costs is not known"
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
        lambda done, total: terminal.progress("looking for copies", done, total),
    )
    for line in data.notes:
        terminal.note(line)
    if data.skipped:
        shown = "; ".join(f"{item.file}: {item.reason}" for item in data.skipped[:5])
        terminal.warn(f"{len(data.skipped)} unreadable images are left out: {shown}")
    return data


def _progress(terminal: Terminal) -> Callable[[str, int, int], None]:
    def on_progress(stage: str, done: int, total: int) -> None:
        terminal.progress(stage, done, total)

    return on_progress


def _enter(config: StudyConfig, study: str, why: str, data: CachedDataset, recipe: Recipe) -> Tracking:
    """The study in MLflow, new or found again; what it was begun with must still hold."""
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
    """What happens after each call of the LLM: it is counted, traced, and held against the limits."""
    limits = config.budget.model_copy(update={"trials": None, "training_seconds": None, "wall_clock": None})

    def on_call(call: CallRecord) -> None:
        ledger.add_llm_call(call.id, call.input_tokens, call.output_tokens, call.dollars)
        tracking.log_llm_call(call)
        # The call that reaches a limit may hold the proposal that was paid for; the one after it is too many.
        if reason := exceeded(ledger.spent(), limits, beyond=True):
            raise BudgetSpent(reason)

    return on_call


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat
