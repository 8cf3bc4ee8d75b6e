"""What may be found out for a model that proposes, beyond the history: it takes trainings, pictures or time.

The extra training of `held_out` belongs to the phase `probe`: the ledger counts it, MLflow shows it, and no candidate
is compared with it. It leaves out training images by which no seed of the search is judged, so that its errors may be
shown.
"""

from dataclasses import replace

from agent.context import Context
from agent.memory.candidate import Candidate, reference
from agent.memory.ledger import Spent, exceeded
from agent.memory.look_ups import HeldOut, LookUp, NotNow
from agent.steps.left_out import left_out_spec, shown_images
from agent.steps.speed import samples_allowed
from agent.steps.stopping import limit_reached
from agent.steps.trials import evaluate, train_candidates
from tools.aga.config import PromptSet
from tools.aga.making.preview_rows import Preview, preview_of
from tools.datasets.cache.read import SplitView
from tools.errors import AugurError, ConfigurationError
from tools.files import DamagedFile
from tools.training.config import TrialSpec
from tools.training.types import Predictions
from tools.training.views import training_view, validation_view


class StudyInstruments:
    """Those of one conversation, in a study. See `agent.memory.look_ups.Instruments`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._held_out: HeldOut | None = None
        self.kept: list[LookUp] = []
        """What was looked up, in the order of the calls."""

    def keep(self, look_up: LookUp) -> None:
        """Keep what was looked up for later prompts."""
        self.kept.append(look_up)

    def shown_images(self) -> SplitView:
        """The training images that may be shown: none is a validation image of a seed of the search."""
        return shown_images(self._context)

    def preview_backgrounds(self, prompts: PromptSet) -> Preview:
        """Some images made from `prompts`.

        Raises:
            NotNow: the budget is spent, or these prompts give none.
            AugurError: none can be made for a reason that other prompts would meet as well.
        """
        context = self._context
        if reason := exceeded(context.ledger.spent(), context.config.budget):
            raise NotNow(f"No images are made: {reason}. Submit your proposal.")
        try:
            return preview_of(*context.synthesis.preview_of(prompts, set(self.shown_images().files)))
        except AugurError as error:
            if error.resumable or isinstance(error, ConfigurationError):
                raise
            raise NotNow(f"No image can be made of these prompts: {error}") from error

    def can_show_errors(self) -> bool:
        """Whether there are images to show, and the budget has room for the training that it takes."""
        spec = left_out_spec(self._context)
        return spec is not None and (self._is_trained(spec) or not self._too_dear())

    def held_out(self) -> HeldOut:
        """What a training without augmentation, made for this alone, says of training images that it left out.

        The first call in a study trains it; later ones, also after a resume, read what it kept.

        Raises:
            NotNow: a limit was reached, or the training failed.
        """
        if self._held_out is None:
            spec = left_out_spec(self._context)
            if spec is None:
                raise NotNow(
                    "Every training image is a validation image of some seed, so that none is shown."
                )
            predictions = self._trained(spec)
            self._held_out = HeldOut(validation_view(spec), predictions, len(training_view(spec)))
        return self._held_out

    def _trained(self, spec: TrialSpec) -> Predictions:
        context, candidate = self._context, reference()

        def spec_of(context: Context, candidate: Candidate, seed: int) -> TrialSpec:
            return spec

        title = "a reference whose errors are shown"
        cut = train_candidates(context, [candidate], [spec.seed], "probe", title, spec_of=spec_of)
        result = context.store.result(spec.key)
        context.tracking.close_run(context.tracking.open_candidate(candidate, "probe"))
        if result is None:
            raise NotNow(f"The training that this takes was not made: {cut}. Submit your proposal.")
        if result.status == "failed":
            raise NotNow(f"The training that this takes failed: {result.failure}: {result.reason}")
        kept = self._predictions(spec)
        context.store.drop_weights(spec.key)
        return kept

    def _predictions(self, spec: TrialSpec) -> Predictions:
        try:
            kept = self._context.store.predictions(spec.key, "validation")
        except DamagedFile as damage:
            self._context.terminal.warn(f"{damage}: the images are predicted again")
            kept = None
        if kept is not None:
            return kept
        if self._context.store.has_weights(spec.key):
            return evaluate(self._context, [spec], "validation")[0]
        self._context.store.forget(spec.key)
        return self._trained(spec)

    def _is_trained(self, spec: TrialSpec) -> bool:
        try:
            return self._context.store.result(spec.key) is not None
        except DamagedFile:
            return False

    def _too_dear(self) -> str | None:
        """Which limit one more training would reach."""
        config, spent = self._context.config, self._context.ledger.spent()
        allowed = samples_allowed(self._context)
        return limit_reached(_with_one_more(spent), config.search, config.budget, allowed)


def _with_one_more(spent: Spent) -> Spent:
    """The spending after one more trial that takes as long as the others did."""
    trained = spent.trials + spent.reused_trials
    each = spent.training_seconds / trained if trained else 0.0
    images = spent.samples // trained if trained else 0
    return replace(
        spent,
        trials=spent.trials + 1,
        training_seconds=spent.training_seconds + each,
        wall_clock=spent.wall_clock + each,
        samples=spent.samples + images,
    )
