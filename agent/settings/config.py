"""The one tree of settings. Light: imports no torch, no MLflow, no LangChain.

Defaults are given by name (`default=`), for a type checker to see that the field may be left out.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tools.aga.config import AgaConfig
from tools.datasets.config import DataConfig, Names
from tools.execution.config import ExecutionConfig
from tools.training.config import ModelConfig, TrainingConfig

_FROZEN = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

Arm = Literal["auto", "llm", "best_of_n", "random", "tpe", "fixed"]


class LLMConfig(BaseModel):
    """The model that proposes. Keys come from the environment only, by each provider's usual name."""

    model_config = _FROZEN

    model: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_]+:\S+$",
        description="'provider:model', such as openai:gpt-5-mini or google_genai:gemini-3-flash",
    )
    base_url: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="http(s) address of a server that speaks the provider's protocol (vLLM, Ollama, …)",
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="the provider's default where unset"
    )
    max_tokens: int = Field(default=8192, ge=16, description="of one answer")
    timeout: float = Field(default=120.0, gt=0, description="seconds for one call")
    retries: int = Field(
        default=5, ge=0, le=100, description="further tries after a fault of the transport, with backoff"
    )
    requests_per_minute: float | None = Field(
        default=None, gt=0, description="own rate limit; none where unset"
    )
    mode: Literal["auto", "tools", "structured"] = Field(
        default="auto",
        description="'tools': may look at data and results first; 'structured': one answer in JSON",
    )
    vision: bool | None = Field(
        default=None, description="whether the model sees images; guessed from its profile where unset"
    )
    max_tool_calls: int = Field(
        default=6, ge=0, le=100, description="look-ups before a proposal must be submitted"
    )
    input_price: float | None = Field(default=None, ge=0, description="dollars for a million input tokens")
    output_price: float | None = Field(default=None, ge=0, description="dollars for a million output tokens")


class SearchConfig(BaseModel):
    """How proposals are made and compared."""

    model_config = _FROZEN

    proposer: Arm = Field(
        default="auto", description="'auto': llm where a model or key is configured, else tpe"
    )
    augmentations: str = Field(
        default="2-3",
        pattern=r"^\d+(-\d+)?$",
        description="operations in a policy: a number (the paper: 2 or 3) or a range",
    )
    backgrounds: Literal["auto", "off", "optional", "always"] = Field(
        default="auto",
        description="whether proposals carry prompts for new backgrounds (AGA): 'optional' leaves it to the arm; "
        "'auto' is that for photographs of subjects, and 'off' where the whole image is the subject (scans, tissue)",
    )
    iterations: int = Field(default=8, ge=0, le=10_000, description="rounds of proposing and training")
    seeds: int = Field(default=3, ge=1, le=100, description="trials of each proposal")
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="of the study; trial seeds count up from it")
    repairs: int = Field(
        default=5, ge=0, le=100, description="rejected answers in one iteration before the study stops"
    )
    baselines: Names = Field(
        default_factory=lambda: ["trivial_augment_wide", "rand_augment", "aug_mix"],
        description="whole-policy operations trained beside the reference, at their defaults",
    )
    top_k: int = Field(default=2, ge=1, le=100, description="proposals that get extra seeds at the end")
    final_seeds: int = Field(
        default=5, ge=2, le=100, description="seeds of the finalists, the reference and the baselines"
    )

    @property
    def operation_range(self) -> tuple[int, int]:
        """(minimum, maximum) operations in a policy."""
        low, _, high = self.augmentations.partition("-")
        return int(low), int(high or low)

    @model_validator(mode="after")
    def _range_is_a_range(self) -> "SearchConfig":
        low, high = self.operation_range
        if not 1 <= low <= high:
            raise ValueError(
                f"augmentations {self.augmentations!r} is no range: write 2, or 2-3, with at least 1 operation"
            )
        return self


class BudgetConfig(BaseModel):
    """When the search ends besides its number of iterations; unset means no limit."""

    model_config = _FROZEN

    wall_clock: float | None = Field(default=None, gt=0, description="seconds, over all sittings")
    training_seconds: float | None = Field(default=None, gt=0, description="sum over trials")
    trials: int | None = Field(default=None, ge=1, description="trained classifiers")
    llm_calls: int | None = Field(default=None, ge=1, description="answers of the LLM, failed ones included")
    tokens: int | None = Field(default=None, ge=1, description="input and output together")
    dollars: float | None = Field(
        default=None, gt=0, description="spent on the LLM, where its price is known"
    )


class StudyConfig(BaseModel):
    """All settings of a study."""

    model_config = _FROZEN

    study: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$",
        description="its name; made from data, model and date where unset",
    )
    runs_dir: Path = Field(default=Path("runs"), description="where everything that a run leaves is kept")
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    execution: ExecutionConfig = ExecutionConfig()
    search: SearchConfig = SearchConfig()
    aga: AgaConfig = AgaConfig()
    llm: LLMConfig = LLMConfig()
    budget: BudgetConfig = BudgetConfig()
