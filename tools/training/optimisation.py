"""Optimizers and learning rates of the recipes."""

import math

import torch
from torch import nn

from tools.training.config import Recipe


def optimizer_for(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer over `model`, which already lies on its device; the learning rate is set per step.

    SGD decays every parameter, as PyTorch's reference script does; AdamW spares biases and normalisation
    (parameters of one dimension). Fused kernels: one pass over the weights instead of one for each operation.
    """
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            model.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(recipe.momentum, 0.999), fused=True)


def learning_rate_at(recipe: Recipe, epoch: int, step: int, steps: int) -> float:
    """The learning rate of one step: a function of the place alone, so that resuming needs no scheduler state.

    'step' is StepLR; 'cosine' is a linear warm-up over `warmup_fraction` of all steps, then a half cosine to 0.

    Args:
        recipe: the trial's.
        epoch: from 1.
        step: of this epoch, from 0.
        steps: in each epoch.
    """
    if recipe.schedule == "step":
        return recipe.learning_rate * recipe.gamma ** ((epoch - 1) // recipe.step_size)
    done, total = (epoch - 1) * steps + step, recipe.epochs * steps
    warmup = round(recipe.warmup_fraction * total)
    if done < warmup:
        return recipe.learning_rate * (done + 1) / warmup
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (total - warmup)))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Of all parameter groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate
