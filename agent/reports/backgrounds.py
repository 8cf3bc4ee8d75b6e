"""What the report says of a proposal's synthetic images."""

from pathlib import Path

from agent.memory.candidate import Candidate
from evaluators.report.sections import Backgrounds
from tools.aga.config import AgaConfig, PromptSet
from tools.aga.making.set_facts import SetFacts, facts_of, unwritten_in_a_line
from tools.aga.store.sets import GeneratedSet

_CAPTIONS, _WORDS = 8, 12


def backgrounds_section(
    candidate: Candidate, made: GeneratedSet | None, said: str, folder: Path, root: Path, aga: AgaConfig
) -> Backgrounds | None:
    """The prompts, the gates and some captions of a proposal; None where it has no backgrounds.

    Args:
        candidate: the proposal.
        made: its images; None where they are not there any more.
        said: what came of making them, in a sentence.
        folder: of the study, with its contact sheets.
        root: the store of synthetic images.
        aga: how the images are made and trained on.
    """
    prompts = candidate.proposal.prompts
    if prompts is None:
        return None
    known = None if made is None else facts_of(made.folder, root, _CAPTIONS)
    sheet = f"contact_sheets/backgrounds-{candidate.place}.png"
    return Backgrounds(
        name=candidate.name,
        prompts=prompt_lines(prompts),
        made=f"{said[:1].upper()}{said[1:]}." if said else "",
        gates=made.gates if made else {},
        captions=known.captions if known else (),
        sheet=sheet if (folder / sheet).is_file() else "",
        facts=_fact_lines(known) if known else (),
        edited=aga.generator == "alia",
        in_place=aga.mixing.mode == "replace",
    )


def prompt_lines(prompts: PromptSet) -> list[tuple[str, str]]:
    """(part of the prompt set, its entries)."""
    turn = f"turned by up to {prompts.max_rotation:g}°, " if prompts.max_rotation else ""
    lines = [
        ("subject", prompts.subject),
        ("synthetic images for each real one", f"{prompts.scale:g}"),
        ("instructions", "; ".join(prompts.instructions)),
        ("settings", "; ".join(prompts.settings)),
        ("times", "; ".join(prompts.times)),
        ("words to avoid", "; ".join(prompts.avoid)),
        (
            "the subject is",
            f"mirrored with a probability of {prompts.flip_probability:g}, {turn}zoomed {prompts.min_scale:g} to "
            f"{prompts.max_scale:g} times",
        ),
    ]
    return [(name, text) for name, text in lines if text]


def _fact_lines(known: SetFacts) -> list[tuple[str, str]]:
    """Which entries were refused, what was understood of the captions, and what the backgrounds tell of the class."""
    lines = []
    refused = [each for each in known.verdicts if each.refused]
    if refused:
        parts = [
            f"{each.entry} ({each.refused} of {each.tried}: {', '.join(each.reasons)})" for each in refused
        ]
        lines.append(("refused, by entry of the prompts", "; ".join(parts)))
    if known.unwritten is not None:
        lines.append(("captions", unwritten_in_a_line(known.unwritten)))
    if (read := known.read) is not None:
        words = ", ".join(f"{word} ({count})" for word, count in read.unknown[:_WORDS])
        plain = f"{read.captions - read.plain} of {read.captions} captions say what can be drawn"
        lines.append(("understood", plain + (f"; words that change nothing: {words}" if words else "")))
    if (leak := known.leak) is not None:
        lines.append(
            (
                "class by the background alone",
                f"{100 * leak.accuracy:.0f}% by a linear classifier on the colours behind {leak.images} images; "
                f"the most frequent class has {100 * leak.chance:.0f}%",
            )
        )
    return lines
