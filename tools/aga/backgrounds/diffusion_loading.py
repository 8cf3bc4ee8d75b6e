"""Loads a text-to-image model with diffusers, as the settings ask, or says what prevents it.

Nothing here makes a picture; `diffusion.py` does. torch and diffusers are imported where they are used: diffusers alone
takes seconds.
"""

import inspect
from collections.abc import Callable
from typing import Any

from tools.aga.backgrounds.model_families import family_of
from tools.aga.config import BackgroundConfig
from tools.aga.model_weights import quiet_libraries
from tools.errors import ConfigurationError, closest, first_line
from tools.hub import is_hub_id, local_path, split_hub_file
from tools.machine import torch_devices

_SHARED_NOISE = ("DPMSolverSDEScheduler", "CosineDPMSolverMultistepScheduler")
"""Schedulers that draw one noise for all pictures of a batch, from a generator of their own."""


def devices_for(config: BackgroundConfig) -> list[str]:
    """Where pictures are made: 'cpu', 'mps', or every CUDA device ('cuda:0', …).

    Raises:
        ConfigurationError: the device asked for does not exist, or cannot offload.
    """
    devices = torch_devices(config.devices, "aga.background.devices")
    if config.offload != "none" and not devices[0].startswith("cuda"):
        raise ConfigurationError(
            f"aga.background.offload: {config.offload} moves weights to a CUDA device and back, and here "
            f"{devices[0]} does the work: use aga.background.offload=none"
        )
    return devices


def dtype_name(config: BackgroundConfig, device: str) -> str:
    """What 'auto' means on `device`: the model's half precision on CUDA (float16 for SDXL), float32 elsewhere."""
    if config.dtype != "auto":
        return config.dtype
    return family_of(config).half if device.startswith("cuda") else "float32"


def check_sources(config: BackgroundConfig) -> None:
    """Find what is missing or misspelt without loading anything: a folder that does not exist, most of all.

    Raises:
        ConfigurationError: the model, VAE or LoRA is neither here nor a hub id, or is not what diffusers reads.
    """
    for setting, value in (("model", config.model), ("vae", config.vae), ("lora", config.lora)):
        if value is None or local_path(value) or is_hub_id(value):
            continue
        if setting != "lora" or _lora_on_hub(value) is None:
            raise ConfigurationError(
                f"there is nothing at {value} (aga.background.{setting}), and it is not a hub id (owner/name) "
                f"either: give the path of a folder that exists. {_how_to_download(value)}"
            )
    model = local_path(config.model)
    if model and model.is_file():
        raise ConfigurationError(
            f"{model} (aga.background.model) is a single file; a diffusers model is a folder with model_index.json: "
            "convert it with diffusers' from_single_file(…).save_pretrained(FOLDER)"
        )
    if model and not (model / "model_index.json").is_file():
        raise ConfigurationError(
            f"{model} (aga.background.model) has no model_index.json, so it is not a diffusers model. "
            f"{_how_to_download(config.model)}"
        )


def load_pipeline(config: BackgroundConfig, device: str) -> Any:
    """The text-to-image pipeline that the settings describe, on `device`; nothing is printed.

    Raises:
        ConfigurationError: the weights are missing or incomplete, or a setting does not fit the model.
    """
    check_sources(config)
    with quiet_libraries("transformers", "diffusers"):
        return _pipeline(config, device, "AutoPipelineForText2Image")


def load_editing_pipeline(config: BackgroundConfig, device: str) -> Any:
    """As `load_pipeline`, the image-to-image pipeline of the same model.

    Raises:
        ConfigurationError: the same, or diffusers edits no images with this kind of model.
    """
    check_sources(config)
    with quiet_libraries("transformers", "diffusers"):
        return _pipeline(config, device, "AutoPipelineForImage2Image")


def _pipeline(config: BackgroundConfig, device: str, task: str) -> Any:
    import torch
    from diffusers.pipelines import auto_pipeline

    dtype = getattr(torch, dtype_name(config, device))
    parts = {} if config.vae is None else {"vae": _load_vae(config.vae, dtype)}

    def load(**options: Any) -> Any:
        return getattr(auto_pipeline, task).from_pretrained(
            str(local_path(config.model) or config.model),
            dtype=dtype,
            variant=config.variant,
            **parts,
            **options,
        )

    pipeline = _fetched(load, "model", config.model)
    unet = getattr(pipeline, "unet", None)
    if config.vae is not None and unet is not None:
        read, made = pipeline.vae.config.latent_channels, unet.config.in_channels
        if read != made:
            raise ConfigurationError(
                f"the VAE {config.vae} (aga.background.vae) reads {read} latent channels and the model "
                f"{config.model} makes {made}: use a VAE of the same family"
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

    path = local_path(source)
    # A whole model may be named too: its VAE is used.
    is_whole = path is not None and (path / "vae" / "config.json").is_file()
    options = {"subfolder": "vae"} if is_whole else {}
    vae = _fetched(
        lambda **more: AutoModel.from_pretrained(str(path or source), dtype=dtype, **options, **more),
        "vae",
        source,
    )
    if not hasattr(vae, "decode"):
        raise ConfigurationError(
            f"{source} (aga.background.vae) is a {type(vae).__name__}, which decodes no pictures: give a VAE"
        )
    return vae


def _scheduler(config: BackgroundConfig, current: Any) -> Any:
    import diffusers

    name = config.scheduler or type(current).__name__
    known = sorted(each for each in dir(diffusers) if each.endswith("Scheduler") and "Flax" not in each)
    if name not in known:
        near = ", ".join(closest(name, known, most=3, cutoff=0.4)) or "EulerDiscreteScheduler"
        raise ConfigurationError(
            f"diffusers has no scheduler {name!r} (aga.background.scheduler): did you mean {near}?"
        )
    if name in _SHARED_NOISE:
        raise ConfigurationError(
            f"{name} (aga.background.scheduler) draws one noise for a whole batch, so that a picture would depend on "
            "its neighbours: use DPMSolverMultistepScheduler with scheduler_options algorithm_type=sde-dpmsolver++"
        )
    kind = getattr(diffusers, name)
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
            f"{name} (aga.background.scheduler) does not accept these settings: {first_line(error, 300)}"
        ) from error


def _add_lora(pipeline: Any, source: str) -> None:
    if not hasattr(pipeline, "load_lora_weights"):
        raise ConfigurationError(
            f"{type(pipeline).__name__} takes no LoRA weights: leave aga.background.lora unset"
        )
    path = local_path(source)
    where, file = _lora_on_hub(source) or (source, None)
    if path:
        where, file = (str(path.parent), path.name) if path.is_file() else (str(path), None)
    options = {"weight_name": file} if file else {}
    _fetched(lambda **more: pipeline.load_lora_weights(where, **options, **more), "lora", source)
    if not pipeline.get_list_adapters():
        raise ConfigurationError(
            f"{source} (aga.background.lora) has no weights for {type(pipeline).__name__}: use a LoRA that was made "
            "for this model"
        )
    # Merged into the weights once, it costs nothing per picture.
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()


def _lora_on_hub(source: str) -> tuple[str, str] | None:
    """Repository and file of OWNER/NAME/FILE.safetensors."""
    return split_hub_file(source) if source.endswith(".safetensors") else None


def _fetched(load: Callable[..., Any], setting: str, source: str) -> Any:
    """What `load` returns; without the network where this machine has all of it, so that a study neither waits for the
    hub nor changes with it."""
    if not local_path(source):
        try:
            return load(local_files_only=True)
        except (OSError, ValueError):
            pass  # this machine does not have it, or not all of it
    try:
        return load()
    except MemoryError:
        raise
    except Exception as error:
        # Broken files raise many types of error in diffusers, transformers, peft and safetensors.
        raise ConfigurationError(_not_loaded(setting, source, first_line(error, 300))) from error


def _not_loaded(setting: str, source: str, reason: str) -> str:
    if local_path(source):
        return (
            f"{source} (aga.background.{setting}) cannot be loaded by diffusers: {reason}. If its download was "
            f"interrupted, repeat it. {_how_to_download(source)}"
        )
    return (
        f"{source} (aga.background.{setting}) is not a folder here, and as a hub id it can be neither found on this "
        f"machine nor downloaded: {reason}. Check the spelling and the network. {_how_to_download(source)}"
    )


def _how_to_download(source: str) -> str:
    name = source if is_hub_id(source) else "OWNER/NAME"
    return (
        f"For use without a network, run `hf download {name} --local-dir FOLDER` on a machine that has one, copy the "
        "folder, and give its path; --aga.background.kind scenes needs no weights"
    )
