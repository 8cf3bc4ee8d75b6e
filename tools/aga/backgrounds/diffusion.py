"""Backgrounds from a text-to-image model: Stable Diffusion XL as in the AGA paper, or any other that diffusers loads.

With only `kind` set it is the paper's section 5: SDXL (Podell et al. 2023, arXiv:2307.01952) with the pipeline's own
steps and guidance. Other models that `model_families.py` knows by name are used as they were published for.

Each picture has its own random generator, on the CPU whatever the device: it is a function of its caption and its seed,
not of the pictures made beside it nor of the number of GPUs. (A matrix product over another number of rows may round
its last bit differently, which float32 hides within one grey level and float16 within a few.)

In float16, SDXL's VAE overflows. Its configuration says so (`force_upcast`), and the pipeline then decodes in float32;
a VAE that does not say so and overflows stops the work with an error instead of making black pictures.
"""

import inspect
import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from tools.aga.backgrounds.diffusion_loading import check_sources, dtype_name, load_pipeline
from tools.aga.backgrounds.model_families import family_of, with_defaults
from tools.aga.config import BackgroundConfig
from tools.aga.model_weights import quiet_libraries
from tools.errors import AugurError, ConfigurationError
from tools.hub import source_identity
from tools.machine import Batches, is_out_of_memory

_logger = logging.getLogger(__name__)


def diffusion_identity(config: BackgroundConfig, device: str) -> str:
    """Everything that a picture depends on besides caption and seed, as canonical JSON.

    Batch size, slicing, offloading and the number of devices are omitted on purpose. A local model is named by its
    content.
    """
    config = with_defaults(config)
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
        """`device` is 'cpu', 'mps' or 'cuda:N'; `load` returns a diffusers pipeline on it.

        Raises:
            ConfigurationError: no model at the path.
        """
        check_sources(config)
        config = with_defaults(config)
        self.identity = diffusion_identity(config, device)
        self._config = config
        self._device = device
        self._load = load
        self._pipeline: Any = None
        self._vae_dtype: Any = None
        self._batches = Batches(
            config.batch_size, self._too_small("a single background"), self._recover, self._log_shrinking
        )

    def make(self, captions: Sequence[str], seeds: Sequence[int], size: int) -> list[np.ndarray]:
        """For each caption a picture, uint8 (size, size, 3), RGB; generated at the model's side, then resized.

        Raises:
            ConfigurationError: the model cannot be loaded, or does not accept a setting.
            AugurError: out of memory with a single picture, or the arithmetic overflowed.
        """
        tasks = list(zip(captions, seeds, strict=True))
        if tasks:
            self._load_once()
        return self._batches.run(
            tasks, lambda batch: [_resized(each, size) for each in self._generate(batch)]
        )

    def _load_once(self) -> None:
        if self._pipeline is not None:
            return
        try:
            pipeline = self._load(self._config, self._device)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise AugurError(self._too_small("the weights")) from error
        self._pipeline = pipeline
        try:
            self._check_accepted()
        except ConfigurationError:
            self._pipeline = None
            raise
        self._vae_dtype = getattr(getattr(pipeline, "vae", None), "dtype", None)

    def _generate(self, tasks: Sequence[tuple[str, int]]) -> np.ndarray:
        """Pictures as uint8 (N, H, W, 3), one for each (caption, seed)."""
        return self._painted([caption for caption, _ in tasks], [seed for _, seed in tasks])

    def _painted(self, prompts: Sequence[str], seeds: Sequence[int], **more: Any) -> np.ndarray:
        """What the pipeline makes, uint8 (N, H, W, 3); `more` is passed to it."""
        import torch

        # diffusers warns, with each batch, about how its own pipelines keep the VAE safe.
        with quiet_libraries("diffusers"):
            pictures = self._pipeline(
                prompt=list(prompts),
                generator=[torch.Generator("cpu").manual_seed(int(seed) % 2**63) for seed in seeds],
                output_type="np",
                **self._arguments(len(prompts)),
                **more,
            ).images
        if not np.isfinite(pictures).all():
            raise AugurError(
                f"{self._config.model} makes pictures that are not numbers in {dtype_name(self._config, self._device)}"
                " (an overflow, most often of the VAE): use aga.background.dtype=bfloat16 or float32, or a VAE made "
                "for float16 (aga.background.vae)"
            )
        return (pictures * 255).round().astype(np.uint8)

    def _arguments(self, count: int) -> dict[str, Any]:
        """What is passed to the pipeline for so many pictures; for what is unset it uses its own defaults."""
        config = self._config
        arguments = {
            "num_inference_steps": config.steps,
            "guidance_scale": config.guidance,
            "height": config.size,
            "width": config.size,
            "negative_prompt": None if config.negative_prompt is None else [config.negative_prompt] * count,
            **family_of(config).arguments,
        }
        return {name: value for name, value in arguments.items() if value is not None}

    def _check_accepted(self) -> None:
        accepted = inspect.signature(self._pipeline.__call__).parameters
        for name in self._arguments(1):
            if name not in accepted:
                raise ConfigurationError(
                    f"{type(self._pipeline).__name__} ({self._config.model}) does not take {name}: leave that setting "
                    "of aga.background unset"
                )

    def _recover(self) -> None:
        """After memory ran out in the middle of a call, put the pipeline back as it was before the call."""
        vae = getattr(self._pipeline, "vae", None)
        if vae is not None and vae.dtype != self._vae_dtype:
            # It was interrupted while it decoded in float32, and would from now on refuse latents in float16.
            vae.to(dtype=self._vae_dtype)
        self._pipeline.maybe_free_model_hooks()

    def _log_shrinking(self, before: int, after: int) -> None:
        _logger.warning(
            "out of memory on %s with %d backgrounds at a time: continuing with %d; set "
            "aga.background.batch_size=%d to start with that",
            *(self._device, before, after, after),
        )

    def _too_small(self, what: str) -> str:
        return (
            f"out of memory on {self._device} with {what} of {self._config.model}: use aga.background.offload=model "
            "(or sequential), aga.background.dtype=float16, a smaller aga.background.size or model, or stop other "
            "programs on the device"
        )


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    if picture.shape[:2] == (size, size):
        return np.array(picture, order="C")  # a copy: a row of the batch would keep all of it in memory
    # fit, for models whose own format is not square: their middle
    return np.array(ImageOps.fit(Image.fromarray(picture), (size, size), Image.Resampling.LANCZOS))
