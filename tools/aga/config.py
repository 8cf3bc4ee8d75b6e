"""Settings of AGA. Light: imports no torch.

Defaults are given by name (`default=`), for a type checker to see that the field may be left out.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tools.training.synthetic import Mixing

_FROZEN = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _split_pairs(value: Any) -> Any:
    """'a=b,c=d' as a mapping, so that a variable and a flag say it as easily as a file."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError(f"is not written as NAME=VALUE,…: {value!r}")
    return {name.strip(): text.strip() for name, _, text in pairs}


def _split_options(value: Any) -> Any:
    """The same with values as YAML reads them: numbers, true and false, else text."""
    if not isinstance(value, str):
        return value
    import yaml

    return {name: yaml.safe_load(text) for name, text in _split_pairs(value).items()}


def _none_is_a_word(value: Any) -> Any:
    """Where 'none' is one of the choices, it is no unset value."""
    return "none" if value is None else value


class DetectorConfig(BaseModel):
    """How the subject is found."""

    model_config = _FROZEN

    kind: Annotated[
        Literal["none", "dataset", "groundingdino", "transformers"], BeforeValidator(_none_is_a_word)
    ] = Field(
        default="none",
        description="'none': the centre of the image; 'dataset': given boxes; 'groundingdino': groundingdino-py; "
        "'transformers': its port",
    )
    margin: float = Field(
        default=0.1,
        ge=0,
        le=0.45,
        description="of each side that kind 'none' leaves around its box; 0 leaves nothing",
    )
    config: Path | None = Field(
        default=None,
        description="GroundingDINO's configuration file (.py); unset: the package's own for Swin-T or Swin-B",
    )
    checkpoint: str | None = Field(
        default=None,
        description="GroundingDINO's .pth file, or OWNER/REPOSITORY/FILE on the hub; for 'transformers' a folder or "
        "a hub id",
    )
    box_threshold: float = Field(default=0.35, ge=0, le=1, description="lowest score of a box")
    text_threshold: float = Field(
        default=0.25, ge=0, le=1, description="lowest score of a word of the prompt"
    )
    side: int = Field(
        default=800,
        ge=32,
        le=2048,
        description="short side in pixels at which images are looked at; the published models: 800",
    )
    batch_size: int = Field(
        default=8, ge=1, le=1024, description="images of one size at a time; halved when memory runs out"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(default="auto", description="where it runs")


class SegmenterConfig(BaseModel):
    """How the subject is cut out."""

    model_config = _FROZEN

    kind: Literal["sam", "grabcut", "otsu", "dataset"] = Field(
        default="grabcut",
        description="'sam': segment-anything; 'grabcut', 'otsu': OpenCV; 'dataset': given masks",
    )
    model: Literal["vit_b", "vit_l", "vit_h"] = Field(default="vit_h", description="SAM's size")
    checkpoint: Path | None = Field(default=None, description="SAM's .pth file")
    iterations: int = Field(default=5, ge=1, le=50, description="of GrabCut")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(default="auto", description="where it runs")


class CaptionConfig(BaseModel):
    """How captions are written."""

    model_config = _FROZEN

    kind: Literal["template", "llm"] = Field(
        default="template", description="'llm': a chat model; 'template': the combination joined by commas"
    )
    attempts: int = Field(
        default=3, ge=1, le=20, description="answers of the model before the template is taken"
    )
    batch_size: int = Field(default=8, ge=1, le=64, description="captions asked for in one call")
    max_tokens: int = Field(default=77, ge=16, le=512, description="that the text encoder reads (CLIP: 77)")


class BackgroundConfig(BaseModel):
    """How backgrounds are made."""

    model_config = _FROZEN

    kind: Literal["textures", "folder", "diffusion"] = Field(
        default="textures",
        description="'diffusion': a text-to-image model by diffusers; 'textures': procedural; 'folder': your photos",
    )
    model: str = Field(
        default="stabilityai/stable-diffusion-xl-base-1.0",
        description="local folder or hub id of a diffusers model",
    )
    folder: Path | None = Field(default=None, description="photos for kind 'folder'")
    steps: int | None = Field(
        default=None, ge=1, le=1000, description="the pipeline's own where unset (SDXL: 50)"
    )
    guidance: float | None = Field(
        default=None, ge=0, le=50, description="the pipeline's own where unset (SDXL: 5)"
    )
    scheduler: str | None = Field(
        default=None, description="class of diffusers, such as LCMScheduler; the model's own where unset"
    )
    scheduler_options: Annotated[dict[str, str | int | float | bool], BeforeValidator(_split_options)] = (
        Field(
            default_factory=dict,
            description="for the scheduler, such as timestep_spacing=trailing (Lightning)",
        )
    )
    size: int | None = Field(
        default=None,
        ge=8,
        le=4096,
        multiple_of=8,
        description="side that is generated, in pixels, a multiple of 8; the model's own where unset",
    )
    negative_prompt: str | None = Field(default=None, description="what the picture must not show")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        default="auto", description="'auto': float16 on CUDA, float32 elsewhere"
    )
    variant: str | None = Field(default=None, description="of the weights, such as fp16")
    vae: str | None = Field(default=None, description="another VAE (local folder or hub id)")
    lora: str | None = Field(
        default=None,
        description="LoRA weights (LCM, Lightning): local file, folder, hub id or OWNER/NAME/FILE.safetensors",
    )
    attention_slicing: bool = Field(default=False, description="less memory, slower")
    offload: Annotated[Literal["none", "model", "sequential"], BeforeValidator(_none_is_a_word)] = Field(
        default="none", description="keep what is not at work in the CPU's memory"
    )
    batch_size: int = Field(
        default=4, ge=1, le=256, description="pictures at a time; halved when memory runs out"
    )
    devices: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="'cuda' and 'auto' use every GPU, one process each"
    )


class ComposeConfig(BaseModel):
    """How the subject is pasted."""

    model_config = _FROZEN

    size: Literal["training", "source"] = Field(
        default="training",
        description="side of the result: the training size, or the source's (at most max_side)",
    )
    max_side: int = Field(
        default=1024, ge=32, le=8192, description="sources are read at no more than this side"
    )
    edge: float = Field(
        default=1.0, ge=0, le=64, description="width in pixels of the soft edge of the subject"
    )
    place: Literal["keep", "random"] = Field(
        default="keep", description="where the subject goes: where it was, or anywhere that holds it whole"
    )
    format: Literal["png", "jpeg", "webp"] = Field(default="png", description="of the files that are written")
    quality: int = Field(default=95, ge=1, le=100, description="of JPEG and WebP")
    workers: int | None = Field(default=None, ge=1, description="processes; all cores where unset")


class GatesConfig(BaseModel):
    """What a synthetic image must pass; every verdict is stored."""

    model_config = _FROZEN

    min_score: float = Field(default=0.3, ge=0, le=1, description="of the detector")
    min_area: float = Field(
        default=0.01, ge=0, le=1, description="smallest share of the image that a mask covers"
    )
    max_area: float = Field(
        default=0.9, ge=0, le=1, description="largest share of the image that a mask covers"
    )
    min_contrast: float = Field(
        default=2.0,
        ge=0,
        le=255,
        description="standard deviation in grey levels, below which a background is blank",
    )
    black_level: float = Field(
        default=8.0,
        ge=0,
        le=255,
        description="grey level that both mean and standard deviation of a black background stay below",
    )
    redetect: bool = Field(
        default=True, description="refuse a background on which the detector sees the subject"
    )
    redetect_score: float = Field(default=0.35, ge=0, le=1, description="from this score on, it is seen")
    classifier: Path | None = Field(
        default=None,
        description="folder of a finished trial, as a judge: refuse what it gets confidently wrong, or finds too easy",
    )
    wrong_confidence: float = Field(
        default=0.9, ge=0, le=1, description="confidence that makes an error confident; at 1 none is"
    )
    easy_confidence: float = Field(
        default=1.0, ge=0, le=1, description="confidence that makes an image too easy; at 1 none is"
    )


class AgaConfig(BaseModel):
    """New backgrounds for the training images."""

    model_config = _FROZEN

    subjects: Annotated[dict[str, str], BeforeValidator(_split_pairs)] = Field(
        default_factory=dict,
        description="class → superclass for the detector; else the data set's, or the proposal's",
    )
    pool: float = Field(
        default=1.0,
        gt=0,
        le=10,
        description="backgrounds that are made for each training image; all classes and scales share them",
    )
    llm: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_]+:\S+$",
        description="'provider:model' for captions; llm.model where unset",
    )
    llm_base_url: str | None = Field(
        default=None, pattern=r"^https?://\S+$", description="of the server of aga.llm; a local Llama, say"
    )
    max_disk_gib: float = Field(
        default=50.0, gt=0, description="that generated images may take in runs_dir/aga"
    )
    detector: DetectorConfig = DetectorConfig()
    segmenter: SegmenterConfig = SegmenterConfig()
    caption: CaptionConfig = CaptionConfig()
    background: BackgroundConfig = BackgroundConfig()
    compose: ComposeConfig = ComposeConfig()
    gates: GatesConfig = GatesConfig()
    mixing: Mixing = Mixing()


class PromptSet(BaseModel):
    """What an arm proposes for the backgrounds. Flat on purpose, every field required: an LLM writes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str = Field(description="superclass of what the images show, for the detector, such as bird")
    scale: float = Field(description="synthetic images for each real one, above 0 to 10")
    instructions: list[str] = Field(description="how a background is to be described or pictured")
    settings: list[str] = Field(description="places where the subject could plausibly be")
    times: list[str] = Field(description="times of the day, seasons, weather")
    avoid: list[str] = Field(description="words that no caption may have: class names, the subject, synonyms")
    flip_probability: float = Field(description="of mirroring the subject, 0 to 1")
    max_rotation: float = Field(description="largest turn of the subject in degrees either way, 0 to 180")
    min_scale: float = Field(description="smallest zoom of the subject, 0.2 to 1")
    max_scale: float = Field(description="largest zoom of the subject, 1 to 2")
