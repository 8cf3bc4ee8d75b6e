"""A history as it may be told to a language model that must not know the names of the user's classes and files.

This is the one door: `LLMProposer` passes what it is given through `told`, and whatever its tools answer through
`discreet`; the rule is `agent/llm/privacy.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from agent.llm.privacy import without_files
from agent.memory.history import History, IterationRecord
from agent.memory.look_ups import LookUp, Notebook
from agent.memory.proposal import Proposal, Proposals
from tools.policy.named import DEFAULT
from tools.policy.own import is_own

OWN_IMAGES = "The user's own images"
"""Told in place of a title that is the name of a folder."""
OWN_TRANSFORM = "transform_of_the_user"
"""Told in place of a transform of the user's own, which is named by its file."""
_SHORTEST = 3
"""Characters of a name that is looked for in texts: shorter ones are parts of other words, and tell nobody anything."""


def told(history: History, names: bool, photos: bool) -> History:
    """`history` without names of files.

    Args:
        history: as a study knows it.
        names: whether the classes are named; else they are numbered.
        photos: whether words of the names of the user's photos, which backgrounds are cut from, are told.
    """
    if not names:
        history = _numbered(history)
    if not photos and history.chain is not None:
        history = replace(history, chain=replace(history.chain, photo_words=()))
    return replace(
        history,
        model=without_files(history.model),
        recipe=without_files(history.recipe),
        reference=history.reference and _record(history.reference, history.aliases),
        incumbent=history.incumbent and _record(history.incumbent, history.aliases),
        baselines=tuple(_record(each, history.aliases) for each in history.baselines),
        past=tuple(_record(each, history.aliases) for each in history.past),
        reviewer_notes=tuple(_renamed(note, history.aliases) for note in history.reviewer_notes),
        rejections=tuple(
            replace(
                each,
                answer=_renamed(each.answer, history.aliases),
                reasons=tuple(discreet(reason, history.aliases) for reason in each.reasons),
            )
            for each in history.rejections
        ),
    )


def with_names(answer: Proposal | Proposals, aliases: Mapping[str, str]) -> Proposal | Proposals:
    """What a model proposed, for people: with the names of the classes where it wrote what stands in their place."""
    names = {alias: name for name, alias in aliases.items() if len(name) >= _SHORTEST}
    if not names:
        return answer
    pattern = re.compile(
        rf"(?<!\w)(?:{'|'.join(sorted(map(re.escape, names), key=len, reverse=True))})(?!\w)"
    )

    def told_to_people(text: str) -> str:
        return pattern.sub(lambda found: names[found[0]], text)

    if isinstance(answer, Proposals):
        each = [with_names(one, aliases) for one in answer.proposals]
        return answer.model_copy(update={"proposals": each, "notes": told_to_people(answer.notes)})
    changed = {"hypothesis": told_to_people(answer.hypothesis), "notes": told_to_people(answer.notes)}
    return answer.model_copy(update=changed)


def discreet(text: str, aliases: Mapping[str, str]) -> str:
    """`text` without names of files, and with the classes' names replaced by what is told in their place."""
    return _renamed(without_files(text), aliases)


def aliases_of(classes: tuple[str, ...]) -> dict[str, str]:
    """Class → what a model is told in place of its name."""
    return {name: f"class {number}" for number, name in enumerate(classes, start=1)}


def _numbered(history: History) -> History:
    card, aliases = history.card, aliases_of(history.card.classes)
    chain = history.chain
    if chain is not None:
        superclasses = {aliases.get(name, name): subject for name, subject in chain.superclasses.items()}
        chain = replace(chain, superclasses=superclasses)
    private = "title" in card.private
    notebook = history.notebook
    return replace(
        history,
        aliases=aliases,
        chain=chain,
        class_counts={aliases[name]: count for name, count in history.class_counts.items()},
        notebook=Notebook(
            _renamed(notebook.notes, aliases),
            tuple(
                LookUp(each.tool, _renamed(each.asked, aliases), _renamed(each.found, aliases))
                for each in notebook.look_ups
            ),
        ),
        card=replace(
            card,
            title=OWN_IMAGES if private else card.title,
            classes=tuple(aliases.values()),
            description=f"{card.description} The names of the classes are private: they are numbered here.",
        ),
    )


def _record(record: IterationRecord, aliases: Mapping[str, str]) -> IterationRecord:
    proposal = record.proposal
    return replace(
        record,
        name=_name(record),
        generated=discreet(record.generated, aliases),
        trials=tuple(replace(trial, reason=discreet(trial.reason, aliases)) for trial in record.trials),
        proposal=proposal.model_copy(
            update={
                "hypothesis": _renamed(proposal.hypothesis, aliases),
                "policy": [
                    each.model_copy(update={"name": OWN_TRANSFORM}) if is_own(each.name) else each
                    for each in proposal.policy
                ],
            }
        ),
        sheet=None if aliases else record.sheet,  # the names of the classes are drawn on it
    )


def _name(record: IterationRecord) -> str:
    own = [each for each in record.proposal.policy if is_own(each.name)]
    return OWN_TRANSFORM if own and record.number == 0 and record.name != DEFAULT else record.name


def _renamed(text: str, aliases: Mapping[str, str]) -> str:
    """Names of classes that stand in what was told or written before they were private."""
    names = sorted((name for name in aliases if len(name) >= _SHORTEST), key=len, reverse=True)
    if not names or not text:
        return text
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)")
    return pattern.sub(lambda found: aliases[found[0]], text)
