"""What is checked before anything heavy is imported: a wrong setting answers at once, and not after the reference."""

from agent.llm import check_llm, is_price_known
from agent.memory.candidate import named_baselines
from agent.proposers.factory import LLM_ARMS
from agent.settings.config import LLMConfig, StudyConfig
from agent.steps.metric import check_metric
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset
from tools.errors import ConfigurationError
from tools.training.model_names import check_names


def check_before_start(config: StudyConfig) -> Dataset:
    """Check the settings, the names and the paths of a study; the data set, opened but not decoded.

    Args:
        config: with the arm and the model resolved.

    Raises:
        AugurError: something is wrong; says what, where and what helps.
    """
    check_settings(config)
    check_names(config.model)
    if config.search.backgrounds != "off":
        check_captioner(config)
    dataset = open_dataset(config.data)
    check_metric(config.search.metric, dataset)
    return dataset


def check_captioner(config: StudyConfig) -> None:
    """Check the chat model that is to write captions for new backgrounds.

    Raises:
        ConfigurationError: it has no provider, no key, or its package is not installed.
    """
    if config.aga.caption.kind == "llm" and config.caption_llm.model:
        check_llm(config.caption_llm)


def check_settings(config: StudyConfig) -> None:
    """Check settings that are valid one by one but cannot work together.

    Raises:
        ConfigurationError: a baseline that is no policy, or a limit in dollars for a model whose price is unknown.
    """
    named_baselines(config.search, config.data.modality or "unknown")
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
