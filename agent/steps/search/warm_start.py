"""Knowledge of earlier studies: their best proposals are tried first here, and told to a language model.

Only what they gained on validation is taken over. What a test set said stays out: of the same images, it would steer
the search by the images that are to judge it.
"""

from collections.abc import Sequence

from agent.context import Context
from agent.memory import Tracking
from agent.memory.earlier import Earlier, read_earlier, write_earlier
from agent.memory.history import History, IterationRecord
from agent.memory.proposal import Proposal, Proposals
from agent.memory.study_file import recorded
from agent.memory.tracking.store import find_recorded_store, find_store
from agent.memory.writing import open_store
from agent.settings.config import TrackingConfig
from agent.steps.search.vetting import refuse
from agent.study_folder import folder_of, names_a_store, recorded_uri
from tools.errors import AugurError
from tools.text import counted

TOLD, TRIED = 3, 2
"""Proposals of each earlier study that a model is told of, and that are tried."""


def earlier_of(context: Context) -> tuple[Earlier, ...]:
    """What the studies of `search.warm_start` found, the best of each first; read when first asked for.

    Raises:
        AugurError: one of them, or its store, is not there.
    """
    names = context.config.search.warm_start
    if not names:
        return ()
    known = read_earlier(context.folder)
    if known is None:
        known = tuple(each for name in dict.fromkeys(names) for each in _best_of(context, name))
        write_earlier(context.folder, list(known))
        _tell(context, names, known)
    return known


def _best_of(context: Context, study: str) -> list[Earlier]:
    tracking = _opened(context, study)
    same = tracking.study_tags().get("data_fingerprint") == context.data.fingerprint
    records = [
        record
        for record in tracking.records()
        if record.number > 0 and record.gain is not None and not record.stopped
    ]
    over_default = all(record.gain_over_default is not None for record in records)
    over = "the default policy" if over_default else "no augmentation"

    def gain_of(record: IterationRecord) -> float:
        return (record.gain_over_default if over_default else record.gain) or 0.0

    records.sort(key=lambda record: (-gain_of(record), record.number))
    return [
        Earlier(
            study=study,
            name=record.name,
            same_data=same,
            model=tracking.study_params().get("model.name", ""),
            proposal=record.proposal,
            gain=gain_of(record),
            interval=record.interval_over_default if over_default else record.gain_interval,
            over=over,
            over_none=record.gain,
            seeds=len(record.scores),
            epochs=max((len(trial.validation_losses) for trial in record.trials), default=0),
        )
        for record in records[:TOLD]
    ]


def _opened(context: Context, study: str) -> Tracking:
    """The store of an earlier study, attached to it, for reading.

    Raises:
        AugurError: the study, or its store, is not there.
    """
    runs_dir = context.config.runs_dir
    folder = folder_of(study, runs_dir)
    usual = find_store(TrackingConfig(), runs_dir)
    address = find_recorded_store(recorded_uri(folder), runs_dir) if names_a_store(folder) else usual
    if not address.exists:
        raise AugurError(
            f"--warm-start {study}: {address.shown}, the MLflow database that holds what it found, is gone: restore it "
            "from a backup, or leave that study out."
        )
    tracking = open_store(address, TrackingConfig(retries=0), context.terminal.warn, own=study, writes=False)
    tracking.check()
    tracking.attach(study, recorded(folder))
    return tracking


def next_warm(context: Context, history: History) -> Proposal | Proposals | None:
    """What is to be tried next of earlier studies, marked with its origin; None where the arm proposes itself.

    Earlier proposals take half of the iterations at most. One that may not be trained here (its operations endanger
    these labels, or it was tried before) is passed over.
    """
    arm = context.config.search.proposer
    if arm == "fixed" or history.iteration > max(1, history.iterations // 2):
        return None
    found: list[Proposal] = []
    for earlier in _to_try(history.earlier):
        proposal = _marked(earlier, context.recipe.epochs)
        known = {each.identity for each in found}
        if proposal.identity not in known and not _why_not(context, proposal, history.iteration):
            found.append(proposal)
        if len(found) == history.candidates:
            break
    if not found:
        return None
    return found[0] if len(found) == 1 else Proposals(proposals=found)


def _to_try(known: tuple[Earlier, ...]) -> list[Earlier]:
    """The best of each study first, then the second of each."""
    better = [each for each in known if each.gain > 0]
    places: dict[str, int] = {}
    ordered = []
    for each in better:
        place = places[each.study] = places.get(each.study, 0) + 1
        if place <= TRIED:
            ordered.append((place, each))
    return [each for _, each in sorted(ordered, key=lambda pair: pair[0])]


def _marked(earlier: Earlier, epochs: int) -> Proposal:
    """As it is tried in trainings of `epochs`, with its origin; a policy by epoch changes at the same share of them."""
    where = "the same images" if earlier.same_data else "other images"
    gain = f"{100 * earlier.gain:+.1f} points over {earlier.over} on validation"
    why = f"{earlier.mark}{where}, {earlier.model}), where it gained {gain}. {earlier.proposal.hypothesis}"
    expected = 100 * (earlier.gain if earlier.over_none is None else earlier.over_none)
    update = {"hypothesis": why[:1_500], "expected_gain": round(expected, 2), "notes": "", "length": 1}
    if earlier.proposal.changes and earlier.epochs:
        policy = earlier.proposal.as_policy().stretched(epochs / earlier.epochs)
        update |= {"policy": policy.operations, "changes": policy.changes}
    return earlier.proposal.model_copy(update=update)


def _why_not(context: Context, proposal: Proposal, iteration: int) -> list[str]:
    """Why it may not be trained in this iteration; empty where it may."""
    records = [each for each in context.tracking.records() if each.number != iteration]
    reasons, _ = refuse(
        proposal,
        context.config.search,
        context.data.card,
        records,
        backgrounds=context.backgrounds,
        grey=context.grey,
    )
    return reasons


def _tell(context: Context, names: Sequence[str], known: tuple[Earlier, ...]) -> None:
    """Say what each study brings, and what of it is passed over."""
    chosen = _to_try(known)
    for name in dict.fromkeys(names):
        own = [each for each in chosen if each.study == name]
        why = {each.origin: _why_not(context, _marked(each, context.recipe.epochs), 1) for each in own}
        for origin, reasons in why.items():
            if reasons:
                context.terminal.note(f"{origin} is passed over: {' '.join(reasons)}")
        count = sum(not reasons for reasons in why.values())
        nothing = "" if own else "; nothing there was better than what it was compared with"
        context.terminal.note(f"from study {name}: {counted(count, 'proposal')} to try first{nothing}")
