"""The lines with which a study begins: arm, data, model, recipe, what is searched and what the finish takes."""

from agent.images.chain import describe_chain
from agent.memory.length_file import Lengths
from agent.settings.config import StudyConfig
from agent.steps.finish_plan import describe_finish, iterations_in_words
from tools.datasets.check.class_balance import class_counts, sizes_line
from tools.datasets.types import Dataset
from tools.text import counted
from tools.training.config import Recipe
from tools.training.imbalance import describe_imbalance
from tools.training.recipes import describe_recipe


def opening_facts(
    config: StudyConfig,
    why: str,
    why_backgrounds: str,
    dataset: Dataset,
    recipe: str,
    size: int,
    workers: str,
) -> list[tuple[str, str]]:
    """The lines (name, value) with which a study begins.

    Args:
        config: its settings.
        why: which arm searches, and why that one.
        why_backgrounds: whether proposals carry background prompts, and why.
        dataset: as it was found, before images are decoded.
        recipe: in one line (`recipe_line`).
        size: side of the images in pixels.
        workers: what trains, in words.
    """
    search = config.search
    counts = class_counts(dataset.records, dataset.card)
    skew = describe_imbalance(
        counts.get("train", {}), config.training.imbalance, search.metric, dataset.card.several_labels
    )
    return [
        ("arm", why),
        ("data", f"{dataset.card.title}: {sizes_line(dataset.records, dataset.card)} · {size} px"),
        ("model", f"{config.model.title}, {config.model.start}"),
        ("recipe", recipe),
        *([("imbalance", skew)] if skew else []),
        (
            "search",
            f"{iterations_in_words(search)} × "
            + (
                f"{search.candidates} candidates, of which the best goes on, × "
                if search.candidates > 1
                else ""
            )
            + f"{counted(search.seeds, 'seed')}, "
            f"{search.augmentations} {'operation' if search.augmentations == '1' else 'operations'} each",
        ),
        ("finish", describe_finish(search, found=config.training.epochs == "auto")),
        ("backgrounds", why_backgrounds),
        *([] if why_backgrounds.startswith("off") else [("made by", describe_chain(config))]),
        ("workers", workers),
    ]


def recipe_line(config: StudyConfig, recipe: Recipe, lengths: Lengths | None) -> str:
    """The recipe; where its length is still to be found, that is said in its place."""
    line = describe_recipe(recipe)
    if config.training.epochs != "auto" or lengths is not None:
        return line
    return line.replace(f" {recipe.epochs} epochs", " epochs found first (phase length)", 1)
