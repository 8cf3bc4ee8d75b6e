"""Text-to-image models known by name, with the steps, guidance, size and precision that they were published for.

A setting that is given always wins. The paper's model, SDXL, has none here: the pipeline's own defaults are its. Light:
imports nothing heavy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.aga.config import BackgroundConfig


@dataclass(frozen=True)
class ModelFamily:
    """How a model is meant to be used."""

    steps: int | None = None
    guidance: float | None = None
    """0: none, as distilled models ask for."""
    size: int | None = None
    """Side in pixels."""
    half: str = "float16"
    """Precision of 'auto' on CUDA: the one in which its weights neither overflow nor lose much."""
    variant: str | None = None
    """Under which its weights are published, where there are no others."""
    scheduler: str | None = None
    scheduler_options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    arguments: Mapping[str, int] = field(default_factory=dict)
    """More for the pipeline's call."""
    licence: str = ""
    gigabytes: float | None = None
    """About, of a download."""


_RAIL = "CreativeML Open RAIL++-M"
_STABILITY = "Stability AI Community License"

MODELS: dict[str, ModelFamily] = {
    "stabilityai/stable-diffusion-xl-base-1.0": ModelFamily(licence=_RAIL, gigabytes=14),
    "stable-diffusion-v1-5/stable-diffusion-v1-5": ModelFamily(
        size=512, licence="CreativeML Open RAIL-M", gigabytes=5
    ),
    "stabilityai/sdxl-turbo": ModelFamily(steps=1, guidance=0.0, size=512, licence=_STABILITY, gigabytes=14),
    "stabilityai/stable-diffusion-3.5-medium": ModelFamily(
        steps=40, guidance=4.5, size=1024, half="bfloat16", licence=_STABILITY, gigabytes=17
    ),
    "stabilityai/stable-diffusion-3.5-large": ModelFamily(
        steps=28, guidance=3.5, size=1024, half="bfloat16", licence=_STABILITY, gigabytes=27
    ),
    "stabilityai/stable-diffusion-3.5-large-turbo": ModelFamily(
        steps=4, guidance=0.0, size=1024, half="bfloat16", licence=_STABILITY, gigabytes=27
    ),
    "black-forest-labs/FLUX.1-schnell": ModelFamily(
        steps=4,
        guidance=0.0,
        size=1024,
        half="bfloat16",
        arguments={"max_sequence_length": 256},
        licence="Apache-2.0",
        gigabytes=34,
    ),
    "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers": ModelFamily(
        steps=20,
        guidance=4.5,
        size=1024,
        half="bfloat16",
        variant="bf16",
        licence="see its page",
        gigabytes=10,
    ),
    "Tongyi-MAI/Z-Image-Turbo": ModelFamily(
        steps=9, guidance=0.0, size=1024, half="bfloat16", licence="Apache-2.0", gigabytes=33
    ),
}
"""OWNER/NAME on the hub → how it is used."""

LORAS: dict[str, ModelFamily] = {
    "latent-consistency/lcm-lora-sdxl": ModelFamily(
        steps=4, guidance=1.0, scheduler="LCMScheduler", licence=_RAIL, gigabytes=0.4
    ),
    "ByteDance/SDXL-Lightning/sdxl_lightning_4step_lora.safetensors": ModelFamily(
        steps=4,
        guidance=0.0,
        scheduler="EulerDiscreteScheduler",
        scheduler_options={"timestep_spacing": "trailing"},
        licence=_RAIL,
        gigabytes=0.4,
    ),
    "ByteDance/SDXL-Lightning/sdxl_lightning_8step_lora.safetensors": ModelFamily(
        steps=8,
        guidance=0.0,
        scheduler="EulerDiscreteScheduler",
        scheduler_options={"timestep_spacing": "trailing"},
        licence=_RAIL,
        gigabytes=0.4,
    ),
}
"""LoRA weights for SDXL that change how it is used."""


def family_of(config: BackgroundConfig) -> ModelFamily:
    """What is known of the model, or of the LoRA weights that change it; nothing of others.

    A folder is known by its name, where that is the model's own ('…/sdxl-turbo').
    """
    if config.lora is not None:
        return _known(config.lora, LORAS)
    return _known(config.model, MODELS)


def _known(source: str, table: Mapping[str, ModelFamily]) -> ModelFamily:
    if source in table:
        return table[source]
    path = Path(source).expanduser()
    if not path.exists():
        return ModelFamily()
    names = {name.rpartition("/")[2].casefold(): family for name, family in table.items()}
    cached = {f"models--{name.replace('/', '--')}".casefold(): family for name, family in table.items()}
    found = [cached[part.casefold()] for part in path.absolute().parts if part.casefold() in cached]
    return found[0] if found else names.get(path.absolute().name.casefold(), ModelFamily())


def with_defaults(config: BackgroundConfig) -> BackgroundConfig:
    """The settings, those that are unset as the model was published for."""
    family = family_of(config)
    wanted = {
        "steps": family.steps,
        "guidance": family.guidance,
        "size": family.size,
        "variant": family.variant,
        "scheduler": family.scheduler,
    }
    changed = {
        name: value for name, value in wanted.items() if value is not None and getattr(config, name) is None
    }
    if "scheduler" in changed and not config.scheduler_options:
        changed["scheduler_options"] = dict(family.scheduler_options)
    return config.model_copy(update=changed)
