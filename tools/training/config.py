"""Settings of the classifier and of its training recipe. Light: imports no torch."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tools.training.synthetic import Synthetic

_FROZEN = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ModelConfig(BaseModel):
    """Which classifier is trained, and from what weights."""

    model_config = _FROZEN

    name: str = Field(default="resnet18", description="a classification model of torchvision.models")
    weights: str | None = Field(
        default=None,
        description="from scratch if unset; 'torchvision' (ImageNet); or a .safetensors or .pth file",
    )
    stem: Literal["auto", "imagenet", "small", "small-pool"] = Field(
        default="auto",
        description="first layers; 'auto' takes a small-image stem where the image is at most 64 px",
    )


class TrainingConfig(BaseModel):
    """The recipe, constant over all trials of a study; unset fields take the recipe's value."""

    model_config = _FROZEN

    recipe: Literal["modern", "aga"] = Field(
        default="modern", description="'aga' is Table 4 of the AGA paper"
    )
    epochs: int | None = Field(default=None, ge=1, le=10_000, description="passes over the training images")
    batch_size: int | None = Field(default=None, ge=2, le=65_536, description="training images in a step")
    learning_rate: float | None = Field(default=None, gt=0, le=100, description="the highest of the schedule")
    weight_decay: float | None = Field(default=None, ge=0, le=10, description="of the optimiser")
    label_smoothing: float | None = Field(
        default=None, ge=0, lt=1, description="share of each label spread over all classes"
    )
    selection: Literal["last", "best"] = Field(
        default="last", description="which epoch a trial is judged by: the last, or the best on validation"
    )
    loader_workers: int = Field(default=0, ge=0, le=64, description="processes that augment, for each trial")
    amp: Literal["auto", "off", "bf16", "fp16"] = Field(
        default="auto", description="mixed precision; 'auto' uses it on CUDA only"
    )
    draws: Literal["own", "shared"] = Field(
        default="own",
        description="'shared': seeds of a candidate are given the same augmented images, in epochs of another order; "
        "they are made once for all",
    )


class Recipe(BaseModel):
    """A resolved recipe: every number that decides how a trial is trained. Part of the trial's key."""

    model_config = _FROZEN

    name: str
    epochs: int
    batch_size: int
    optimizer: Literal["sgd", "adamw"]
    learning_rate: float
    momentum: float
    weight_decay: float
    schedule: Literal["step", "cosine"]
    step_size: int
    """Epochs between decays (schedule 'step')."""
    gamma: float
    warmup_fraction: float
    """Share of all steps with a linear warm-up (schedule 'cosine')."""
    label_smoothing: float
    gradient_clip: float | None
    selection: Literal["last", "best"]
    amp: Literal["auto", "off", "bf16", "fp16"]
    draws: Literal["own", "shared"] = "own"
    """Of the augmentation: each trial its own, or one set of epochs for all seeds of a block (`seeds.draws_of`)."""


class TrialSpec(BaseModel):
    """Everything that a worker needs to train one classifier, and nothing else."""

    model_config = _FROZEN

    key: str
    """SHA-256 that names the trial (see `tools.training.trial_store.trial_key`)."""
    policy: str
    """Canonical JSON of a `tools.policy.policy.Policy`."""
    cache: Path
    """Folder of the decoded data set (`tools.datasets.cache.read.open_cache`)."""
    image_size: int
    classes: int
    ordinal: bool
    model: ModelConfig
    recipe: Recipe
    seed: int
    directory: Path
    """The trial's own folder: epochs.jsonl, checkpoint, weights, result.json."""
    loader_workers: int = 0
    synthetic: Synthetic | None = None
    """Images to train on in addition to, or in place of, the real ones."""
