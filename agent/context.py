"""What the nodes work with: the open data set, the workers, the memory, the ledger. Never checkpointed.

Data only: what is done with it is in `agent/steps/`. `agent/starting/startup.py` builds it from the configuration.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from agent.memory.ledger import Ledger, Stopwatch

if TYPE_CHECKING:
    from agent.images.synthesis import Synthesis
    from agent.memory import Tracking
    from agent.memory.history import Backgrounds
    from agent.memory.length_file import Lengths
    from agent.memory.traces import IterationTrace
    from agent.proposers import Proposer
    from agent.screen.terminal import Terminal
    from agent.settings.config import StudyConfig
    from agent.shifts import Shift
    from tools.datasets.cache.read import CachedDataset
    from tools.execution.executor import Executor
    from tools.training.config import Recipe
    from tools.training.trial_store import TrialStore
    from tools.training.types import Timing


@dataclass
class Context:
    """One session of a study, from `agent run` or `agent resume` until it ends or is interrupted."""

    config: "StudyConfig"
    study: str
    folder: Path
    """The study's own: config, ledger, contact sheets, report."""
    data: "CachedDataset"
    recipe: "Recipe"
    tracking: "Tracking"
    ledger: Ledger
    trace: "IterationTrace"
    terminal: "Terminal"
    executor: "Executor"
    machines: list[dict[str, str]]
    """Environments of the workers: a result from any other environment is not reused."""
    store: "TrialStore"
    make_proposer: "Callable[[], Proposer]"
    backgrounds: "Backgrounds"
    """Whether proposals carry background prompts."""
    synthesis: "Synthesis"
    shifts: "Sequence[Shift]" = ()
    """Other data sets that the finish tests on."""
    fold_count: int | None = None
    """Folds that seeds are validated on in turn; None: all are validated on the validation split."""
    grey: bool = False
    """Whether red, green and blue are equal in all training images."""
    original_size: tuple[int, int] | None = None
    """Median (width, height) of the training images as they are stored."""
    lengths: "Lengths | None" = None
    """What the phase `length` has found; None until then, and where nothing was tried."""
    model_source: str | None = None
    """What tells the code of the model from other code, when this session began; None for torchvision's."""
    timings: "list[Timing]" = field(default_factory=list)
    """How fast a usual trial trains, as this session measured it (`agent.steps.speed`); empty until then."""
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    @cached_property
    def proposer(self) -> "Proposer":
        """The arm; connected to its LLM when first asked for."""
        return self.make_proposer()

    def seeds(self, count: int) -> list[int]:
        """The first `count` trial seeds of the study."""
        return list(range(self.config.search.seed, self.config.search.seed + count))
