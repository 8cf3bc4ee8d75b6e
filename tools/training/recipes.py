"""The table of training recipes. A recipe is constant over all trials of a study. Light: imports no torch."""

from tools.training.config import Recipe, TrainingConfig

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


def resolve_recipe(config: TrainingConfig) -> Recipe:
    """The recipe that `config` names, with the fields that `config` sets in place of the recipe's own.

    'aga' is Table 4 of the AGA paper; 'modern' is AdamW with warm-up, cosine and label smoothing.
    """
    chosen = {
        name: value
        for name in ("epochs", "batch_size", "learning_rate", "weight_decay", "label_smoothing")
        if (value := getattr(config, name)) is not None
    }
    return RECIPES[config.recipe].model_copy(
        update={**chosen, "selection": config.selection, "amp": config.amp}
    )


def describe_recipe(recipe: Recipe) -> str:
    """The recipe in one line."""
    schedule = f"step {recipe.step_size}×{recipe.gamma:g}" if recipe.schedule == "step" else "cosine"
    return (
        f"{recipe.name}: {recipe.epochs} epochs, batch {recipe.batch_size}, {recipe.optimizer} "
        f"lr {recipe.learning_rate:g}, {schedule}, weight decay {recipe.weight_decay:g}, "
        f"label smoothing {recipe.label_smoothing:g}"
    )
