"""The one tree of settings. Light: imports no torch, no MLflow, no LangChain.

Defaults are given by name (`default=`), so that a type checker sees that the field is optional.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.settings.addresses import without_password
from tools.aga.config import AgaConfig
from tools.datasets.config import DataConfig, Names
from tools.durations import Seconds
from tools.execution.config import ExecutionConfig
from tools.policy.config import Policies
from tools.training.config import ModelConfig, TrainingConfig
from tools.training.metrics import Metric

_FROZEN = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

FIRST_FRESH_SEED = 3_000_000_000
"""Above all seeds that a search can have: these end at 2³¹ + 99."""

Arm = Literal["auto", "llm", "best_of_n", "hybrid", "online", "random", "nearby", "tpe", "fixed"]


_VISION_OF_EARLIER = {"true": "on", "false": "off", "none": "ask"}


class LLMConfig(BaseModel):
    """The model that proposes. Keys come from the environment only, by each provider's usual name."""

    model_config = _FROZEN

    model: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_]+:\S+$",
        json_schema_extra={"form": "'provider:model', such as openai:gpt-5-mini"},
        description="'provider:model', such as openai:gpt-5-mini or google_genai:gemini-3-flash",
    )
    base_url: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        json_schema_extra={"form": "an address that begins with http:// or https://"},
        description="http(s) address of a server that uses the provider's protocol (vLLM, Ollama, …)",
    )
    unlisted: bool = Field(
        default=False,
        description="the server takes names of models that are not in its list: do not stop where it lacks this one",
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="randomness of its answers; the provider's default if unset"
    )
    max_tokens: int = Field(default=8192, ge=16, description="longest answer, in tokens")
    timeout: Seconds = Field(default=120.0, description="time that one call may take")
    retries: int = Field(
        default=5, ge=0, le=100, description="retries of a call after a network error, with backoff"
    )
    requests_per_minute: float | None = Field(default=None, gt=0, description="rate limit; none if unset")
    mode: Literal["auto", "tools", "structured"] = Field(
        default="auto",
        description="'tools': may call tools to inspect data and results first; 'structured': one answer in JSON",
    )
    vision: Literal["ask", "on", "off"] = Field(
        default="ask",
        description="whether pictures of training images go to the model: 'ask': if it sees by its profile, after a "
        "question once a study, unless its server is on this machine or in this private network; 'on': without a "
        "question, whatever its profile says",
    )
    names: Literal["card", "on", "off"] = Field(
        default="card",
        description="whether the model is told the names of the classes: 'card': where the data set's card or "
        "dataset.yaml gives them, or its server is on this machine or in this private network; else they are numbered",
    )
    max_tool_calls: int = Field(
        default=6, ge=0, le=100, description="tool calls before it must submit a proposal"
    )
    input_price: float | None = Field(default=None, ge=0, description="dollars per million input tokens")
    output_price: float | None = Field(default=None, ge=0, description="dollars per million output tokens")

    @field_validator("vision", mode="before")
    @classmethod
    def _of_earlier_versions(cls, value: Any) -> Any:
        """Before there was a question, it was true, false or unset, and studies wrote that down."""
        return _VISION_OF_EARLIER.get(str(value).lower(), value)


class SearchConfig(BaseModel):
    """How proposals are made and compared."""

    model_config = _FROZEN

    proposer: Arm = Field(
        default="auto",
        description="how proposals are made; 'auto': llm if a model or key is configured, else nearby",
    )
    augmentations: str = Field(
        default="2-3",
        pattern=r"^\d+(-\d+)?$",
        json_schema_extra={"form": "a number or a range, such as 2 or 2-3"},
        description="operations in a policy: a number or a range (the paper: 2 or 3)",
    )
    backgrounds: Literal["auto", "off", "optional", "always"] = Field(
        default="auto",
        description="whether proposals have prompts for new backgrounds (AGA): 'optional' lets the proposer decide; "
        "'auto': 'optional' for photographs of subjects and digits, 'off' for scans and tissue",
    )
    advice: Literal["on", "off"] = Field(
        default="on",
        description="whether a language model is told our advice on augmentations for these images; 'off': the plain "
        "prompt of the papers",
    )
    whole_policies: Literal["on", "off"] = Field(
        default="on",
        description="whether proposals may have RandAugment and other whole policies; 'off': only baselines may",
    )
    metric: Metric = Field(
        default="accuracy",
        description="what candidates are compared, chosen and reported by",
    )
    check_length: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="whether a given number of epochs is compared with twice as many, to say if it is too short for "
        "augmentation; 'auto': for a folder of images, where that costs a tenth of the study or less",
    )
    second_lengths: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="whether the two leading contenders are also trained for twice the length at the end, if they are "
        "unfinished, or half, if they over-train; 'auto': where the study finds its length",
    )
    shortest_steps: Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"] = Field(
        default="auto",
        description="steps of the optimiser in the shortest training that the phase `length` tries, to whole epochs; "
        "'auto': 256, or 64 where training starts from weights, which takes less",
    )
    iterations: Annotated[int, Field(ge=0, le=10_000)] | Literal["auto"] = Field(
        default=8,
        description="rounds of proposing and training; 'auto': as many as fit into the limit in time",
    )
    candidates: int = Field(
        default=1,
        ge=1,
        le=16,
        description="proposals in an iteration, of which the best goes on: by a cheap measure where that is trusted, "
        "else seed by seed",
    )
    adapt_every: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="epochs after which the arm online reads the curves of a training and may change its policy, again "
        "and again; a quarter of the training if unset",
    )
    seeds: int = Field(default=3, ge=1, le=100, description="trials of each proposal, one per seed")
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="first seed of the study; trial seeds count up from it",
    )
    repairs: int = Field(
        default=5, ge=0, le=100, description="rejected proposals in one iteration before the study stops"
    )
    baselines: Policies = Field(
        default_factory=lambda: ["default", "trivial_augment_wide", "rand_augment"],
        description="policies that are trained as baselines: 'default' (the usual one for the kind of images), an "
        "operation, a call such as rand_augment(num_ops=3), a whole line such as horizontal_flip > "
        "rotate(p=0.5, degrees=15), or a transform of your own, such as path/to/file.py:augment",
    )
    default: str | None = Field(
        default=None,
        description="the policy to be beaten, written like a baseline: your own pipeline, for example. It takes the "
        "place of the usual one for the kind of images wherever 'default' stands",
    )
    warm_start: Names = Field(
        default_factory=list,
        description="earlier studies in the runs folder, whose best proposals are tried first",
    )
    top_k: int = Field(
        default=2, ge=1, le=100, description="proposals of which one is chosen at the end: the finalists"
    )
    choosing_seeds: int = Field(
        default=5,
        ge=1,
        le=100,
        description="seeds by which one of several finalists is chosen: those of the search and more, up to this",
    )
    final_seeds: int = Field(
        default=5,
        ge=2,
        le=100,
        description="fresh seeds of the test, by which nothing was chosen; with fewer than 3 nothing can be shown",
    )

    @property
    def operation_range(self) -> tuple[int, int]:
        """(minimum, maximum) operations in a policy."""
        low, _, high = self.augmentations.partition("-")
        return int(low), int(high or low)

    @property
    def search_seeds(self) -> list[int]:
        """Seeds of the trials of the search."""
        return list(range(self.seed, self.seed + self.seeds))

    @property
    def choice_seeds(self) -> list[int]:
        """Seeds of the trials by which a finalist is chosen: those of the search first."""
        return list(range(self.seed, self.seed + max(self.seeds, self.choosing_seeds)))

    @property
    def fresh_seeds(self) -> list[int]:
        """Seeds of the trials that are tested: never those of a search or a choice, of this study or another.

        Studies with equal `seed` share them, so that the reference and the baselines are trained once; studies with
        different ones have none in common.
        """
        first = FIRST_FRESH_SEED + 100 * self.seed
        return list(range(first, first + self.final_seeds))

    @model_validator(mode="after")
    def _range_is_a_range(self) -> "SearchConfig":
        low, high = self.operation_range
        if not 1 <= low <= high:
            raise ValueError(
                f"augmentations {self.augmentations!r} is not a range: write a number such as 2, or a range such as 2-3"
            )
        return self

    @model_validator(mode="after")
    def _some_propose_one(self) -> "SearchConfig":
        if self.proposer == "online" and self.candidates > 1:
            raise ValueError(
                f"candidates {self.candidates}: the arm 'online' follows one training at a time. Leave "
                "search.candidates at 1, or take another arm"
            )
        if self.proposer == "fixed" and self.candidates > 1:
            raise ValueError(
                f"candidates {self.candidates}: the arm 'fixed' trains every policy of its list in full, one in an "
                "iteration. Leave search.candidates at 1, or take another arm"
            )
        return self


class BudgetConfig(BaseModel):
    """When the search stops before its last iteration; unset means no limit."""

    model_config = _FROZEN

    wall_clock: Seconds | None = Field(default=None, description="running time, over all sessions")
    training_seconds: Seconds | None = Field(default=None, description="time of training, over all trials")
    trials: int | None = Field(default=None, ge=1, description="classifiers trained")
    llm_calls: int | None = Field(default=None, ge=1, description="calls of the LLM, including failed ones")
    tokens: int | None = Field(default=None, ge=1, description="LLM tokens, input and output together")
    dollars: float | None = Field(default=None, gt=0, description="spent on the LLM, if its price is known")

    @property
    def of_training(self) -> "BudgetConfig":
        """Without the limits on the LLM, which say nothing on how much may be trained."""
        return self.model_copy(update={"llm_calls": None, "tokens": None, "dollars": None})

    @property
    def is_limited(self) -> bool:
        """Whether anything is bounded."""
        return any(value is not None for value in self.model_dump().values())


class TrackingConfig(BaseModel):
    """The MLflow store that keeps what was tried. Passwords come from MLflow's own variables."""

    model_config = _FROZEN

    uri: str | None = Field(
        default=None,
        min_length=1,
        description="http(s) address of an MLflow server, or of a database; MLFLOW_TRACKING_URI if unset, else a "
        "file in the runs folder",
    )
    experiment: str | None = Field(
        default=None,
        pattern=r"^[^\s/](.{0,198}\S)?$",
        json_schema_extra={"form": "up to 200 characters that begin with neither a blank nor a slash"},
        description="name of the MLflow experiment; made from data and model if unset",
    )
    checkpoints: str | None = Field(
        default=None,
        min_length=1,
        description="postgresql:// address of a database that keeps where studies stand, instead of a file in each "
        "study's folder; its password is never stored (docs/cluster.md)",
    )
    timeout: Seconds = Field(default=60.0, description="time that one request to a server may take")
    retries: int = Field(
        default=6, ge=0, le=100, description="retries while the store does not answer, with backoff"
    )

    @field_validator("checkpoints")
    @classmethod
    def _holds_no_password(cls, address: str | None) -> str | None:
        return None if address is None else without_password(address)


class ReportConfig(BaseModel):
    """What the finish says besides the result."""

    model_config = _FROZEN

    explain: Literal["auto", "off", "full"] = Field(
        default="auto",
        description="whether the finish explains the result (calibration, attribution, robustness; docs/explain.md): "
        "'full': all of it; 'auto': what takes no longer than a twentieth of the training",
    )


class StudyConfig(BaseModel):
    """All settings of a study."""

    model_config = _FROZEN

    study: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$",
        json_schema_extra={
            "form": "up to 80 letters, digits, dots, dashes and underscores, a letter or digit first"
        },
        description="name of the study; made from data, model and date if unset",
    )
    runs_dir: Path = Field(default=Path("runs"), description="folder of everything that a run leaves behind")
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    execution: ExecutionConfig = ExecutionConfig()
    search: SearchConfig = SearchConfig()
    aga: AgaConfig = AgaConfig()
    llm: LLMConfig = LLMConfig()
    budget: BudgetConfig = BudgetConfig()
    tracking: TrackingConfig = TrackingConfig()
    report: ReportConfig = ReportConfig()

    @model_validator(mode="after")
    def _a_length_can_be_found(self) -> "StudyConfig":
        if self.training.epochs == "auto" and self.training.recipe == "aga":
            raise ValueError(
                "training.epochs auto: the recipe 'aga' lowers its rate every 30 epochs, so that a shorter training is "
                "not the same at another length. Give a number (the paper: 100), or use --training.recipe modern"
            )
        return self

    @model_validator(mode="after")
    def _iterations_follow_from_a_time(self) -> "StudyConfig":
        budget = self.budget
        if self.search.iterations == "auto" and budget.wall_clock is None and budget.training_seconds is None:
            raise ValueError(
                "search.iterations auto: how many there are follows from a limit in time: give one, such as "
                "--budget.wall_clock 15m, or a number of iterations"
            )
        return self

    @property
    def caption_llm(self) -> LLMConfig:
        """The chat model that writes captions: `aga.llm` with its own server, else the study's.

        What the study's model costs says nothing of another one: that has its published price, or an unknown one.
        """
        if self.aga.llm is None:
            return self.llm
        own = {"model": self.aga.llm, "base_url": self.aga.llm_base_url}
        if (self.aga.llm, self.aga.llm_base_url) != (self.llm.model, self.llm.base_url):
            own |= {"input_price": None, "output_price": None}
        return self.llm.model_copy(update=own)
