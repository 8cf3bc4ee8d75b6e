"""What a study's model starts from: decided when the study begins, and compared when it is resumed.

`model.weights auto` takes published weights where they are on this machine, or where fetching them is agreed to; else
EfficientNet-Lite0 from its package, where no other model was asked for; else it starts from scratch, and says what that
costs. Nothing is fetched without being told.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from agent.steps.metric import settle_metric
from tools.datasets.types import Dataset
from tools.errors import AugurError
from tools.training.config import ModelConfig
from tools.training.model_source import LITE, parse_name
from tools.training.trial_store import model_identity

if TYPE_CHECKING:
    from tools.training.networks.published import Published

TAG = "model_source"
"""Tag of a study: digest of the code and the weights that its model is made from."""

_FOLLOWS = 0.1
"""The momentum of batch normalisation that most models have: its statistics are averages over some ten steps."""
_COST = (
    "Pretrained weights often give more than any augmentation: on a set of skin lesions at 96 px, EfficientNet-Lite0 "
    "reached 79.8% with them after 10 epochs without augmentation; from scratch, the best of 52 policies reached 79.5% "
    "after 30"
)


def settle_model(
    config: StudyConfig, dataset: Dataset, terminal: Terminal, rehearsal: bool = False
) -> StudyConfig:
    """The settings of a new study with its weights, the size of its images and its metric decided, which is told.

    Args:
        config: `model.weights` may be 'auto'.
        dataset: of the study.
        terminal: is told, and asks where a download may be agreed to.
        rehearsal: fetch nothing, and ask nothing: weights that would have to be fetched are left out.

    Raises:
        ConfigurationError: weights that were asked for cannot be fetched.
    """
    config = settle_metric(config, dataset, terminal)
    if config.model.weights in ("auto", "pretrained", "torchvision"):
        model = _start(config.model, terminal, rehearsal)
        config = config.model_copy(update={"model": model})
    model = config.model
    if model.weights_file is not None:  # the study may be resumed from another folder
        model = model.model_copy(update={"weights": str(model.weights_file.expanduser().absolute())})
        config = config.model_copy(update={"model": model})
    config = _with_norms(config, dataset, terminal)
    if model.named.kind == "timm" and model.weights == "pretrained" and config.data.image_size is None:
        from tools.training.networks.published import timm_size

        side = timm_size(model.named.where)
        if side != dataset.card.image_size:
            terminal.note(
                f"images of {side} px, as timm's weights of {model.named.where} were trained on; --image-size "
                f"{dataset.card.image_size} would be faster"
            )
            config = config.model_copy(update={"data": config.data.model_copy(update={"image_size": side})})
    return config


def _with_norms(config: StudyConfig, dataset: Dataset, terminal: Terminal) -> StudyConfig:
    """With statistics of batch normalisation that follow a training of a few hundred steps."""
    model = config.model
    if model.norm_momentum != "auto" or model.named.is_code:
        return config
    from tools.training.networks.models import slowest_norm

    slowest = slowest_norm(
        model, len(dataset.card.classes), config.data.image_size or dataset.card.image_size
    )
    if slowest is None or slowest >= _FOLLOWS:
        return config
    terminal.note(
        f"batch normalisation of {model.title}: momentum {_FOLLOWS} in place of {slowest:g}, which is made for "
        f"trainings of far more steps (--model.norm_momentum {slowest:g} keeps it)"
    )
    return config.model_copy(update={"model": model.model_copy(update={"norm_momentum": _FOLLOWS})})


def _start(model: ModelConfig, terminal: Terminal, rehearsal: bool) -> ModelConfig:
    from tools.training.networks.names import check_names
    from tools.training.networks.published import published

    check_names(model)
    found, auto = model.named, model.weights == "auto"
    known = published(found)
    if auto and known is None:
        if not found.is_code:
            terminal.note(
                f"model.weights auto: nobody has published weights of {found.title}: it starts from scratch"
            )
        return _with(model, None)
    if known is None:  # told when the model is checked
        return model
    if auto and not known.here and not _may_fetch(model, known, terminal, rehearsal):
        return _otherwise(model, known, terminal)
    if not known.here and rehearsal:
        terminal.note(f"would be fetched from {known.source}: {known.title} ({known.size})")
        return _with(model, None)
    if not known.here:
        from tools.training.networks.published import fetch

        terminal.note(f"fetched from {known.source}: {known.title} ({known.size})")
        fetch(found)
    elif auto:
        terminal.note(f"model.weights auto: training starts from {known.title}, which are on this machine")
    return _with(model, "pretrained")


def _with(model: ModelConfig, weights: str | None) -> ModelConfig:
    # Validated, because torchvision's have a word of their own.
    return ModelConfig.model_validate({**model.model_dump(), "weights": weights})


def _may_fetch(model: ModelConfig, known: "Published", terminal: Terminal, rehearsal: bool) -> bool:
    if model.download != "ask":
        return model.download == "yes"
    if rehearsal or not sys.stdin.isatty():
        return False
    terminal.close()
    answer = input(f"Start from {known.title}? {known.size} would be fetched from {known.source}. [y/N] ")
    return answer.strip().casefold() in ("y", "yes")


def _otherwise(model: ModelConfig, known: "Published", terminal: Terminal) -> ModelConfig:
    from tools.training.networks.published import published

    why = f"{known.title} ({known.size}) are not on this machine, and were not fetched (--yes would)"
    lite = published(parse_name(LITE))
    if "name" not in model.model_fields_set and lite is not None and lite.here:
        terminal.note(
            f"model.weights auto: {why}. The model is {LITE} with the ImageNet weights of its package; for "
            f"{model.name} from scratch: --model {model.name} --model.weights none"
        )
        return ModelConfig.model_validate({**model.model_dump(), "name": LITE, "weights": "pretrained"})
    terminal.warn(f"model.weights auto: {why}. {model.title} starts from scratch. {_COST}")
    return _with(model, None)


def model_tag(model: ModelConfig) -> dict[str, str]:
    """The tag of a study whose model is made from more than a name of torchvision's: it may change meanwhile."""
    if model.named.kind == "torchvision" and model.weights_file is None:
        return {}
    content: dict[str, Any] = model_identity(model)
    return {TAG: hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}


def refuse_other_model(model: ModelConfig, study: str, tags: Mapping[str, str]) -> None:
    """See that code and weights of a model are those that a study began with.

    Raises:
        AugurError: they are not.
    """
    recorded, now = tags.get(TAG), model_tag(model).get(TAG)
    if recorded in (None, now):  # earlier versions wrote none
        return
    where = f"the package of {model.title}"
    if model.named.is_code:
        where = f"the code of {model.title} ({model.named.where})"
    if model.weights_file is not None:
        where += f", or the weights in {model.weights_file},"
    raise AugurError(
        f"The model of study {study} has changed since it began: {where} is not what it was, so that its results "
        "cannot be compared with new ones. Restore it, or start a new study."
    )
