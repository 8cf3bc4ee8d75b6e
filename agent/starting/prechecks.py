"""What is checked before anything heavy is imported: a wrong setting answers at once, and not after the reference."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.images.whether import backgrounds_of
from agent.llm import check_llm, is_price_known
from agent.llm.ping import ping
from agent.memory.candidate import as_baseline, check_changes, named_baselines, own_of
from agent.memory.earlier import NAME as EARLIER
from agent.memory.ledger import Ledger, exceeded
from agent.proposers.factory import LLM_ARMS
from agent.settings.config import BudgetConfig, LLMConfig, StudyConfig
from agent.steps.metric import check_labels, check_metric
from agent.study_folder import folder_of
from tools.aga.chain_steps import caption_kind, writes_captions
from tools.datasets.registry import open_dataset
from tools.datasets.types import Card, Dataset
from tools.disk import refuse_unwritable
from tools.errors import AugurError, ConfigurationError
from tools.policy.own import try_own
from tools.training.networks.names import check_names
from tools.training.recipes import resolve_recipe


def check_before_start(config: StudyConfig) -> Dataset:
    """Check the settings, the names and the paths of a study; the data set, opened but not decoded.

    Args:
        config: with the arm and the model resolved.

    Raises:
        AugurError: something is wrong; says what, where and what helps.
        OSError: the runs folder cannot be written to.
    """
    refuse_unwritable(config.runs_dir)
    check_settings(config)
    _check_earlier(config)
    check_names(config.model)
    if config.search.backgrounds != "off":
        check_captioner(config)
    dataset = open_dataset(config.data)
    if writes_captions(config.aga) and _makes_backgrounds(config, dataset.card):
        _check_price(config, config.caption_llm)
    check_labels(config, dataset.card)
    check_metric(config.search.metric, dataset)
    try_own(own_of(config.search), config.data.image_size or dataset.card.image_size)
    return dataset


def _check_earlier(config: StudyConfig) -> None:
    """The studies of `search.warm_start` are there, unless this study wrote down before what they found."""
    if (config.runs_dir / "studies" / (config.study or "") / EARLIER).exists():
        return
    for name in config.search.warm_start:
        try:
            folder_of(name, config.runs_dir)
        except ConfigurationError as error:
            raise ConfigurationError(f"--warm-start {name}: {error}") from None


def check_schedules(config: StudyConfig, card: Card) -> None:
    """What a new study does at an epoch happens before its trainings end: baselines that change, looks of a model.

    Raises:
        ConfigurationError: it would never happen, or a baseline changes where the length is only found out.
    """
    epochs = None if config.training.epochs == "auto" else resolve_recipe(config.training).epochs
    found = [as_baseline(each) for each in named_baselines(config.search, card.modality)]
    check_changes(found, epochs, "--search.baselines")
    every = config.search.adapt_every
    if config.search.proposer == "online" and every and epochs is not None and every >= epochs:
        raise ConfigurationError(
            f"search.adapt_every is {every}, but a training has {epochs} epochs, so that the model would never look: "
            "give a smaller number, or leave it out for a look after every quarter"
        )


class ModelAway(AugurError):
    """The server of a language model does not answer, or refuses the key or the account."""

    resumable = True


def check_models_answer(config: StudyConfig, card: Card, tell: Callable[[str], None]) -> None:
    """Ask the servers of the language models that a study needs for their lists of models, which costs nothing.

    A server without such a list is believed to have the model: only a call, which may cost, would tell.

    Args:
        config: with the arm and the model resolved.
        card: of the data set; its kind decides whether backgrounds are made.
        tell: is told what a person should look at, but what need not be wrong.

    Raises:
        ConfigurationError: a server does not have the model.
        ModelAway: it does not answer within seconds, or refuses the key.
    """
    asked: set[tuple[str | None, str | None]] = set()
    for llm in _needed(config, card):
        if llm.model is not None and (llm.model, llm.base_url) not in asked:
            asked.add((llm.model, llm.base_url))
            _check_answers(llm, tell)


def check_captions_answer(config: StudyConfig, tell: Callable[[str], None]) -> None:
    """Ask the server of the model that is to write captions, if one is, as `check_models_answer` does.

    Raises:
        ConfigurationError: the server does not have the model.
        ModelAway: it does not answer within seconds, or refuses the key.
    """
    if writes_captions(config.aga) and config.caption_llm.model:
        _check_answers(config.caption_llm, tell)


def check_model_answers(llm: LLMConfig, setting: str, tell: Callable[[str], None]) -> None:
    """Check that a model is named and its server there, as `check_models_answer` does.

    Args:
        llm: the model.
        setting: what needs it, for the error.
        tell: is told what a person should look at.

    Raises:
        ConfigurationError: no model is named, or the server does not have it.
        ModelAway: it does not answer within seconds, or refuses the key.
    """
    if llm.model is None:
        raise ConfigurationError(f"{setting} needs a language model that sees pictures: name one with --llm")
    check_llm(llm)
    _check_answers(llm, tell)


def _needed(config: StudyConfig, card: Card) -> Iterator[LLMConfig]:
    """The models that a study calls; whether it makes backgrounds is found out last, because that takes seconds."""
    if config.search.proposer in LLM_ARMS:
        yield config.llm
    if writes_captions(config.aga) and _makes_backgrounds(config, card):
        yield config.caption_llm


def _check_answers(llm: LLMConfig, tell: Callable[[str], None]) -> None:
    assert llm.model is not None
    found = ping(llm.model, llm.base_url, unlisted=llm.unlisted)
    told = f"{found.detail}{' (' + found.remedy + ')' if found.remedy else ''}"
    if found.verdict == "unknown":
        raise ConfigurationError(
            f"The language model {told}. Name one of these with --llm; if the server takes names that it does not "
            "list, add --llm.unlisted true."
        )
    if found.verdict in ("refused", "away"):
        raise ModelAway(
            f"The language model cannot be asked: {told}. Or name another with --llm and --llm-base-url."
        )
    if found.verdict == "unsure":
        tell(
            f"The language model may not answer: {told}. If it does not when a proposal is needed, the study stops "
            "and can be resumed."
        )


def _makes_backgrounds(config: StudyConfig, card: Card) -> bool:
    return backgrounds_of(config, card)[0] != "off"


def may_propose(state: Mapping[str, Any], following: Sequence[str], iterations: int) -> bool:
    """Whether a study that stands there will ask for another proposal.

    Args:
        state: of the loop, as checkpointed; empty where nothing has begun.
        following: the nodes that it has not left behind (`unfinished`).
        iterations: how many the search has.
    """
    if not iterations:
        return False
    if not state:
        return True
    if not following or "finalise" in following or state.get("stop"):
        return False
    if {"realise", "train", "judge"} & set(following):
        return state["iteration"] < iterations
    return True


def has_budget(ledger: Path, budget: BudgetConfig) -> bool:
    """Whether a study whose ledger that is, if there is one yet, has something left of every limit."""
    return not ledger.exists() or exceeded(Ledger(ledger, begins=False).spent(), budget) is None


def check_captioner(config: StudyConfig) -> None:
    """Check the language model that is to write captions for new backgrounds.

    Raises:
        ConfigurationError: none is named, it has no provider, no key or no file, or its package is not installed.
    """
    if caption_kind(config.aga) == "local":
        from tools.aga.captions.local import local_model

        local_model(config.aga.caption.model)
    if writes_captions(config.aga):
        if config.caption_llm.model is None:
            from tools.aga.captions.captioners import NO_MODEL

            raise ConfigurationError(NO_MODEL)
        check_llm(config.caption_llm)


def check_settings(config: StudyConfig) -> None:
    """Check settings that are valid one by one but cannot work together.

    Raises:
        ConfigurationError: a baseline that is no policy, or a limit in dollars for a model whose price is unknown.
    """
    named_baselines(config.search, config.data.modality or "unknown")
    if config.search.proposer in LLM_ARMS:
        _check_price(config, config.llm)


def _check_price(config: StudyConfig, llm: LLMConfig) -> None:
    """A limit in dollars needs the price of each model that is called."""
    if config.budget.dollars is None or is_price_known(llm):
        return
    own = (llm.model, llm.base_url) == (config.llm.model, config.llm.base_url)
    server = f" behind {'llm.base_url' if own else 'aga.llm_base_url'}" if llm.base_url else ""
    remedy = (
        "Set llm.input_price and llm.output_price (dollars per million tokens; 0 for your own model)"
        if own
        else "Name one with a published price for the captions (--aga.llm)"
    )
    raise ConfigurationError(
        f"budget.dollars is {config.budget.dollars:g}, but the price of {llm.model}{server} is unknown: the limit "
        f"could never stop anything. {remedy}, or limit budget.tokens or budget.llm_calls instead."
    )
