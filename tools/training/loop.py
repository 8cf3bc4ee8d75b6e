"""Training of one trial, from its specification to its result; on CPU equal to the bit when repeated or resumed."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from tools.disk import disk_error, disk_errors_explained
from tools.errors import AugurError, ConfigurationError
from tools.files import DamagedFile, locked, make_folder
from tools.machine import free_memory, is_shared_memory_fault
from tools.policy.sample_aware import sample_scores
from tools.training.batches import epoch_batches, takes_scores, training_images, training_loader
from tools.training.checkpoint import Checkpoint
from tools.training.config import TrialSpec
from tools.training.epoch_log import EpochLog, StepLog, seconds_spent
from tools.training.evaluation import Classifier, fit_sample, predict
from tools.training.failures import NonFiniteLoss, failed, failure_of, images_gone
from tools.training.hardware import environment, on_device, precision_for
from tools.training.imbalance import class_term
from tools.training.model_source import check_unchanged
from tools.training.networks.models import build_model
from tools.training.normalisation import normalisation_for
from tools.training.progress import Progress, mean_loss, refuse_non_finite
from tools.training.recipes import learning_rate_at, optimizer_for
from tools.training.seeds import Stream, derived_seed
from tools.training.shared_trunk import SharedTrunk, trunk_spec
from tools.training.stages import later_of, leave_state
from tools.training.step import update
from tools.training.trial_store import LOCK, RESULT, read_result, write_result
from tools.training.types import EpochReport, FailureKind, TrialResult
from tools.training.views import validation_view

_log = logging.getLogger(__name__)

_CHECK_EVERY = 50
"""Steps between checks of the loss; each check waits for the GPU."""

_TRIES = 3
"""To begin with a trunk that somebody deletes."""


def train_trial(spec: TrialSpec, device: str, on_epoch: Callable[[EpochReport], None]) -> TrialResult:
    """Train one classifier, or resume training it, or return the result that is already there.

    Leaves weights.safetensors, predictions-validation.npz and result.json in the trial's folder. A failure is a result,
    not an exception, unless it is the disk's. Only one process trains a trial at a time; a second one waits and returns
    the first one's result.

    On CPU, results are equal to the bit for one version of torch and one number of threads, whatever the number
    of loader processes and however often the trial was killed and resumed.

    Args:
        spec: what to train.
        device: 'cpu', 'mps' or 'cuda:N'.
        on_epoch: called after each epoch of this session, in this process.

    Raises:
        DiskError: a file cannot be read or written. The trial is not to blame; it resumes when called again.
        ImagesGone: the images that it reads were removed or damaged; likewise.
    """
    with disk_errors_explained(spec.directory):
        make_folder(spec.directory)
        with locked(spec.directory / LOCK):
            return train_under_lock(spec, device, on_epoch)


def train_under_lock(spec: TrialSpec, device: str, on_epoch: Callable[[EpochReport], None]) -> TrialResult:
    """As `train_trial`, for a caller that holds the trial's lock."""
    result = kept_result(spec)
    if result is not None:
        return result
    before, started = seconds_spent(spec.directory), time.perf_counter()
    try:
        with torch.random.fork_rng(devices=[]):
            return _train(spec, device, on_epoch)
    except Exception as error:
        kind, reason = explained(spec, device, error)
    # outside the except block, where no traceback holds the tensors any longer
    free_memory()
    seconds = before + time.perf_counter() - started
    return end_failed(spec, device, kind, reason, seconds)


def explained(spec: TrialSpec, device: str, error: Exception) -> tuple[FailureKind, str]:
    """The kind and the text of the failure that `error` is.

    Raises:
        DiskError: it is the disk's fault, not the trial's.
        ImagesGone: the images that it reads are gone; likewise.
    """
    refused = None if is_shared_memory_fault(error) else disk_error(error, spec.directory)
    if refused is not None:
        raise refused from error
    if gone := images_gone(error):
        raise gone from error
    return failure_of(spec, device, error)


def end_failed(spec: TrialSpec, device: str, kind: FailureKind, reason: str, seconds: float) -> TrialResult:
    """The result of a trial that failed; it is written where training again would only repeat it."""
    result = failed(spec, kind, reason, environment(device), seconds)
    if kind == "non_finite_loss":
        write_result(spec.directory, result)
        Checkpoint(spec.directory, spec.key).remove()
    return result


def kept_result(spec: TrialSpec) -> TrialResult | None:
    """The result that is already there, or None; a damaged one is deleted, with a warning."""
    try:
        return read_result(spec.directory)
    except DamagedFile as damage:
        _log.warning("%s: the trial is trained again", damage)
        (spec.directory / RESULT).unlink()
        return None


def _train(spec: TrialSpec, device: str, on_epoch: Callable[[EpochReport], None]) -> TrialResult:
    training = _Training(spec, device)
    log = EpochLog(spec.directory)
    for report in training.inherited:
        log.append(report)
        on_epoch(report)
    for epoch in range(training.finished_epochs + 1, spec.last_epoch + 1):
        report = training.run_epoch(epoch)
        log.append(report)
        if epoch < spec.last_epoch:
            training.save_if_due(epoch)
        on_epoch(report)
    return training.finish()


def rehearsal(spec: TrialSpec, device: str, sample: int) -> tuple[Iterator[int], Iterator[int]]:
    """Training without end, and predicting `sample` validation images without end, of which nothing is kept.

    Both yield the number of images after each batch or sample.
    """
    training = _Training(spec, device)
    return training.train_on(), training.predict_on(sample)


def begin_with_trunk(
    spec: TrialSpec, own: dict[str, Any] | None, device: str
) -> tuple[dict[str, Any] | None, int]:
    """As `SharedTrunk.latest`, with the trunk trained where the trial needs it and nobody has left it.

    Another study may delete the trunk at any moment: its search is over.

    Raises:
        AugurError: it is gone again and again.
        OSError: as the system raises it.
    """
    trunk = SharedTrunk(spec)
    for _ in range(_TRIES):
        state, done = trunk.latest(own, device)
        if not trunk.is_missing(0 if state is None else len(state["reports"])):
            return state, done
        train_trunk(spec, device)
    raise AugurError(
        f"the epochs that this trial begins with are gone from {trunk.directory} as often as they are trained"
    )


def train_trunk(spec: TrialSpec, device: str) -> None:
    """Train the epochs before the cool-down of `spec`, where their policy is another one and nobody has left them.

    Usually the trial of that policy has (it comes first); this is for trials whose trunk was deleted or is damaged.
    Whoever finds it being trained waits. A kill loses no more than of a trial.

    Raises:
        OSError: as the system raises it.
    """
    own = trunk_spec(spec)
    make_folder(own.directory)
    with locked(own.directory / LOCK):
        shared = SharedTrunk(spec)
        if shared.load_beyond(0, device) is not None:
            return
        shared.remove()
        training = _Training(own, device)
        for epoch in range(training.finished_epochs + 1, shared.end + 1):
            training.run_epoch(epoch)
            training.save_if_due(epoch)
        Checkpoint(own.directory, own.key).remove()


class _Training:
    """The state of one trial while it trains."""

    def __init__(self, spec: TrialSpec, device: str) -> None:
        self._spec, self._device = spec, device
        recipe, self._checkpoint = spec.recipe, Checkpoint(spec.directory, spec.key)
        state, done = begin_with_trunk(spec, self._checkpoint.load(device), device)
        self._precision = precision_for(device, recipe.amp)
        self._images = training_images(spec)
        self._batches = epoch_batches(spec, self._images)
        self._policy = self._images.policy
        self._loader = training_loader(spec, self._images, self._batches, device)
        self._validation = validation_view(spec)
        check_unchanged(spec.model.name, spec.model_source)
        self._classifier = Classifier(
            on_device(
                build_model(spec.model, spec.classes, spec.image_size, spec.seed),
                device,
                recipe.channels_last,
            ),
            normalisation_for(spec, self._images.view.images),
            device,
        )
        self._model = self._classifier.model
        self._optimizer = optimizer_for(self._model, recipe)
        self._scaler = torch.GradScaler(enabled=self._precision.scaled)
        term = class_term(recipe, self._images.counted_labels, spec.classes)
        self._class_term = None if term is None else term.to(device)
        self._progress, self._steps = Progress(spec), StepLog(spec.directory)
        self.inherited: list[EpochReport] = []
        """Epochs that another trial of the same trunk has trained, and this one has just read."""
        self._trunk = SharedTrunk(spec)
        self._restore(*later_of(state, done, spec, device))
        if torch.device(device).type == "cuda":
            torch.backends.cudnn.benchmark = True  # shapes rarely change

    @property
    def finished_epochs(self) -> int:
        return len(self._progress.reports)

    def run_epoch(self, epoch: int) -> EpochReport:
        started = time.perf_counter()
        train_loss, rate = self._train_epoch(epoch)
        try:
            predictions = predict(self._classifier, self._validation, self._spec, self._precision)
        except NonFiniteLoss as error:
            raise NonFiniteLoss(f"after epoch {epoch}, {error}") from error
        seconds = time.perf_counter() - started
        return self._progress.add(epoch, train_loss, rate, predictions, self._model, seconds)

    def train_on(self) -> Iterator[int]:
        while True:
            self._model.train()
            for step, (images, labels) in enumerate(self._loader):
                self._train_step(self._by_score(step, images, labels), labels)
                yield len(labels)
            self._batches.epoch += 1

    def predict_on(self, sample: int) -> Iterator[int]:
        view = fit_sample(self._validation, sample)
        while True:
            predict(self._classifier, view, self._spec, self._precision)
            yield len(view)

    def save_if_due(self, epoch: int) -> None:
        if self._trunk.ends_with(epoch):
            self._trunk.save(self._state())
        self._checkpoint.save_if_due(self._state(), self._model)

    def _state(self) -> dict[str, Any]:
        return self._progress.state(self._model, self._optimizer.state_dict(), self._scaler.state_dict())

    def finish(self) -> TrialResult:
        if self._spec.stop is not None:
            leave_state(self._spec, self._state())
        result = self._progress.finish(self._classifier, self._images.view, self._precision)
        self._checkpoint.remove()
        self._steps.close()
        return result

    def _restore(self, state: dict[str, Any] | None, done: int) -> None:
        """From `state`, of which this trial has reported `done` epochs."""
        if state is None or not self._progress.restore(state, self._validation.labels):
            return
        self.inherited = self._progress.reports[done:]
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])

    def _train_epoch(self, epoch: int) -> tuple[float, float]:
        """Mean cross-entropy over the training images as augmented, and the last step's learning rate."""
        steps = len(self._batches)
        self._model.train()
        self._batches.epoch = epoch
        self._policy = self._images.policy_at(epoch)
        losses = torch.zeros(steps, device=self._device)
        sizes = torch.zeros(steps, dtype=torch.float64)
        rate = 0.0
        for step, (images, labels) in enumerate(self._loader):
            rate = learning_rate_at(self._spec.recipe, epoch, step, steps)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            torch.manual_seed(derived_seed(self._spec.seed, Stream.STEP, epoch, step))
            losses[step] = self._train_step(self._by_score(step, images, labels), labels)
            sizes[step] = len(labels)
            self._steps.tell(epoch, (step + 1) / steps)
            if (step + 1) % _CHECK_EVERY == 0:
                refuse_non_finite(losses, epoch)
        refuse_non_finite(losses, epoch)
        if int(sizes.sum()) != self._batches.images:
            raise AugurError(
                f"epoch {epoch} counted {int(sizes.sum())} training images instead of {self._batches.images}"
            )
        return mean_loss(losses, sizes), rate

    def _by_score(self, step: int, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The images of a batch, changed by how well the model classifies each, where the policy asks for that.

        The model sees them in training mode, as in the published code of SRA.
        """
        if not self._policy.is_scored or not takes_scores(step):
            return images
        if self._spec.several_labels:
            raise ConfigurationError(
                "sra needs one label for each image, and those of this data set may have several: use another policy"
            )
        inputs = self._classifier.normalisation.apply(images, self._device)
        with torch.no_grad(), self._precision.autocast(self._device):
            logits = self._model(inputs)
        scores = sample_scores(logits, labels.to(self._device)).tolist()
        changed = [
            self._policy.augment_by_score(image, score) for image, score in zip(images, scores, strict=True)
        ]
        return torch.stack(changed)

    def _train_step(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """One update; returns the batch's mean cross-entropy without label smoothing, on the device."""
        inputs = self._classifier.normalisation.apply(images, self._device)
        targets = labels.to(self._device, non_blocking=True)
        several = self._spec.several_labels
        if several:
            targets = targets.float()
        if self._policy.has_mix:
            inputs, targets = self._policy.mix(inputs, targets)
        autocast = self._precision.autocast(self._device)
        recipe, term = self._spec.recipe, self._class_term
        return update(
            self._model, self._optimizer, self._scaler, inputs, targets, recipe, autocast, term, several
        )
