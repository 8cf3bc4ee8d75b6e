"""The table of training recipes, and the optimizer and the learning rates that a recipe means.

A recipe is constant over all trials of a study. Light: imports torch only to make an optimizer.
"""

import math
from typing import TYPE_CHECKING

from tools.training.config import Recipe, TrainingConfig
from tools.training.imbalance import WORDS
from tools.training.metrics import Metric

if TYPE_CHECKING:
    import torch
    from torch import nn

RECIPES: dict[str, Recipe] = {
    # Table 4 of the AGA paper, which is the default of PyTorch's classification reference script: every
    # parameter decays, no warm-up, no smoothing. Its "interpolation: bilinear" is how the images are resized.
    "aga": Recipe(
        name="aga",
        epochs=100,
        batch_size=32,
        optimizer="sgd",
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=1e-4,
        schedule="step",
        step_size=30,
        gamma=0.1,
        warmup_fraction=0.0,
        label_smoothing=0.0,
        gradient_clip=None,
        selection="last",
        amp="auto",
    ),
    # For a hundred to a few thousand images and tens of trials. AdamW, because one learning rate then serves
    # ResNets, MobileNets and transformers; a tenth of the steps warm up, because AdamW's second moments are
    # noise at first, and then a cosine to zero, so that the last epoch is the one to judge and needs no
    # selection. Batches stay small: with 100 images, 32 still makes 4 steps an epoch. Decay 0.05 spares
    # biases and normalisation; smoothing 0.1 and clipping at norm 1 tame the few images that are mislabelled.
    "modern": Recipe(
        name="modern",
        epochs=30,
        batch_size=32,
        optimizer="adamw",
        learning_rate=1e-3,
        momentum=0.9,
        weight_decay=0.05,
        schedule="cosine",
        step_size=1,
        gamma=1.0,
        warmup_fraction=0.1,
        label_smoothing=0.1,
        gradient_clip=1.0,
        selection="last",
        amp="auto",
    ),
}
"""`momentum` is AdamW's first beta where the optimizer is AdamW."""

COOLDOWN = 0.25
"""Share of the epochs in which a trial of schedule 'wsd' cools down."""


def resolve_recipe(config: TrainingConfig, metric: Metric = "accuracy") -> Recipe:
    """The recipe that `config` names, with the fields that `config` sets in place of the recipe's own.

    'aga' is Table 4 of the AGA paper; 'modern' is AdamW with warm-up, cosine and label smoothing. Where the epochs are
    'auto', they are the recipe's own until a study has found its length.

    Args:
        config: of the training.
        metric: that of the study, by which the best epoch is selected where `config` asks for it.
    """
    chosen = {
        name: value
        for name in ("epochs", "batch_size", "learning_rate", "weight_decay", "label_smoothing")
        if (value := getattr(config, name)) is not None and value != "auto"
    }
    chosen |= {"selection": config.selection, "amp": config.amp, "draws": config.draws}
    chosen |= {"imbalance": config.imbalance, "channels_last": config.layout == "channels_last"}
    if config.selection == "best":
        chosen["selection_metric"] = metric
    return RECIPES[config.recipe].model_copy(update=chosen)


def describe_recipe(recipe: Recipe) -> str:
    """The recipe in one line."""
    schedule = {
        "step": f"step {recipe.step_size}×{recipe.gamma:g}",
        "cosine": "cosine",
        "wsd": f"warm-up, constant rate, cool-down over {100 * recipe.cooldown_fraction:.0f}%",
    }[recipe.schedule]
    return (
        f"{recipe.name}: {recipe.epochs} epochs, batch {recipe.batch_size}, {recipe.optimizer} "
        f"lr {recipe.learning_rate:g}, {schedule}, weight decay {recipe.weight_decay:g}, "
        f"label smoothing {recipe.label_smoothing:g}"
        + (f", {WORDS[recipe.imbalance]}" if recipe.imbalance != "none" else "")
        + (", bfloat16" if recipe.amp == "bf16" else "")
        + (", channels last" if recipe.channels_last else "")
    )


def training_steps(recipe: Recipe, images: int) -> int:
    """Steps of the optimiser in a trial on `images` real images: as `batches.EpochBatches` makes them.

    A single image that is left over joins the batch before it.
    """
    batches, rest = divmod(images, recipe.batch_size)
    return recipe.epochs * max(1, batches + (rest > 1))


def optimizer_for(model: "nn.Module", recipe: Recipe) -> "torch.optim.Optimizer":
    """The recipe's optimizer over `model`, which is already on its device; the learning rate is set per step.

    SGD decays every parameter, as PyTorch's reference script does; AdamW does not decay biases and normalisation
    (parameters of one dimension). Fused kernels: one pass over the weights instead of one for each operation.
    """
    import torch

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
    """The learning rate of one step. It depends on the step alone, so that resuming needs no scheduler state.

    'step' is StepLR; 'cosine' is a linear warm-up over `warmup_fraction` of all steps, then a half cosine to 0; 'wsd'
    is a linear warm-up over `warmup_steps`, a constant rate, and a cool-down to 0 as 1 - √x (Hägele et al. 2024,
    arXiv 2405.18392): two trials that differ in length only are equal until the shorter one cools down.

    Args:
        recipe: the trial's.
        epoch: counted from 1.
        step: of this epoch, counted from 0.
        steps: in each epoch.
    """
    if recipe.schedule == "step":
        return recipe.learning_rate * recipe.gamma ** ((epoch - 1) // recipe.step_size)
    done, total = (epoch - 1) * steps + step, recipe.epochs * steps
    if recipe.schedule == "wsd":
        return recipe.learning_rate * _wsd(recipe, done, total, steps)
    warmup = round(recipe.warmup_fraction * total)
    if done < warmup:
        return recipe.learning_rate * (done + 1) / warmup
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (total - warmup)))


def _wsd(recipe: Recipe, done: int, total: int, steps: int) -> float:
    """The share of the highest rate after `done` of `total` steps, `steps` in each epoch."""
    stable = trunk_epochs(recipe) * steps
    if done < stable or not recipe.cooldown_fraction:
        return min(1.0, (done + 1) / max(1, recipe.warmup_steps))
    return 1 - math.sqrt((done - stable) / (total - stable))


def trunk_epochs(recipe: Recipe) -> int:
    """Epochs before the cool-down of schedule 'wsd'; all that trials of several lengths have in common."""
    return recipe.epochs - max(1, round(recipe.cooldown_fraction * recipe.epochs))


def wsd_recipe(recipe: Recipe, warmup_steps: int, cooldown_fraction: float = COOLDOWN) -> Recipe:
    """`recipe` with a warm-up, a constant rate and a cool-down in place of its own schedule."""
    return recipe.model_copy(
        update={"schedule": "wsd", "warmup_steps": warmup_steps, "cooldown_fraction": cooldown_fraction}
    )
