"""What a user takes away: the recommended policy as JSON and as Python, its backgrounds, and a picture of it."""

import shlex
from collections.abc import Collection, Mapping
from pathlib import Path

import yaml

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate
from agent.steps.left_out import training_examples
from agent.steps.trials import recipe_of
from evaluators.length import times
from tools.policy.export import as_json, as_python
from tools.training.recipes import describe_recipe

BACKGROUNDS = "backgrounds.yaml"
"""In the study's folder: the prompt set of the recommended proposal, as `agent generate --prompts` reads it."""


def about(context: Context, recommended: Candidate, sentence: str, tested: Collection[int]) -> dict[str, str]:
    """Where the recommended policy comes from and what was measured: the head of its files.

    `tested`: the fresh seeds under which it was, which a budget or a failure may have made fewer than were planned.
    """
    config, data, model = context.config, context.data, context.config.model
    lines = {
        "study": context.study,
        "recommended": recommended.name,
        "result": sentence,
        "data": f"{data.card.name} at {data.image_size} px, fingerprint {data.fingerprint[:16]}",
        "model": f"{model.title}, {model.start}",
        "recipe": describe_recipe(recipe_of(context, recommended)),
        "length": length_of(context, recommended),
        "seeds": f"test under fresh seeds {', '.join(map(str, sorted(tested)))}" if tested else "not tested",
    }
    if config.data.always is not None:
        lines["before"] = (
            f"every image, in evaluation too, first goes through {config.data.always.partition('@')[0]} (data.always), "
            "at its own size"
        )
    if recommended.name == REFERENCE:
        lines["note"] = "No augmentation is recommended, so that this does nothing to an image."
    if command := backgrounds_command(context, recommended):
        lines["backgrounds"] = (
            f"It was found with synthetic images, which are made again by: {command} . Mixing: "
            f"{', '.join(f'{name} {value}' for name, value in config.aga.mixing.decisive().items())}."
        )
    return lines


def length_of(context: Context, recommended: Candidate) -> str:
    """For how long it is to be trained, in words: the gain was measured at that length."""
    epochs, usual = recipe_of(context, recommended).epochs, context.recipe.epochs
    if epochs == usual:
        return f"{times(epochs)}, the length of the study"
    if epochs > usual and epochs % usual == 0:
        return f"{times(epochs)}, {epochs // usual} times the study's {usual}"
    return f"{times(epochs)}, where the study trains {usual}"


def policy_as_python(context: Context, recommended: Candidate, lines: Mapping[str, str]) -> str:
    """The recommended policy as code for torchvision, with its head."""
    data = context.data
    return as_python(
        recommended.proposal.as_policy(),
        data.image_size,
        len(data.card.classes),
        [f"{name}: {text}" for name, text in lines.items()],
    )


def backgrounds_command(context: Context, recommended: Candidate) -> str:
    """The command that makes the synthetic images of the recommended proposal again; empty where it has none."""
    if not recommended.proposal.backgrounds:
        return ""
    folder = context.folder
    words = ("agent", "generate", "--config", folder / "config.yaml", "--prompts", folder / BACKGROUNDS)
    return " ".join(shlex.quote(str(word)) for word in words)


def hand_over(
    context: Context, recommended: Candidate, lines: Mapping[str, str], python: str
) -> list[tuple[str, Path]]:
    """Write the files to the study's folder and to MLflow; (what, where) of each."""
    folder, policy = context.folder, recommended.proposal.as_policy()
    files = [("policy as Python", folder / "policy.py"), ("policy as JSON", folder / "policy.json")]
    files[0][1].write_text(python, encoding="utf-8")
    files[1][1].write_text(as_json(policy, lines), encoding="utf-8")
    prompts = recommended.proposal.prompts
    stale = folder / BACKGROUNDS
    stale.unlink(missing_ok=True)
    if prompts is not None:
        text = yaml.safe_dump(prompts.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        stale.write_text(text, encoding="utf-8")
        files.append(("its backgrounds", stale))
    if policy.operations:
        files.append(("picture of it", _picture(context, recommended)))
    if prompts is not None:
        picture = folder / "contact_sheets" / f"backgrounds-{recommended.place}.png"
        if picture.exists():
            files.append(("picture of its backgrounds", picture))
    for _, file in files:
        context.tracking.log_file(context.tracking.study_run, file)
    return files


def _picture(context: Context, recommended: Candidate) -> Path:
    """A contact sheet of training images and what the policy makes of them."""
    from tools.policy.preview import contact_sheet

    path = context.folder / "contact_sheets" / "recommended.png"
    path.parent.mkdir(exist_ok=True)
    images, labels = training_examples(context)
    policy = recommended.proposal.as_policy()
    contact_sheet(images, labels, policy, path, seed=context.config.search.seed)
    return path
