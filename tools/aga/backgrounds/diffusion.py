"""Backgrounds from a text-to-image model: Stable Diffusion XL as in the AGA paper, or whatever diffusers loads.

With nothing but `kind` set it is the paper's section 5: SDXL (Podell et al. 2023, arXiv:2307.01952) with the
pipeline's own steps and guidance. Turbo, LCM and Lightning are settings (steps, guidance, scheduler, LoRA).

Each picture has a random generator of its own, on the CPU whatever the device: it is a function of its caption and
its seed, not of the pictures made beside it nor of how many GPUs there are. (A matrix product over another number of
rows may round otherwise in its last bit, which float32 hides within a grey level and float16 within a few.)

In float16, SDXL's VAE overflows. Its configuration says so (`force_upcast`), and the pipeline then decodes in float32;
a VAE that says nothing and overflows ends the work with an error instead of black pictures.
"""

import gc
import inspect
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from tools.aga.backgrounds.diffusion_loading import (
    check_sources,
    devices_for,
    dtype_name,
    load_pipeline,
    source_identity,
)
from tools.aga.config import BackgroundConfig
from tools.aga.types import BackgroundMaker
from tools.errors import AugurError, ConfigurationError

_logger = logging.getLogger(__name__)

_RESAMPLING = Image.Resampling.LANCZOS
_ALLOCATION_MESSAGES = ("can't allocate memory", "out of memory", "not enough memory")
"""How torch's allocators other than CUDA's say it, in a plain RuntimeError."""


def make_diffusion_maker(config: BackgroundConfig) -> BackgroundMaker:
    """The maker for kind 'diffusion': in this process on one device, in one process for each of several GPUs.

    Loads no weights: they come with the first picture.

    Raises:
        ConfigurationError: no model at the path, a device that is not there, settings that contradict each other.
    """
    check_sources(config)
    devices = devices_for(config)
    if len(devices) == 1:
        return DiffusionMaker(config, devices[0])
    from tools.aga.backgrounds.diffusion_workers import ShardedDiffusionMaker

    return ShardedDiffusionMaker(config, devices)


def diffusion_identity(config: BackgroundConfig, device: str) -> str:
    """All that a picture depends on besides caption and seed, as canonical JSON.

    Left out on purpose: batch size, slicing, offloading, number of devices. A local model is named by its content.
    """
    return json.dumps(
        {
            "kind": "diffusion",
            "model": source_identity(config.model),
            "steps": config.steps,
            "guidance": config.guidance,
            "scheduler": config.scheduler,
            "scheduler_options": config.scheduler_options,
            "size": config.size,
            "negative_prompt": config.negative_prompt,
            "dtype": dtype_name(config, device),
            "variant": config.variant,
            "vae": config.vae and source_identity(config.vae),
            "lora": config.lora and source_identity(config.lora),
        },
        sort_keys=True,
        separators=(",", ":"),
    )


class DiffusionMaker:
    """Makes pictures on one device; a BackgroundMaker. Weights are loaded with the first picture and kept."""

    def __init__(
        self,
        config: BackgroundConfig,
        device: str,
        load: Callable[[BackgroundConfig, str], Any] = load_pipeline,
    ) -> None:
        """`device` is 'cpu', 'mps' or 'cuda:N'; `load` returns a pipeline of diffusers on it.

        Raises:
            ConfigurationError: no model at the path.
        """
        check_sources(config)
        self._config = config
        self._device = device
        self._load = load
        self._pipeline: Any = None
        self._vae_dtype: Any = None
        self._identity: str | None = None
        self._batch_size = config.batch_size

    @property
    def identity(self) -> str:
        """See `diffusion_identity`."""
        if self._identity is None:
            self._identity = diffusion_identity(self._config, self._device)
        return self._identity

    @property
    def batch_size(self) -> int:
        """Pictures made at a time: the setting's, or what memory has been found to hold. Give `make` at least these."""
        return self._batch_size

    def make(self, captions: Sequence[str], seeds: Sequence[int], size: int) -> list[np.ndarray]:
        """For each caption a picture, uint8 (size, size, 3), RGB; generated at the model's side, then resized.

        Raises:
            ConfigurationError: the model cannot be loaded, or does not take a setting.
            AugurError: out of memory with a single picture, or the arithmetic overflowed.
        """
        if len(captions) != len(seeds):
            raise ValueError(f"{len(captions)} captions and {len(seeds)} seeds")
        if not captions:
            return []
        self._ready()
        pictures: list[np.ndarray] = []
        shrunk_from = 0
        while len(pictures) < len(captions):
            batch = slice(len(pictures), len(pictures) + self._batch_size)
            generated = self._generate(captions[batch], seeds[batch])
            if generated is None:
                tried = len(captions[batch])
                shrunk_from = shrunk_from or tried
                self._shrink(tried)
                continue
            if shrunk_from:
                _logger.warning(
                    "out of memory on %s with %d backgrounds at a time: going on with %d; set "
                    "aga.background.batch_size=%d to start with that",
                    *(self._device, shrunk_from, self._batch_size, self._batch_size),
                )
                shrunk_from = 0
            pictures += [_resized(each, size) for each in generated]
        return pictures

    def _ready(self) -> None:
        if self._pipeline is not None:
            return
        try:
            pipeline = self._load(self._config, self._device)
        except (RuntimeError, MemoryError) as error:
            if not _ran_out_of_memory(error):
                raise
            raise AugurError(self._too_small("the weights")) from error
        _check_call(pipeline, self._config)
        self._pipeline = pipeline
        self._vae_dtype = getattr(getattr(pipeline, "vae", None), "dtype", None)

    def _generate(self, captions: Sequence[str], seeds: Sequence[int]) -> np.ndarray | None:
        """Pictures as uint8 (N, H, W, 3), or None where memory ran out: what had been allocated is then free again."""
        import torch

        generators = [torch.Generator("cpu").manual_seed(int(seed) % 2**63) for seed in seeds]
        try:
            with _no_words_about_upcasting():
                pictures = self._pipeline(
                    prompt=list(captions),
                    generator=generators,
                    output_type="np",
                    **_arguments(self._config, len(captions)),
                ).images
        except (RuntimeError, MemoryError) as error:
            if not _ran_out_of_memory(error):
                raise
            error.__traceback__ = None  # whose frames hold the tensors
        else:
            return self._as_bytes(pictures)
        self._recover()
        return None

    def _as_bytes(self, pictures: np.ndarray) -> np.ndarray:
        if not np.isfinite(pictures).all():
            raise AugurError(
                f"{self._config.model} makes pictures that are not numbers in {dtype_name(self._config, self._device)}"
                " (an overflow, most often of the VAE): use aga.background.dtype=bfloat16 or float32, or a VAE made "
                "for float16 (aga.background.vae)"
            )
        return (pictures * 255).round().astype(np.uint8)

    def _recover(self) -> None:
        """After memory ran out in the middle of a call, the pipeline as it was before it."""
        import torch

        vae = getattr(self._pipeline, "vae", None)
        if vae is not None and vae.dtype != self._vae_dtype:
            # It was cut off while it decoded in float32, and would from now on refuse latents in float16.
            vae.to(dtype=self._vae_dtype)
        self._pipeline.maybe_free_model_hooks()
        gc.collect()
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()
        elif self._device == "mps":
            torch.mps.empty_cache()

    def _shrink(self, tried: int) -> None:
        if tried == 1:
            raise AugurError(self._too_small("a single background"))
        self._batch_size = tried // 2

    def _too_small(self, what: str) -> str:
        return (
            f"out of memory on {self._device} with {what} of {self._config.model}: use aga.background.offload=model "
            "(or sequential), aga.background.dtype=float16, a smaller aga.background.size or model, or free the "
            "device of other programs"
        )


@contextmanager
def _no_words_about_upcasting() -> Iterator[None]:
    """diffusers complains, with each batch, of how its own pipelines keep the VAE safe."""
    logger = logging.getLogger("diffusers.models.modeling_utils")

    def wanted(record: logging.LogRecord) -> bool:
        return "should be kept in float32: []" not in record.getMessage()

    logger.addFilter(wanted)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*upcast_vae", category=FutureWarning)
            yield
    finally:
        logger.removeFilter(wanted)


def _arguments(config: BackgroundConfig, count: int) -> dict[str, Any]:
    """What is passed to the pipeline; what is unset is left to its own defaults."""
    arguments = {
        "num_inference_steps": config.steps,
        "guidance_scale": config.guidance,
        "height": config.size,
        "width": config.size,
        "negative_prompt": None if config.negative_prompt is None else [config.negative_prompt] * count,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def _check_call(pipeline: Any, config: BackgroundConfig) -> None:
    accepted = inspect.signature(pipeline.__call__).parameters
    for name in _arguments(config, 1):
        if name not in accepted:
            raise ConfigurationError(
                f"{type(pipeline).__name__} ({config.model}) takes no {name}: leave that setting of aga.background "
                "unset"
            )


def _ran_out_of_memory(error: Exception) -> bool:
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return any(message in str(error) for message in _ALLOCATION_MESSAGES)


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    if picture.shape[:2] == (size, size):
        return np.array(picture, order="C")  # a row of the batch, which it would keep in memory
    # fit, for models whose own format is not square: their middle
    return np.array(ImageOps.fit(Image.fromarray(picture), (size, size), _RESAMPLING))
