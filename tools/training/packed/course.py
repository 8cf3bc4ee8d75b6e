"""The course of one trial through a slot, written as one would write it for a trial alone.

A generator, so that many take turns in one thread: it yields whenever it cannot go on, and says what it waits for.
"""

import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import torch

from tools.errors import AugurError
from tools.training.batches import epoch_batches, training_images
from tools.training.checkpoint import Checkpoint
from tools.training.config import TrialSpec
from tools.training.epoch_log import EpochLog
from tools.training.evaluation import predictions_from
from tools.training.failures import NonFiniteLoss
from tools.training.imbalance import class_term
from tools.training.loop import begin_with_trunk
from tools.training.model_source import check_unchanged
from tools.training.packed.feed import Feed, Part
from tools.training.packed.feeder import Feeder
from tools.training.packed.mixing import Mix, MixKind, draw_mix, mix_kind
from tools.training.packed.slot import Slot, Step
from tools.training.packed.stores import Shown, Stores
from tools.training.progress import Progress, mean_loss, refuse_non_finite
from tools.training.recipes import learning_rate_at
from tools.training.seeds import Stream, derived_seed
from tools.training.shared_trunk import SharedTrunk
from tools.training.types import EpochReport, Fit, Predictions, TrialResult


class Wait(Enum):
    """Why a course does not go on."""

    IMAGES = "augmented images are being made"
    DEVICE = "the device has work"
    TURN = "the others' turn"


Course = Generator[Wait, None, TrialResult]


@dataclass(eq=False)
class Account:
    """What a trial has used."""

    seconds: float = 0.0
    """Its share of the time, which the trials that run at the same time divide among them."""
    images: int = 0
    counted: int = 0
    """Of the images, by the meter."""
    began: float = field(default_factory=time.monotonic)


class Trial:
    """One trial while it is in a slot."""

    def __init__(self, spec: TrialSpec, slot: Slot, feeder: Feeder, stores: Stores, trials: int) -> None:
        """`trials`: how many run at a time."""
        self.spec, self._slot, self._stores = spec, slot, stores
        check_unchanged(spec.model.name, spec.model_source)
        self.account = Account()
        self._source = training_images(spec)
        self._batches = epoch_batches(spec, self._source)
        self._mix: MixKind = mix_kind(self._source.policy)
        self._progress = Progress(spec)
        self._checkpoint = Checkpoint(spec.directory, spec.key, trials=trials)
        self._trunk = SharedTrunk(spec)
        self._feeder = feeder
        self._inherited: list[EpochReport] = []
        """Epochs that another trial of the same trunk has trained."""
        self._feed: Feed | None = None
        self._copying: deque[tuple[Any, Part]] = deque()

    def course(self) -> Course:
        """Train it, or resume training it; returns its result, which is written."""
        spec, validation = self.spec, self._stores.validation(self.spec)
        self._enter(validation)
        yield Wait.TURN
        log = EpochLog(spec.directory)
        for report in self._inherited:
            log.append(report)
        for epoch in range(len(self._progress.reports) + 1, spec.recipe.epochs + 1):
            before = self.account.seconds
            losses, rate = yield from self._train_epoch(epoch)
            logits = yield from self._logits(validation)
            refuse_non_finite(losses, epoch)
            try:
                predictions = self._predictions(logits, validation)
            except NonFiniteLoss as error:
                raise NonFiniteLoss(f"after epoch {epoch}, {error}") from error
            loss = mean_loss(losses, self._sizes())
            seconds = self.account.seconds - before
            log.append(self._progress.add(epoch, loss, rate, predictions, self._slot.model, seconds))
            if epoch < spec.recipe.epochs:
                self._save_if_due(epoch)
            yield Wait.TURN
        return (yield from self._finish())

    def close(self) -> None:
        """It has ended, or is given up: nothing is made for it any longer."""
        if self._feed is not None:
            self._feed.close()
        while self._copying:
            event, part = self._copying.popleft()
            if event is not None:
                event.synchronize()
            part.release()
        if self._feed is not None:
            self._feed.clear_up()

    def _enter(self, validation: Shown) -> None:
        """Into the slot: initial weights, or those of a checkpoint."""
        spec, slot = self.spec, self._slot
        slot.prepare(sorted(set(self._batches.sizes), reverse=True), self._mix)
        term = class_term(spec.recipe, self._source.counted_labels, spec.classes)
        slot.fill(self._stores.weights(spec), self._stores.normalisation(spec, self._source), term)
        # A trunk that is missing is trained alone, which is rare: the trial whose trunk it is has left none.
        state, done = begin_with_trunk(spec, self._checkpoint.load(slot.device), slot.device)
        if state is not None and self._progress.restore(state, validation.view.labels):
            slot.restore(state["model"], state["optimizer"])
            self._inherited = self._progress.reports[done:]
        self._feed = self._feeder.feed(spec, self._source, self._batches, len(self._progress.reports) + 1)

    def _train_epoch(self, epoch: int) -> Generator[Wait, None, tuple[torch.Tensor, float]]:
        """The losses of its steps, on the device until the slot is idle, and the last step's learning rate."""
        spec, slot, steps = self.spec, self._slot, len(self._batches)
        losses, rate, done, images = slot.zeros(steps), 0.0, 0, 0
        while done < steps:
            part = yield from self._next_part()
            if (part.epoch, part.first_step) != (epoch, done):
                raise AugurError(f"part {part.epoch}:{part.first_step} came in place of {epoch}:{done}")
            plan = [self._step(epoch, done + number, size) for number, size in enumerate(part.sizes)]
            stop = done + len(plan)
            copied = slot.train(part.images, part.labels, plan, self._mix, self._draw, losses[done:stop])
            self._copying.append((copied, part))
            self.account.images += sum(part.sizes)
            rate, done, images = plan[-1].rate, stop, images + sum(part.sizes)
            self._release_copied()
            yield Wait.TURN
        if images != self._batches.images:
            raise AugurError(
                f"epoch {epoch} counted {images} training images instead of {self._batches.images} "
                f"(trial {spec.key[:12]})"
            )
        return losses, rate

    def _next_part(self) -> Generator[Wait, None, Part]:
        assert self._feed is not None
        while self._slot.is_full:
            self._release_copied()
            yield Wait.DEVICE
        while (part := self._feed.next()) is None:
            self._release_copied()
            yield Wait.IMAGES if self._slot.is_idle else Wait.DEVICE
        return part

    def _step(self, epoch: int, step: int, size: int) -> Step:
        spec = self.spec
        rate = learning_rate_at(spec.recipe, epoch, step, len(self._batches))
        return Step(size, rate, derived_seed(spec.seed, Stream.STEP, epoch, step))

    def _draw(self, step: Step) -> Mix | None:
        """Seed the CPU generator for a step, and draw the numbers of its batch operation."""
        torch.default_generator.manual_seed(step.seed)
        return None if self._mix == "none" else draw_mix(self._source.policy, self.spec.image_size)

    def _logits(self, shown: Shown) -> Generator[Wait, None, torch.Tensor]:
        logits = self._slot.logits(shown.images)
        while not self._slot.is_idle:
            yield Wait.DEVICE
        self._release_copied()
        return logits

    def _predictions(self, logits: torch.Tensor, shown: Shown) -> Predictions:
        with torch.inference_mode():
            return predictions_from(logits.split(2 * self.spec.recipe.batch_size), shown.view, self.spec)

    def _sizes(self) -> torch.Tensor:
        return torch.tensor(self._batches.sizes, dtype=torch.float64)

    def _save_if_due(self, epoch: int) -> None:
        with self._slot.on_stream():
            state = self._progress.state(self._slot.model, self._slot.optimizer_state(), {})
            if self._trunk.ends_with(epoch):
                self._trunk.save(state)
            self._checkpoint.save_if_due(state, self._slot.model)

    def _finish(self) -> Generator[Wait, None, TrialResult]:
        slot, best = self._slot, self._progress.best_weights
        if best is not None:
            slot.set_weights(best)
        shown = self._stores.fit(self.spec, self._source)
        scores = self._predictions((yield from self._logits(shown)), shown).scores
        with slot.on_stream():
            result = self._progress.finish(
                slot.classifier(), self._source.view, slot.precision, Fit.of(scores)
            )
        self._checkpoint.remove()
        return result

    def _release_copied(self) -> None:
        while self._copying and (self._copying[0][0] is None or self._copying[0][0].query()):
            self._copying.popleft()[1].release()
