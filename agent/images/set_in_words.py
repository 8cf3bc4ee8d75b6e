"""What is said of a set of synthetic images, to people and to the model that wrote its prompts."""

from pathlib import Path

from tools.aga.store.sets import GeneratedSet
from tools.text import counted

_GATES_IN_WORDS = {"detector_score": "subject surely found"}
"""By a detector's score, or by how far the looks of a segmenter agree that found it itself."""
_CLASSES = 8
"""Classes that are named for a reason."""
_FAR, _FEW = 2.0, 3
"""How many times as large a share is that is told, and images below which it may be chance."""


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
    return "; ".join([*parts, *_uneven(made.by_class)])


def _uneven(by_class: dict[str, dict[str, int]]) -> list[str]:
    """What is told of classes whose share of the images, or of the usable sources, is far from their training share."""
    training, usable, images = (
        max(1, sum(counts[what] for counts in by_class.values())) for what in ("training", "usable", "images")
    )
    found = []
    for name, counts in by_class.items():
        share, own = counts["training"] / training, counts["images"] / images
        if max(share, own) > _FAR * min(share, own) and abs(share - own) * images > _FEW:
            found.append(f"{name} is {own:.0%} of the set and {share:.0%} of the training images")
        elif counts["usable"] / usable < share / _FAR and counts["images"] > _FEW:
            sources = counted(counts["usable"], "usable source")
            found.append(f"all {counts['images']} of {name} come from {sources}")
    more = f" and {len(found) - _CLASSES} classes more" if len(found) > _CLASSES else ""
    return [f"uneven: {', '.join(found[:_CLASSES])}{more}"] if found else []
