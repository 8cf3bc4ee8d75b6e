"""What may be found out for a model that proposes, beyond the history: it takes trainings, pictures or time.

The extra training of `held_out` belongs to the phase `probe`: the ledger counts it, MLflow shows it, and no candidate
is compared with it. It leaves out training images by which no seed of the search is judged, so that its errors may be
shown.
"""

import hashlib

from agent.context import Context
from agent.memory.candidate import Candidate, reference
from agent.memory.ledger import exceeded
from agent.memory.look_ups import HeldOut, LookUp, NotNow, Probed
from agent.steps.left_out import left_out_spec, shown_images
from agent.steps.search.cheap import learn_from_others, measure, trust_of
from agent.steps.stopping import no_room_for
from agent.steps.trials import evaluate, train_candidates
from tools.aga.config import PromptSet
from tools.aga.making.preview_rows import Preview, preview_of
from tools.datasets.cache.read import SplitView
from tools.errors import AugurError, ConfigurationError
from tools.files import DamagedFile
from tools.policy.canonical import canonical_json
from tools.policy.named import DEFAULT
from tools.policy.policy import Policy
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

    def can_probe(self) -> bool:
        """Whether the cheap measure is known to rank like full trainings, and the budget has room for one."""
        learn_from_others(self._context)
        return trust_of(self._context).is_given and not no_room_for(self._context, 1)

    def probe(self, policy: Policy) -> Probed:
        """Measure a policy cheaply, with the study's first seed; once, whoever asks again is told the same.

        Raises:
            NotNow: a limit was reached, or the training failed.
        """
        context, seed = self._context, self._context.config.search.seed
        proposal = reference().proposal.model_copy(
            update={"policy": policy.operations, "hypothesis": "A probe."}
        )
        digest = hashlib.sha256(canonical_json(policy).encode()).hexdigest()
        candidate = Candidate(f"probe {digest[:12]}", 0, "probe", proposal)
        found, cut = measure(context, [candidate], [seed], "a policy is probed")
        one, default = found.get(candidate.name), found[DEFAULT]
        if cut:
            raise NotNow(f"The policy was not probed: {cut}. Submit your proposal.")
        if one is None or seed not in one.scores or seed not in default.scores:
            raise NotNow("The training that this takes failed. Submit your proposal.")
        score, base = one.scores[seed], default.scores[seed]
        return Probed(score - base, score, base)

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
        return no_room_for(self._context, 1)
