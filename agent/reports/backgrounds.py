"""What the report says of a proposal's synthetic images."""

from pathlib import Path

from agent.memory.candidate import Candidate
from agent.reports.progress import sheet_place
from evaluators.report.sections import Backgrounds
from tools.aga.config import PromptSet
from tools.aga.store.sets import GeneratedSet

_CAPTIONS = 8


def backgrounds_section(
    candidate: Candidate, made: GeneratedSet | None, said: str, folder: Path
) -> Backgrounds | None:
    """The prompts, the gates and some captions of a proposal; None where it has no backgrounds.

    Args:
        candidate: the proposal.
        made: its images; None where they are not there any more.
        said: what came of making them, in a sentence.
        folder: of the study, with its contact sheets.
    """
    prompts = candidate.proposal.prompts
    if prompts is None:
        return None
    sheet = f"contact_sheets/backgrounds-{sheet_place(candidate.name, candidate.number)}.png"
    return Backgrounds(
        name=candidate.name,
        prompts=prompt_lines(prompts),
        made=f"{said[:1].upper()}{said[1:]}." if said else "",
        gates=made.gates if made else {},
        captions=_captions(made) if made else (),
        sheet=sheet if (folder / sheet).is_file() else "",
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


def _captions(made: GeneratedSet) -> list[str]:
    """Different ones, spread over the set."""
    import pyarrow.parquet as pq

    if not made.provenance.is_file():
        return []
    column = pq.read_table(made.provenance, columns=["caption"]).column("caption").to_pylist()
    known = sorted(set(filter(None, column)))
    step = max(1, len(known) // _CAPTIONS)
    return known[::step][:_CAPTIONS]
