"""Training the proposals of an iteration: one under every seed; of several, the best goes on.

Where the cheap measure is trusted (`cheap.py`), all are measured cheaply and the best alone is trained in full. Else
they race: all are trained under the first seed, the better half under the second, and so on. What was left behind is
recorded with what it got. Every decision follows from results that do not change any more, or is written down before
anything is trained by it, so that a killed study, when it is resumed, decides alike.
"""

from collections.abc import Sequence

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate
from agent.memory.history import IterationRecord
from agent.memory.ranking import contender_of
from agent.steps.search.cheap import (
    TAG,
    Measured,
    is_cheap_first,
    measure,
    measure_both_ways,
    say_trust,
    trust_of,
)
from agent.steps.trials import train_candidates
from evaluators.recommendation import Contender, Kind, leading_half, rank
from evaluators.wording import signed
from tools.policy.named import DEFAULT


def train_iteration(context: Context, candidates: Sequence[Candidate]) -> str | None:
    """Train the proposals of one iteration; why a limit cut it short, or None."""
    seeds = context.config.search.search_seeds
    if len(candidates) == 1:
        [only] = candidates
        return train_candidates(context, [only], seeds, "search", only.name)
    if is_cheap_first(context, candidates):
        return _cheap_first(context, candidates, seeds)
    return _race(context, candidates, seeds)


def _cheap_first(context: Context, candidates: Sequence[Candidate], seeds: Sequence[int]) -> str | None:
    number = candidates[0].number
    told = context.tracking.study_tags().get(TAG)
    if told != (sentence := trust_of(context, candidates).sentence):
        say_trust(context, sentence)  # it was learnt on the way
    found, cut = measure(context, candidates, seeds, f"iteration {number}: cheap measure")
    if cut:
        return cut
    default = found[DEFAULT]
    order = rank([_contender(name, _kind_of(name), each) for name, each in found.items() if each.scores])
    best = next((name for name in order if name != DEFAULT), None)
    for each in candidates:
        gain = found[each.name].gain_over(default)
        if each.name != best:
            ahead = found[best].gain_over(default) if best else None
            _stop(context, each, _behind_cheaply(gain, best, ahead), gain)
        else:
            context.tracking.log_metrics(
                context.tracking.open_candidate(each, "search"),
                {} if gain is None else {"cheap_gain_over_default": gain},
            )
    left = [each for each in candidates if each.name == best]
    return (
        train_candidates(context, left, seeds, "search", f"iteration {number}: the best in full")
        if left
        else None
    )


def _behind_cheaply(gain: float | None, best: str | None, ahead: float | None) -> str:
    """Why a candidate was not trained in full: `best` did better, with a gain of `ahead`."""
    if gain is None:
        return "the cheap measure failed"
    text = f"cheap measure only: {signed(gain)} points over the default"
    if best is None or ahead is None:
        return text
    together = ", metric and log loss taken together" if ahead <= gain else ""
    return f"{text}; {best} did better ({signed(ahead)}{together})"


def _race(context: Context, candidates: Sequence[Candidate], seeds: Sequence[int]) -> str | None:
    number, left = candidates[0].number, list(candidates)
    for place, seed in enumerate(seeds, start=1):
        title = (
            f"iteration {number}: seed {place} of {len(seeds)}, {len(left)} of {len(candidates)} candidates"
        )
        if cut := train_candidates(context, left, [seed], "search", title):
            return cut
        if place == 1:
            measure_both_ways(context, left)
        if place < len(seeds):
            left = _better_half(context, left, seeds[:place])
    return None


def _better_half(context: Context, left: Sequence[Candidate], seeds: Sequence[int]) -> list[Candidate]:
    """Those that go on to the next seed, in the order of the proposals; the others are stopped, with the reason.

    The measure, its noise and how much is believed are those of the recommendation, over all candidates of the search.
    """
    names = {each.name for each in left}
    records = context.tracking.records()
    current = {record.name: record for record in records if record.name in names}
    contenders = [contender_of(record) for record in records if record.number < left[0].number]
    contenders += [contender_of(record, seeds) for record in current.values()]
    kept = leading_half(contenders, names)
    for each in left:
        if each.name not in kept:
            _stop(context, each, _behind(current.get(each.name), records, kept, seeds), None)
    return [each for each in left if each.name in kept]


def _behind(
    record: IterationRecord | None,
    records: Sequence[IterationRecord],
    ahead: Sequence[str],
    seeds: Sequence[int],
) -> str:
    """Why a candidate is not trained under further seeds."""
    after = "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds"
    default = next((each for each in records if each.number == 0 and each.name == DEFAULT), None)
    scores = {} if record is None else {seed: record.scores[seed] for seed in seeds if seed in record.scores}
    if not scores:
        return f"no training finished after {after}"
    common = scores.keys() & default.scores.keys() if default is not None else set[int]()
    gain = ""
    if common and default is not None:
        mean = sum(scores[seed] - default.scores[seed] for seed in common) / len(common)
        gain = f" ({signed(mean)} points over the default)"
    return f"stopped after {after}{gain}: {' and '.join(ahead)} did better"


def _stop(context: Context, candidate: Candidate, reason: str, gain: float | None) -> None:
    context.tracking.stop_candidate(context.tracking.open_candidate(candidate, "search"), reason, gain)
    context.terminal.note(f"{candidate.name}: {reason}")


def _contender(name: str, kind: Kind, found: Measured) -> Contender:
    return Contender(name, kind, found.scores, found.losses)


def _kind_of(name: str) -> Kind:
    kinds: dict[str, Kind] = {REFERENCE: "none", DEFAULT: "default"}
    return kinds.get(name, "baseline")
