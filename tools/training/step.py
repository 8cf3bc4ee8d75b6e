"""One update of a classifier: forward, loss, backward, clipping, step. The same arithmetic for every trainer."""

from contextlib import AbstractContextManager

import torch
from torch import nn

from tools.training.config import Recipe


def update(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.GradScaler,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    recipe: Recipe,
    autocast: AbstractContextManager,
    class_term: torch.Tensor | None = None,
    several_labels: bool = False,
) -> torch.Tensor:
    """Update `model` by one batch; waits for nothing, so that it can be captured as a CUDA graph.

    Args:
        model: in training mode.
        optimizer: with the step's learning rate set.
        scaler: disabled where the precision needs none.
        inputs: float32 (B, 3, S, S), normalised.
        targets: int64 (B,) classes, or float32 (B, C) distributions.
        recipe: the trial's.
        autocast: of the forward pass.
        class_term: float32 (C,) on the device, what the loss takes of each class (`imbalance.class_term`).
        several_labels: whether an image may have several labels: targets are float32 (B, C), each 0..1, and the loss
            is the binary cross-entropy, its mean over images and labels.

    Returns:
        The batch's mean cross-entropy without label smoothing, weights or adjustment: a scalar on the device, without
        gradient.
    """
    with autocast:
        logits = model(inputs)
    logits = logits.float()
    weighted = class_term if recipe.imbalance == "weighted_loss" else None
    adjusted = logits + class_term if recipe.imbalance == "logit_adjustment" else logits
    if several_labels:
        smoothed = targets * (1 - recipe.label_smoothing) + recipe.label_smoothing / 2
        loss = nn.functional.binary_cross_entropy_with_logits(adjusted, smoothed, pos_weight=weighted)
    else:
        loss = nn.functional.cross_entropy(
            adjusted, targets, weighted, label_smoothing=recipe.label_smoothing
        )
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()
    if recipe.gradient_clip is not None:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
    scaler.step(optimizer)
    scaler.update()
    if not recipe.label_smoothing and class_term is None:
        return loss.detach()
    with torch.no_grad():
        if several_labels:
            return nn.functional.binary_cross_entropy_with_logits(logits, targets)
        return nn.functional.cross_entropy(logits, targets)
