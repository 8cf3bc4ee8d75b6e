import pytest

from tools.training.config import TrainingConfig
from tools.training.recipes import RECIPES, learning_rate_at, resolve_recipe, training_steps


def test_aga_is_table_4_of_the_paper():
    recipe = resolve_recipe(TrainingConfig(recipe="aga"))
    assert (recipe.epochs, recipe.batch_size) == (100, 32)
    assert (recipe.optimizer, recipe.momentum, recipe.learning_rate) == ("sgd", 0.9, 0.1)
    assert (recipe.schedule, recipe.step_size, recipe.gamma) == ("step", 30, 0.1)
    assert recipe.weight_decay == 1e-4
    assert (recipe.label_smoothing, recipe.warmup_fraction, recipe.gradient_clip) == (0, 0, None)


def test_a_set_field_takes_the_place_of_the_recipes_own():
    config = TrainingConfig(
        epochs=7,
        batch_size=9,
        learning_rate=0.5,
        weight_decay=0.0,
        label_smoothing=0.0,
        selection="best",
        amp="off",
    )
    recipe = resolve_recipe(config)
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (7, 9, 0.5)
    assert (recipe.weight_decay, recipe.label_smoothing) == (0.0, 0.0)
    assert (recipe.selection, recipe.amp) == ("best", "off")


def test_unset_fields_keep_the_recipes_own():
    recipe = resolve_recipe(TrainingConfig(epochs=7))
    assert recipe == RECIPES["modern"].model_copy(update={"epochs": 7})


@pytest.mark.parametrize("images", [2, 31, 32, 33, 34, 64, 65, 66, 1000])
def test_the_steps_of_a_trial_are_those_of_its_batches(images):
    from tools.training.batches import EpochBatches

    recipe = resolve_recipe(TrainingConfig(epochs=7, batch_size=32))
    assert training_steps(recipe, images) == 7 * len(EpochBatches(images, 32, seed=0))


def test_the_step_schedule_is_torchs_step_lr():
    import torch

    recipe = resolve_recipe(TrainingConfig(recipe="aga"))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=recipe.learning_rate)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, recipe.step_size, recipe.gamma)
    for epoch in range(1, recipe.epochs + 1):
        assert learning_rate_at(recipe, epoch, 3, 10) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()


def test_the_cosine_schedule_rises_over_a_tenth_and_ends_near_zero():
    recipe = resolve_recipe(TrainingConfig(epochs=10))
    rates = [learning_rate_at(recipe, epoch, step, 10) for epoch in range(1, 11) for step in range(10)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[9] == rates[10] == recipe.learning_rate
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.001 * recipe.learning_rate


def test_one_step_in_all_is_trained_at_the_full_rate():
    recipe = resolve_recipe(TrainingConfig(epochs=1))
    assert learning_rate_at(recipe, 1, 0, 1) == recipe.learning_rate
