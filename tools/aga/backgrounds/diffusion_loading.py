"""Loads a text-to-image model with diffusers, as the settings ask, or says what is in the way.

Nothing in here makes a picture; `diffusion.py` does. torch and diffusers are imported where they are used: diffusers
alone takes seconds.
"""

import difflib
import hashlib
import inspect
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.aga.config import BackgroundConfig
from tools.errors import ConfigurationError

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILE = re.compile(r"([\w.-]+/[\w.-]+)/(.+\.safetensors)")
_SAMPLES, _SAMPLE_BYTES = 64, 4096

_NOISE_OF_THE_WHOLE_BATCH = ("DPMSolverSDEScheduler", "CosineDPMSolverMultistepScheduler")
"""Schedulers that draw one noise for all pictures of a batch, from a generator of their own."""


def devices_for(config: BackgroundConfig) -> list[str]:
    """Where pictures are made: 'cpu', 'mps', or every CUDA device ('cuda:0', …).

    Raises:
        ConfigurationError: the device asked for is not there, or cannot offload.
    """
    devices = _devices(config.devices)
    if config.offload != "none" and not devices[0].startswith("cuda"):
        raise ConfigurationError(
            f"aga.background.offload: {config.offload} moves weights to a CUDA device and back, and here "
            f"{devices[0]} does the work: use aga.background.offload=none"
        )
    return devices


def _devices(wanted: str) -> list[str]:
    if wanted == "cpu":
        return ["cpu"]
    import torch

    if wanted in ("auto", "cuda") and torch.cuda.is_available():
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if wanted in ("auto", "mps") and torch.backends.mps.is_available():
        return ["mps"]
    if wanted == "cuda":
        why = (
            f"this torch ({torch.__version__}) is built without CUDA: install a CUDA build of it"
            if torch.version.cuda is None
            else "torch finds none: check nvidia-smi and CUDA_VISIBLE_DEVICES"
        )
        raise ConfigurationError(
            f"no CUDA device (aga.background.devices: cuda). {why}, or use aga.background.devices=auto"
        )
    if wanted == "mps":
        raise ConfigurationError(
            "no MPS device (aga.background.devices: mps): it needs a Mac with Apple silicon; use "
            "aga.background.devices=auto"
        )
    return ["cpu"]


def dtype_name(config: BackgroundConfig, device: str) -> str:
    """What 'auto' means on `device`: float16 on CUDA, float32 elsewhere."""
    if config.dtype != "auto":
        return config.dtype
    return "float16" if device.startswith("cuda") else "float32"


def check_sources(config: BackgroundConfig) -> None:
    """Finds what is missing or misspelt without loading anything: a folder that is not there, most of all.

    Raises:
        ConfigurationError: the model, VAE or LoRA is neither here nor a hub id, or is not what diffusers reads.
    """
    for setting, value in (("model", config.model), ("vae", config.vae), ("lora", config.lora)):
        if value is None or Path(value).expanduser().exists():
            continue
        if not (_HUB_ID.fullmatch(value) or (setting == "lora" and _HUB_FILE.fullmatch(value))):
            raise ConfigurationError(
                f"there is nothing at {value} (aga.background.{setting}), and it is not a hub id (owner/name) "
                f"either: give the path of a folder that is there. {_how_to_download(value)}"
            )
    model = Path(config.model).expanduser()
    if model.is_file():
        raise ConfigurationError(
            f"{model} (aga.background.model) is a single file; a diffusers model is a folder with model_index.json: "
            "convert it with diffusers' from_single_file(…).save_pretrained(FOLDER)"
        )
    if model.is_dir() and not (model / "model_index.json").is_file():
        raise ConfigurationError(
            f"{model} (aga.background.model) has no model_index.json, so it is not a diffusers model. "
            f"{_how_to_download(config.model)}"
        )


def source_identity(source: str) -> str:
    """A hub id as it is; of a local file or folder a fingerprint of its content, wherever it lies.

    Names, sizes, small files whole and of large ones 64 samples: two fine-tunings of a model differ in nearly all
    weights.
    """
    place = Path(source).expanduser()
    if not place.exists():
        return source
    files = [place] if place.is_file() else sorted(each for each in place.rglob("*") if each.is_file())
    digest = hashlib.sha256()
    for file in files:
        name = file.name if place.is_file() else file.relative_to(place).as_posix()
        if any(part.startswith(".") for part in Path(name).parts):
            continue  # what a download or a file browser leaves
        size = file.stat().st_size
        digest.update(f"{name}\0{size}\0".encode())
        with file.open("rb") as opened:
            for number in range(_SAMPLES):
                opened.seek(size * number // _SAMPLES)
                at_most = -(-size // _SAMPLES) if size <= _SAMPLES * _SAMPLE_BYTES else _SAMPLE_BYTES
                digest.update(opened.read(at_most))
    return f"sha256:{digest.hexdigest()[:32]}"


def load_pipeline(config: BackgroundConfig, device: str) -> Any:
    """The text-to-image pipeline that the settings describe, on `device`, silent.

    Raises:
        ConfigurationError: the weights are not there or not whole, or a setting does not fit the model.
    """
    check_sources(config)
    import torch
    from diffusers.pipelines.auto_pipeline import AutoPipelineForText2Image

    dtype = getattr(torch, dtype_name(config, device))
    parts = {} if config.vae is None else {"vae": _load_vae(config.vae, dtype)}

    def load(**options: Any) -> Any:
        return AutoPipelineForText2Image.from_pretrained(
            str(Path(config.model).expanduser())
            if Path(config.model).expanduser().exists()
            else config.model,
            torch_dtype=dtype,
            variant=config.variant,
            **parts,
            **options,
        )

    pipeline = _fetched(load, "model", config.model)
    unet = getattr(pipeline, "unet", None)
    if config.vae is not None and unet is not None:
        theirs, ours = pipeline.vae.config.latent_channels, unet.config.in_channels
        if theirs != ours:
            raise ConfigurationError(
                f"the VAE {config.vae} (aga.background.vae) reads {theirs} latent channels and the model "
                f"{config.model} makes {ours}: take a VAE of the same family"
            )
    if config.scheduler is not None or config.scheduler_options:
        pipeline.scheduler = _scheduler(config, pipeline.scheduler)
    if config.lora is not None:
        _add_lora(pipeline, config.lora)
    if config.attention_slicing:
        pipeline.enable_attention_slicing()
    pipeline.set_progress_bar_config(disable=True)
    if config.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif config.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    else:
        pipeline.to(device)
    return pipeline


def _load_vae(source: str, dtype: Any) -> Any:
    from diffusers.models.auto_model import AutoModel

    place = Path(source).expanduser()
    # A whole model may be named too; its VAE is meant.
    options = {"subfolder": "vae"} if (place / "vae" / "config.json").is_file() else {}
    where = str(place) if place.exists() else source
    vae = _fetched(
        lambda **more: AutoModel.from_pretrained(where, torch_dtype=dtype, **options, **more), "vae", source
    )
    if not hasattr(vae, "decode"):
        raise ConfigurationError(
            f"{source} (aga.background.vae) is a {type(vae).__name__}, which decodes no pictures: give a VAE"
        )
    return vae


def _scheduler(config: BackgroundConfig, current: Any) -> Any:
    import diffusers

    name = config.scheduler or type(current).__name__
    kind = getattr(diffusers, name, None) if name.endswith("Scheduler") else None
    known = sorted(each for each in dir(diffusers) if each.endswith("Scheduler") and "Flax" not in each)
    if kind is None or name not in known:
        near = ", ".join(difflib.get_close_matches(name, known, n=3, cutoff=0.4)) or "EulerDiscreteScheduler"
        raise ConfigurationError(
            f"diffusers has no scheduler {name!r} (aga.background.scheduler): did you mean {near}?"
        )
    if name in _NOISE_OF_THE_WHOLE_BATCH:
        raise ConfigurationError(
            f"{name} (aga.background.scheduler) draws one noise for a whole batch, so that a picture would depend on "
            "its neighbours: use DPMSolverMultistepScheduler with scheduler_options algorithm_type=sde-dpmsolver++"
        )
    accepted = sorted(set(inspect.signature(kind.__init__).parameters) - {"self"})
    for option in config.scheduler_options:
        if option not in accepted:
            raise ConfigurationError(
                f"{name} has no option {option!r} (aga.background.scheduler_options); it has: {', '.join(accepted)}"
            )
    try:
        return kind.from_config(current.config, **config.scheduler_options)
    except (ImportError, ValueError, TypeError, NotImplementedError) as error:
        raise ConfigurationError(
            f"{name} (aga.background.scheduler) does not take these settings: {_first_line(error)}"
        ) from error


def _add_lora(pipeline: Any, source: str) -> None:
    place = Path(source).expanduser()
    if not hasattr(pipeline, "load_lora_weights"):
        raise ConfigurationError(
            f"{type(pipeline).__name__} takes no LoRA weights: leave aga.background.lora unset"
        )
    where, options = str(place) if place.exists() else source, {}
    on_hub = _HUB_FILE.fullmatch(source)
    if place.is_file():
        where, options = str(place.parent), {"weight_name": place.name}
    elif on_hub and not place.exists():
        where, options = on_hub[1], {"weight_name": on_hub[2]}
    _fetched(lambda **more: pipeline.load_lora_weights(where, **options, **more), "lora", source)
    if not pipeline.get_list_adapters():
        raise ConfigurationError(
            f"{source} (aga.background.lora) has no weights for {type(pipeline).__name__}: take a LoRA that was made "
            "for this model"
        )
    # Added into the weights once, it costs nothing per picture.
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()


def _fetched(load: Any, setting: str, source: str) -> Any:
    """What `load` returns; from this machine alone where it has it all, so that a study neither waits for a hub nor
    changes with it."""
    with _no_loading_bar():
        if not Path(source).expanduser().exists():
            try:
                return load(local_files_only=True)
            except (OSError, ValueError):
                pass  # not, or not all of it, on this machine
        try:
            return load()
        except MemoryError:
            raise
        except Exception as error:
            # Broken files let many types out of diffusers, transformers, peft and safetensors.
            raise ConfigurationError(_not_loaded(setting, source, error)) from error


def _not_loaded(setting: str, source: str, error: Exception) -> str:
    if Path(source).expanduser().exists():
        return (
            f"{source} (aga.background.{setting}) cannot be loaded by diffusers: {_first_line(error)}. If its download "
            f"was cut short, repeat it. {_how_to_download(source)}"
        )
    return (
        f"{source} (aga.background.{setting}) is no folder here, and as a hub id it can be neither found on this "
        f"machine nor downloaded: {_first_line(error)}. Check the spelling and the network. "
        f"{_how_to_download(source)}"
    )


def _how_to_download(source: str) -> str:
    name = source if _HUB_ID.fullmatch(source) else "OWNER/NAME"
    return (
        f"For use without a network, run `hf download {name} --local-dir FOLDER` on a machine that has one, copy the "
        "folder, and give its path; --aga.background.kind textures needs no weights"
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return (text.splitlines()[0].rstrip(". ") if text else type(error).__name__)[:300]


@contextmanager
def _no_loading_bar():
    from diffusers.utils import logging

    before = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if before:
            logging.enable_progress_bar()
