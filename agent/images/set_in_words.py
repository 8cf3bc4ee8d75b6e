"""What is said of a set of synthetic images, to people and to the model that wrote its prompts."""

from pathlib import Path

from tools.aga.store.sets import GeneratedSet
from tools.text import counted

_GATES_IN_WORDS = {"detector_score": "subject surely found"}
"""By a detector's score, or by how far the looks of a segmenter agree that found it itself."""
_CLASSES = 8
"""Classes without an image that are named."""


def describe_prompts(made: GeneratedSet, root: Path | None = None) -> str:
    """What the set says of its prompts, in one line for the model that wrote them.

    Args:
        made: the set.
        root: the store (runs_dir/aga), for how much the backgrounds tell of the class; None: without it.
    """
    from tools.aga.making.set_facts import facts_of, told_in_a_line

    return told_in_a_line(facts_of(made.folder, root))


def describe_unread(made: GeneratedSet) -> str:
    """Which captions their model did not write, and which words changed nothing, in one line; or an empty one."""
    from tools.aga.making.set_facts import captions_in_a_line, facts_of

    return captions_in_a_line(facts_of(made.folder))


def describe(made: GeneratedSet) -> str:
    """How many images were made and what the gates refused, in one line for people and models."""
    parts = [counted(made.images, "synthetic image")]
    parts += [
        f"{counted(count, 'source')} skipped: {reason}" for reason, count in made.skipped.items() if count
    ]
    for gate, counts in made.gates.items():
        name = _GATES_IN_WORDS.get(gate, gate.replace("_", " "))
        passed, refused, unchecked = (counts.get(each, 0) for each in ("passed", "refused", "not_checked"))
        said = [f"{passed} passed, {refused} refused"] if passed or refused or not unchecked else []
        said += [f"{unchecked} not checked"] if unchecked else []
        parts.append(f"{name}: {', '.join(said)}")
    if made.without:
        more = f" and {len(made.without) - _CLASSES} more" if len(made.without) > _CLASSES else ""
        parts.append(
            f"no image of {', '.join(made.without[:_CLASSES])}{more}: none of their sources that were looked at could "
            "be used"
        )
    return "; ".join(parts)
