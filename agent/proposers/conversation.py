"""The messages of one iteration, rebuilt from the history: what the model reads before it answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from agent.memory.earlier import Earlier
from agent.memory.history import History
from agent.memory.look_ups import NOTEBOOK
from agent.proposers.kept import kept_values
from agent.proposers.results import LONGEST_POLICY, feedback_values, shortened
from evaluators.wording import gain
from prompts import render
from tools.aga.captions.prompt_sets import (
    LONGEST_ENTRY,
    LONGEST_SUBJECT,
    MOST_AVOIDED,
    MOST_ENTRIES,
    NUMBERS,
)
from tools.policy.canonical import canonical_json, one_line
from tools.policy.catalogue import default_operation, describe_catalogue, operation_names
from tools.policy.named import DEFAULT
from tools.policy.policy import Policy
from tools.policy.safety import SafetyFinding, lint
from tools.policy.starts import Start, starts_for
from tools.text import counted
from tools.training.metrics import metric_title

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

Mode = Literal["tools", "structured", "text"]

MANY_CLASSES = 30
"""With more, the classes are listed in one paragraph."""
MOST_SUPERCLASSES = 30
LATEST_TRIED = 200
"""Policies that a model without results is told to avoid."""
_LONGEST_ANSWER = 4000
"""Characters of a rejected answer that the model is shown again."""


@dataclass(frozen=True)
class Seen:
    """What the model is told and shown of the training images without asking."""

    measurements: str = ""
    pictures: Sequence[tuple[str, str]] = field(default_factory=list)
    """(PNG in base64, what it shows)."""


def initial_messages(
    history: History, mode: Mode, tool_calls: int, feedback: bool, seen: Seen | None = None
) -> "list[BaseMessage]":
    """The system message, the task with the results so far, and the rejections of this iteration.

    Args:
        history: all that is known.
        mode: how the model answers.
        tool_calls: how many it may make first (mode 'tools').
        feedback: whether results are shown; without them, earlier policies are listed only so that they are avoided.
        seen: of the training images; a model that sees none is given no picture.
    """
    from langchain_core.messages import HumanMessage, SystemMessage

    told, seen = _common(history, feedback), seen or Seen()
    system = render("system", mode=mode, tool_calls=tool_calls, limits=_limits(), **told)
    results = render("feedback", **feedback_values(history)) if feedback else _independent(history)
    earlier = render("earlier", earlier=[_earlier(each) for each in history.earlier])
    kept = render("kept", **kept_values(history, feedback))
    online = _online(history, told["metric"]) if history.looks else ""
    task = "\n\n".join(filter(None, (_task(history, told, seen), earlier, kept, results, online)))
    pictures = [picture for picture, _ in seen.pictures]
    return [
        SystemMessage(system),
        HumanMessage(with_pictures(task, pictures) if pictures else task),
        *_rejections(history),
    ]


def with_pictures(text: str, pictures: Sequence[str]) -> list[str | dict[Any, Any]]:
    """The content of a message: a text, and pictures as PNG in base64."""
    parts = [{"type": "image", "base64": data, "mime_type": "image/png"} for data in pictures]
    return [{"type": "text", "text": text}, *parts]


def _common(history: History, feedback: bool) -> dict[str, Any]:
    """What both the system message and the task say."""
    return {
        "metric": f"validation {metric_title(history.metric)}",
        "measure": metric_title(history.metric),
        "notebook": NOTEBOOK,
        "seeds": history.seeds,
        "candidates": history.candidates,
        "cheap_first": history.cheap_first,
        "minimum": history.minimum_operations,
        "maximum": history.maximum_operations,
        "backgrounds": history.backgrounds,
        "chain": history.chain,
        "advice": history.advice,
        "longer": history.longer,
        "feedback": feedback,
        "default_tried": feedback and any(record.name == DEFAULT for record in history.baselines),
    }


def _limits() -> dict[str, Any]:
    """Of a set of background prompts, as vet checks them."""
    return {
        "most_entries": MOST_ENTRIES,
        "most_avoided": MOST_AVOIDED,
        "longest_entry": LONGEST_ENTRY,
        "longest_subject": LONGEST_SUBJECT,
        "numbers": [
            (name, f"{low:g} to {high:g}" if closed else f"above {low:g}, up to {high:g}", meaning)
            for name, low, high, closed, meaning in NUMBERS
        ],
    }


def _task(history: History, told: dict[str, Any], seen: Seen) -> str:
    findings = _safety_findings(history)
    counts = history.class_counts
    total = history.training_images
    smallest, largest = min(counts.values(), default=0), max(counts.values(), default=0)
    starts = starts_for(history.card.modality)
    default = next((record for record in history.baselines if record.name == DEFAULT), None)
    imbalance = f"{largest / smallest:.1f}" if smallest and largest >= 1.5 * smallest else ""
    return render(
        "first",
        **told,
        measurements=seen.measurements,
        pictures=[shown for _, shown in seen.pictures],
        card=history.card,
        classes=[(name, count, f"{count / max(total, 1):.1%}") for name, count in counts.items()],
        compact=len(counts) > MANY_CLASSES,
        total=f"{total:,}",
        imbalance=imbalance,
        grey=history.grey,
        image_size=history.image_size,
        original_size=history.original_size,
        model=history.model,
        recipe=history.recipe,
        steps=history.steps,
        tuning=history.tuning,
        subjects=_subjects(history),
        catalogue=describe_catalogue(history.whole_policies, history.grey),
        starts=[_start(start) for start in starts],
        usual_default=default is None
        or canonical_json(default.proposal.as_policy()) == canonical_json(starts[0].policy),
        refused=[finding for finding in findings if finding.severity == "reject"],
        risky=[finding for finding in findings if finding.severity == "warn"],
    )


def _online(history: History, metric: str) -> str:
    training = history.in_training
    return render(
        "online",
        epochs=history.epochs,
        looks=history.looks,
        training=training,
        metric=metric,
        with_default=training is not None
        and any(point.default_score is not None for point in training.curve),
    )


def _earlier(each: Earlier) -> dict[str, str]:
    return {
        "policy": shortened(each.proposal.in_one_line(), LONGEST_POLICY),
        "gain": gain(each.gain, each.interval),
        "over": each.over,
        "seeds": counted(each.seeds, "seed"),
        "where": f"{'these' if each.same_data else 'other'} images, {each.model}",
        "origin": each.origin,
    }


def _start(start: Start) -> dict[str, str]:
    return {"name": start.name, "policy": one_line(start.policy), "source": start.source}


@dataclass(frozen=True)
class _Subjects:
    """What is cut out of the images of the classes."""

    asked: tuple[str, ...]
    """What a detector is asked for in place of the proposal's subject."""
    more: int
    """Further ones, besides `asked`."""
    yours: bool
    """Whether there are classes for which it is asked for the proposal's subject."""
    empty: tuple[str, ...]
    """Classes whose images show none."""


def _subjects(history: History) -> _Subjects:
    """The settings have precedence over the data set, and the data set over the proposal."""
    card = history.card
    given = dict(history.chain.superclasses) if history.chain else {}
    by_class = {
        name: given.get(name) or (card.superclasses[label] if card.superclasses else None)
        for label, name in enumerate(card.classes)
    }
    asked = tuple(dict.fromkeys(subject for subject in by_class.values() if subject))
    return _Subjects(
        asked=asked[:MOST_SUPERCLASSES],
        more=max(0, len(asked) - MOST_SUPERCLASSES),
        yours=None in by_class.values(),
        empty=tuple(name for name, subject in by_class.items() if subject == ""),
    )


def _safety_findings(history: History) -> list[SafetyFinding]:
    """What the label-safety lint says about each operation of the catalogue, at its defaults, for these images."""
    return [
        finding
        for name in operation_names(history.whole_policies, history.grey)
        for finding in lint(Policy(operations=[default_operation(name)]), history.card)
    ]


def _independent(history: History) -> str:
    return render(
        "independent",
        iteration=history.iteration,
        iterations=history.iterations,
        candidates=history.candidates,
        tried=[
            shortened(record.proposal.in_one_line(), LONGEST_POLICY)
            for record in history.past[-LATEST_TRIED:]
        ],
        not_shown=max(0, len(history.past) - LATEST_TRIED),
    )


def _rejections(history: History) -> "Iterator[BaseMessage]":
    from langchain_core.messages import AIMessage, HumanMessage

    for rejection in history.rejections:
        answer = rejection.answer.strip() or "(an empty answer)"
        cut = "…" if len(answer) > _LONGEST_ANSWER else ""
        yield AIMessage(answer[:_LONGEST_ANSWER] + cut)
        yield HumanMessage(render("rejection", reasons=rejection.reasons, candidates=history.candidates))
