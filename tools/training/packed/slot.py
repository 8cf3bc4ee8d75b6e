"""One place for a trial on the device: a model and its static buffers, with the training step captured as a CUDA graph.

A slot is refilled in place: weights, optimizer and buffers keep their addresses, which the graphs know. On CPU, the
same code runs without graphs and gives, to the bit, what `tools.training.loop` gives.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from tools.training.config import ModelConfig, Recipe, TrialSpec
from tools.training.evaluation import Classifier
from tools.training.hardware import Precision, on_device, precision_for
from tools.training.networks.models import architecture
from tools.training.normalisation import Normalisation, normalise
from tools.training.packed.graphs import CannotCapture, captured
from tools.training.packed.mixing import Mix, MixKind, MixTables, put
from tools.training.recipes import optimizer_for
from tools.training.step import update

STEPS = 8
"""Of a part, which is what is copied to the device at a time."""

IN_FLIGHT = 2
"""Parts that are queued on the device for a slot."""

_NEUTRAL = {
    "name": "",
    "epochs": 1,
    "learning_rate": 0.0,
    "schedule": "cosine",
    "step_size": 1,
    "gamma": 1.0,
    "warmup_fraction": 0.0,
    "warmup_steps": 0,
    "cooldown_fraction": 0.0,
    "selection": "last",
    "selection_metric": "accuracy",
    "draws": "own",
}
"""Fields of a recipe that a slot takes as numbers: it can be refilled with a trial that differs in them."""


@dataclass(frozen=True)
class Shape:
    """What a slot is made for. Trials of equal shape can follow each other in it."""

    model: ModelConfig
    classes: int
    image_size: int
    recipe: Recipe
    """Without what belongs to a single trial."""
    several_labels: bool = False

    @classmethod
    def of(cls, spec: TrialSpec) -> "Shape":
        """The shape that the trial needs."""
        return shape_for(spec.model, spec.classes, spec.image_size, spec.recipe, spec.several_labels)


def shape_for(
    model: ModelConfig, classes: int, image_size: int, recipe: Recipe, several_labels: bool = False
) -> Shape:
    """The shape that trials of these need."""
    neutral = {name: value for name, value in _NEUTRAL.items() if name in Recipe.model_fields}
    return Shape(model, classes, image_size, recipe.model_copy(update=neutral), several_labels)


@dataclass(frozen=True)
class Step:
    """One step of a part."""

    size: int
    """Images."""
    rate: float
    """The learning rate."""
    seed: int
    """Of the CPU generator."""


class Slot:
    """Holds one trial at a time. All calls return at once on CUDA; `is_idle` says when the work is done."""

    def __init__(self, shape: Shape, device: str) -> None:
        """Allocates everything but what the first captured step needs.

        Raises:
            torch.OutOfMemoryError: it does not fit.
            CannotCapture: the precision needs what cannot be captured.
        """
        recipe = shape.recipe
        self.shape, self.device = shape, device
        self._cuda = torch.device(device).type == "cuda"
        self.precision: Precision = precision_for(device, recipe.amp)
        if self.precision.scaled:
            raise CannotCapture(f"{self.precision.name} needs its loss scaled")
        with torch.random.fork_rng(devices=[]):  # its weights come with each trial
            blank = architecture(shape.model, shape.classes, shape.image_size)
        self.model = on_device(blank, device, recipe.channels_last)
        self.model.train()
        self._optimizer = optimizer_for(self.model, recipe)
        self._scaler = torch.GradScaler(enabled=False)
        rows, side = STEPS * recipe.batch_size + 1, shape.image_size
        self._images = torch.zeros(rows, 3, side, side, dtype=torch.uint8, device=device)
        self._labels = (
            torch.zeros(rows, shape.classes, dtype=torch.uint8, device=device)
            if shape.several_labels
            else torch.zeros(rows, dtype=torch.int64, device=device)
        )
        self._mixes = MixTables(STEPS, device)
        self._rates = torch.zeros(STEPS, device=device)
        self._losses = torch.zeros(STEPS, device=device)
        self._step = torch.zeros(1, dtype=torch.int64, device=device)
        self._rows = torch.arange(recipe.batch_size + 1, device=device)
        self._class_term: torch.Tensor | None = None
        if recipe.imbalance in ("weighted_loss", "logit_adjustment"):
            self._class_term = torch.ones(shape.classes, device=device)
        self._mean, self._std = (torch.ones(1, 3, 1, 1, device=device) for _ in range(2))
        self._shown = torch.zeros(2 * recipe.batch_size, 3, side, side, dtype=torch.uint8, device=device)
        self._stream: Any = torch.cuda.Stream(device) if self._cuda else None
        self._graphs: dict[tuple[int, MixKind] | str, Callable[[], torch.Tensor | None]] = {}
        self._pool: Any = torch.cuda.graph_pool_handle() if self._cuda else None
        self._events: list[Any] = []
        if self._cuda:
            self._rate = torch.zeros((), device=device)
            for group in self._optimizer.param_groups:
                group["lr"] = self._rate
                if "capturable" in group:
                    group["capturable"] = True
            torch.cuda.synchronize(device)

    def zeros(self, size: int) -> torch.Tensor:
        """float32 (size,) on the device, for `train` to write to."""
        with self.on_stream():
            return torch.zeros(size, device=self.device)

    def on_stream(self) -> AbstractContextManager[Any]:
        """What is done in this block is done after all that was asked of the slot before."""
        return torch.cuda.stream(self._stream) if self._cuda else nullcontext()

    def prepare(self, sizes: Sequence[int], mix: MixKind) -> None:
        """Capture the steps for batches of these `sizes`, unless they are. What the slot holds is lost."""
        if not self._cuda:
            return
        with self.on_stream():
            if "shown" not in self._graphs:
                self.model.eval()
                self._graphs["shown"] = captured(self._predict, self._pool, self._stream)
                self.model.train()
            for size in sizes:
                if (size, mix) not in self._graphs:
                    self._graphs[size, mix] = captured(
                        lambda size=size: self._train_step(size, mix), self._pool, self._stream
                    )

    def fill(
        self,
        weights: dict[str, torch.Tensor],
        normalisation: Normalisation,
        class_term: torch.Tensor | None = None,
    ) -> None:
        """Begin with these weights and a new optimizer; `class_term`, float32 (C,), is what the loss takes of each
        class, where the recipe has it do so (`imbalance.class_term`)."""
        self.normalisation = normalisation
        with self.on_stream(), torch.no_grad():
            self._copy_weights(weights)
            if self._cuda:
                for state in self._optimizer.state.values():
                    for tensor in state.values():
                        tensor.zero_()
            else:
                self._optimizer.state.clear()
            if self._class_term is not None and class_term is not None:
                self._class_term.copy_(class_term)
            for tensor, values in ((self._mean, normalisation.mean), (self._std, normalisation.std)):
                tensor.copy_(torch.tensor(values).view(1, 3, 1, 1))

    def set_weights(self, weights: dict[str, torch.Tensor]) -> None:
        """Replace the weights; the optimizer stays."""
        with self.on_stream(), torch.no_grad():
            self._copy_weights(weights)

    def restore(self, weights: dict[str, torch.Tensor], optimizer: dict[str, Any]) -> None:
        """Go on from a checkpoint: what `weights` and `optimizer_state` gave, here or in the single trainer."""
        if self._cuda:
            torch.cuda.synchronize(self.device)  # they may have been read on another stream
        with self.on_stream(), torch.no_grad():
            self._copy_weights(weights)
            if not self._cuda:
                self._optimizer.load_state_dict(optimizer)
                return
            parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
            for number, saved in optimizer["state"].items():
                for name, value in saved.items():
                    self._optimizer.state[parameters[number]][name].copy_(value)

    def optimizer_state(self) -> dict[str, Any]:
        """Its state dict, as the single trainer's optimizer reads it."""
        state = self._optimizer.state_dict()
        plain = {"lr": 0.0, **({"capturable": False} if self._cuda else {})}
        groups = [
            {name: plain.get(name, value) for name, value in group.items()} for group in state["param_groups"]
        ]
        return {**state, "param_groups": groups}

    def train(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        steps: Sequence[Step],
        mix: MixKind,
        draw: Callable[[Step], Mix | None],
        losses: torch.Tensor,
    ) -> Any:
        """Train the steps of one part.

        Args:
            images: uint8 (N, 3, S, S), those of the first step first; on CUDA pinned, and kept until the returned
                event is done.
            labels: int64 (N,), or uint8 (N, C) where images may have several.
            steps: `STEPS` at most; all but the last of the recipe's batch size.
            mix: the policy's.
            draw: seeds the CPU generator for a step, and draws how its batch is mixed.
            losses: (steps,) on the device; is given their losses.

        Returns:
            An event that is done when `images` may be changed; None on CPU, where it is done already.
        """
        with self.on_stream():
            self._images[: len(images)].copy_(images, non_blocking=True)
            copied = self._event()
            put(self._labels, labels)
            put(self._rates, torch.tensor([step.rate for step in steps]))
            if self._cuda and mix != "none":
                self._mixes.set([found for step in steps if (found := draw(step)) is not None])
            self._step.zero_()
            for number, step in enumerate(steps):
                self._run(number, step, mix, draw)
            losses.copy_(self._losses[: len(steps)])
            if self._cuda:
                self._events.append(self._event())
        return copied

    def _run(self, number: int, step: Step, mix: MixKind, draw: Callable[[Step], Mix | None]) -> None:
        if self._cuda:
            self._graphs[step.size, mix]()
            return
        for group in self._optimizer.param_groups:
            group["lr"] = step.rate
        mixed = draw(step)  # the model's own random numbers come after these, as in the single trainer
        if mixed is not None:
            self._mixes.set([mixed], first=number)
        self._train_step(step.size, mix)

    def _train_step(self, size: int, mix: MixKind) -> None:
        """From the step's place in the buffers to its loss; on CUDA captured once and replayed."""
        recipe = self.shape.recipe
        rows = self._step * recipe.batch_size + self._rows[:size]
        inputs = normalise(self._images.index_select(0, rows), self._mean, self._std)
        targets = self._labels.index_select(0, rows)
        if self.shape.several_labels:
            targets = targets.float()
        if mix != "none":
            inputs, targets = self._mixes.apply(mix, self._step, inputs, targets, self.shape.classes)
        if self._cuda:
            self._rate.copy_(self._rates.index_select(0, self._step).squeeze(0))
        loss = update(
            self.model,
            self._optimizer,
            self._scaler,
            inputs,
            targets,
            recipe,
            self._autocast(),
            self._class_term,
            self.shape.several_labels,
        )
        self._losses.index_copy_(0, self._step, loss.view(1))
        self._step += 1

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Those of `images`, uint8 (N, 3, S, S) on the device: float32 (N, C) on CPU, valid when the slot is idle."""
        size = len(self._shown)
        if not self._cuda:  # a graph knows in which mode it was captured
            self.model.eval()
        with torch.inference_mode(), self.on_stream():
            found = torch.empty(len(images), self.shape.classes, pin_memory=self._cuda)
            for start in range(0, len(images), size):
                batch = images[start : start + size]
                if self._cuda:
                    self._shown[: len(batch)].copy_(batch)
                    logits = self._graphs["shown"]()
                    assert logits is not None
                else:
                    logits = self._predict(batch)
                found[start : start + size].copy_(logits[: len(batch)], non_blocking=True)
            if self._cuda:
                self._events.append(self._event())
        self.model.train()
        return found

    def _predict(self, images: torch.Tensor | None = None) -> torch.Tensor:
        with torch.inference_mode(), self._autocast():
            shown = self._shown if images is None else images
            return self.model(normalise(shown, self._mean, self._std)).float()

    def classifier(self) -> Classifier:
        """The model as it is now, to be saved."""
        return Classifier(self.model, self.normalisation, self.device)

    @property
    def is_idle(self) -> bool:
        """Whether all that was asked of it is done."""
        self._forget_done()
        return not self._events

    @property
    def is_full(self) -> bool:
        """Whether enough is queued on the device."""
        self._forget_done()
        return len(self._events) >= IN_FLIGHT

    def _forget_done(self) -> None:
        while self._events and self._events[0].query():
            self._events.pop(0)

    def _event(self) -> Any:
        return self._stream.record_event() if self._cuda else None

    def _autocast(self) -> AbstractContextManager[Any]:
        kind, precision = torch.device(self.device).type, self.precision
        return torch.autocast(
            kind, dtype=precision.dtype, enabled=precision.dtype is not None, cache_enabled=False
        )

    def _copy_weights(self, weights: dict[str, torch.Tensor]) -> None:
        for name, tensor in self.model.state_dict().items():
            tensor.copy_(weights[name], non_blocking=True)
