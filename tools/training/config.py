"""Settings of the classifier and of its training recipe. Light: imports no torch."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tools.training.metrics import Metric
from tools.training.model_source import Named, folded, parse_name
from tools.training.synthetic import Synthetic

_FROZEN = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

Epochs = Annotated[int, Field(ge=1, le=10_000)]


TORCHVISION_WEIGHTS = "torchvision"
WEIGHT_WORDS = (TORCHVISION_WEIGHTS, "pretrained", "auto")
"""Values of `ModelConfig.weights` that are no files."""

_NORMALISATIONS = ("auto", "imagenet", "data")


ASKS_MODEL = "sra"
"""The operation whose strength the model in training decides (`tools.policy.sample_aware`)."""


class ModelConfig(BaseModel):
    """Which classifier is trained, and from what weights."""

    model_config = _FROZEN

    name: str = Field(
        default="resnet18",
        description="a classification model of torchvision.models, timm:NAME, or a function from the number of classes "
        "to a torch.nn.Module: path/to/file.py:FUNCTION or package.module:FUNCTION (docs/model.md)",
    )
    weights: str | None = Field(
        default=None,
        description="from scratch if unset; 'pretrained' (the model's published ones, ImageNet); a .safetensors or "
        ".pth file; or 'auto', the default for a folder of images: published ones that are here or may be "
        "fetched; else EfficientNet-Lite0, unless a model is named",
    )
    stem: Literal["auto", "imagenet", "small", "small-pool"] = Field(
        default="auto",
        description="first layers; 'auto' takes a small-image stem where the image is at most 64 px",
    )
    normalisation: str = Field(
        default="auto",
        pattern=r"^(auto|imagenet|data|[\d.,]+/[\d.,]+)$",
        description="of the images: 'auto' is what the weights expect, or from scratch the mean and deviation of the "
        "training images ('data'); 'imagenet'; or numbers of 0 to 1, as MEAN/STD: 0.5,0.5,0.5/0.5,0.5,0.5",
    )
    norm_momentum: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = Field(
        default="auto",
        description="how far batch normalisation's statistics, by which a trained model predicts, move in each step; "
        "'auto': the model's own, but 0.1 in a new study where that is less, as it is for trainings of far more steps",
    )
    download: Literal["ask", "yes", "no"] = Field(
        default="ask",
        description="whether model.weights auto may fetch published weights; 'ask' fetches none without a terminal",
    )

    @field_validator("name")
    @classmethod
    def _in_one_spelling(cls, name: str) -> str:
        return folded(name)

    @field_validator("normalisation")
    @classmethod
    def _is_known(cls, text: str) -> str:
        if text not in _NORMALISATIONS:
            stated_normalisation(text)
        return text

    @model_validator(mode="after")
    def _torchvision_has_one_word(self) -> Self:
        if self.weights == "pretrained" and self.named.kind == "torchvision":
            object.__setattr__(self, "weights", TORCHVISION_WEIGHTS)
        return self

    @property
    def named(self) -> Named:
        """What the name means."""
        return parse_name(self.name)

    @property
    def title(self) -> str:
        """The name for people, for names of studies and for language models: without the folder of a file."""
        return self.named.title

    @property
    def weights_file(self) -> Path | None:
        """The file that training starts from; None where there is none."""
        return None if self.weights is None or self.weights in WEIGHT_WORDS else Path(self.weights)

    @property
    def start(self) -> str:
        """What training starts from, for people."""
        if (file := self.weights_file) is not None:
            return f"weights of {file.name}"
        words = {TORCHVISION_WEIGHTS: "torchvision's weights", "pretrained": "its published weights"}
        return words.get(self.weights or "", self.weights or "from scratch")


def stated_normalisation(text: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and deviation of red, green and blue, 0..1, as `ModelConfig.normalisation` states them.

    Raises:
        ValueError: it is no such text.
    """
    try:
        mean, std = (tuple(float(number) for number in part.split(",")) for part in text.split("/"))
    except ValueError:
        mean = std = ()
    if (
        len(mean) != 3
        or len(std) != 3
        or not all(0 <= m <= 1 for m in mean)
        or not all(0 < s <= 1 for s in std)
    ):
        raise ValueError(
            "expected auto, imagenet, data, or three means and three deviations of 0 to 1, such as "
            "0.485,0.456,0.406/0.229,0.224,0.225"
        )
    return mean, std  # type: ignore[return-value]


class TrainingConfig(BaseModel):
    """The recipe, constant over all trials of a study; unset fields take the recipe's value."""

    model_config = _FROZEN

    recipe: Literal["modern", "aga"] = Field(
        default="modern", description="'aga' is Table 4 of the AGA paper"
    )
    epochs: Epochs | Literal["auto"] | None = Field(
        default=None,
        description="passes over the training images; 'auto': found first, for no augmentation and the default policy "
        "(docs/length.md), which is the default for a folder of images; else the recipe's",
    )
    batch_size: int | None = Field(default=None, ge=2, le=65_536, description="training images in a step")
    learning_rate: float | None = Field(default=None, gt=0, le=100, description="the highest of the schedule")
    weight_decay: float | None = Field(default=None, ge=0, le=10, description="of the optimiser")
    label_smoothing: float | None = Field(
        default=None, ge=0, lt=1, description="share of each label spread over all classes"
    )
    selection: Literal["last", "best"] = Field(
        default="last",
        description="which epoch a trial is judged by: the last, or the best on validation by the study's metric",
    )
    loader_workers: int = Field(default=0, ge=0, le=64, description="processes that augment, for each trial")
    amp: Literal["auto", "off", "bf16", "fp16"] = Field(
        default="auto",
        description="mixed precision; 'auto': on CUDA always, on CPU where training.layout is 'auto' too and bfloat16 "
        "is measured to be much faster when the study begins",
    )
    layout: Literal["auto", "contiguous", "channels_last"] = Field(
        default="auto",
        description="of the weights in memory, on CPU (on CUDA channels last always); 'auto': what is measured to be "
        "faster when a study begins (docs/speed.md)",
    )
    draws: Literal["own", "shared"] = Field(
        default="own",
        description="'shared': seeds of a candidate are given the same augmented images, in epochs of another order; "
        "they are made once for all",
    )
    imbalance: Literal["none", "weighted_loss", "balanced_sampling", "logit_adjustment"] = Field(
        default="none",
        description="what is done about classes of unequal size, for all contenders alike: a loss weighted by class, "
        "epochs with as many images of every class, or logit adjustment (Menon et al. 2021)",
    )

    @field_validator("imbalance", mode="before")
    @classmethod
    def _none_is_a_word(cls, value: Any) -> Any:
        """In files, variables and flags it also means that nothing is set."""
        return "none" if value is None else value

    @model_validator(mode="after")
    def _every_image_once(self) -> Self:
        if self.imbalance == "balanced_sampling" and self.draws == "shared":
            raise ValueError(
                "training.imbalance balanced_sampling draws images of small classes several times in an epoch, and "
                "training.draws shared would give them the same augmentation each time. Use training.draws own"
            )
        return self


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
    schedule: Literal["step", "cosine", "wsd"]
    """'wsd': warm-up, a constant rate, and a cool-down at the end (see `recipes.learning_rate_at`)."""
    step_size: int
    """Epochs between decays (schedule 'step')."""
    gamma: float
    warmup_fraction: float
    """Share of all steps with a linear warm-up (schedule 'cosine')."""
    label_smoothing: float
    gradient_clip: float | None
    selection: Literal["last", "best"]
    """Which epoch counts: the last, or the one with the highest `selection_metric` on validation."""
    amp: Literal["auto", "off", "bf16", "fp16"]
    draws: Literal["own", "shared"] = "own"
    """Of the augmentation: each trial its own, or one set of epochs for all seeds of a block (`seeds.draws_of`)."""
    warmup_steps: int = 0
    """Of the linear warm-up (schedule 'wsd'): a number of steps, so that trials of every length begin alike."""
    cooldown_fraction: float = 0.0
    """Share of the epochs with a falling rate (schedule 'wsd'), at least one epoch."""
    selection_metric: Metric = "accuracy"
    """The study's metric where `selection` is 'best'; else 'accuracy', which then decides nothing."""
    imbalance: Literal["none", "weighted_loss", "balanced_sampling", "logit_adjustment"] = "none"
    """What is done about classes of unequal size (`tools.training.imbalance`)."""
    channels_last: bool = False
    """Memory layout of the weights on CPU; results differ by rounding. On CUDA it is channels last always."""


class Trunk(BaseModel):
    """The epochs at a constant rate that trials of schedule 'wsd' share: those that differ in length only, or, with a
    `policy` of its own, those of any policy, which then have the cool-down to themselves (docs/search.md)."""

    model_config = _FROZEN

    key: str
    """SHA-256 of all that decides those epochs (see `tools.training.trial_store.trunk_key`)."""
    directory: Path
    policy: str | None = None
    """Canonical JSON of the policy of those epochs, which then have no synthetic images; None: as the trial's own.
    It decides what the trial comes to, and is part of its key (see `tools.training.trial_store.trial_key`)."""


class Beginning(BaseModel):
    """Epochs that a trial has in common with one that stopped in the middle of the same training."""

    model_config = _FROZEN

    key: str
    """Of that trial, which has left its state (`tools.training.stages`)."""
    directory: Path
    epochs: int = Field(ge=1)
    """That it has trained."""


class Fold(BaseModel):
    """The images that one trial is validated on, where that is not the validation split as it is.

    Fold 0 of `both` is the validation split; folds 1 to `count` - 1 are cut from the training split, and where one of
    them is held out, the images of the validation split are trained on. Folds of `train` are cut from the training
    split alone: the others are trained on, and the validation split is not used. With `all`, both splits are trained
    on, and the validation score is of images that were trained on: of a model that is taken away, and never compared.
    """

    model_config = _FROZEN

    number: int = Field(ge=0)
    """0 to `count` - 1."""
    count: int = Field(ge=1)
    """At least 2, but for `all`."""
    of: Literal["both", "train", "all"] = "both"

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if self.count < 2 and self.of != "all":
            raise ValueError("one fold of one would leave nothing to train on")
        if self.number >= self.count:
            raise ValueError(f"fold {self.number} of {self.count}: the folds are 0 to {self.count - 1}")
        return self

    @property
    def is_as_split(self) -> bool:
        """Whether it trains and validates on the splits as they are, so that its trial is that without folds."""
        return self.number == 0 and self.of == "both"

    def __str__(self) -> str:
        """Counted from 1, for people: '3 of 6'."""
        if self.of == "all":
            return "none, all images are trained on"
        return f"{self.number + 1} of {self.count}"


EVERYTHING = Fold(number=0, count=1, of="all")
"""Training and validation images are trained on."""


def fold_of_seed(seed: int, count: int | None) -> Fold | None:
    """The fold that trials of `seed` are validated on; None where there are no folds."""
    return None if count is None else Fold(number=seed % count, count=count)


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
    several_labels: bool = False
    """Whether an image may have several labels, or none. The data's fingerprint says so too, and with it the key."""
    model: ModelConfig
    recipe: Recipe
    seed: int
    directory: Path
    """The trial's own folder: epochs.jsonl, checkpoint, weights, result.json."""
    loader_workers: int = 0
    synthetic: Synthetic | None = None
    """Images to train on in addition to, or in place of, the real ones."""
    fold: Fold | None = None
    """None: the training and validation splits as they are. `tools.training.views` opens what it means."""
    model_source: str | None = None
    """What the code of the model was when the trial was planned (see `model_source.source_identity`): no other code
    is trained under its key."""
    trunk: Trunk | None = None
    """What is shared with other trials. Without a policy of its own it saves time and changes no number."""
    begins: Beginning | None = None
    """Where its first epochs lie, if somebody has trained them. They are those that it would train itself."""
    stop: int | None = None
    """The last epoch that it trains, where that is in the middle of its recipe; its state then stays, for a trial that
    begins with it."""

    @property
    def last_epoch(self) -> int:
        """Of the recipe, or the one that it stops after."""
        return self.recipe.epochs if self.stop is None else self.stop

    @property
    def alone_because(self) -> str:
        """Why it is trained by itself and not in a pack with others, in words; empty where it need not be."""
        policy = json.loads(self.policy)
        if policy.get("changes") or self.stop is not None or self.begins is not None:
            return "a policy that changes in the middle of a training"
        if any(operation["name"] == ASKS_MODEL for operation in policy["operations"]):
            return f"{ASKS_MODEL}, which asks the model for the score of each image,"
        return ""

    @property
    def has_foreign_trunk(self) -> bool:
        """Whether the epochs before the cool-down have another policy, or other images, than the trial's own."""
        policy = None if self.trunk is None else self.trunk.policy
        return policy is not None and (policy != self.policy or self.synthetic is not None)
