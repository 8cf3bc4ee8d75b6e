"""The numbers of a race, put together from its searches and the test set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean

from agent.comparing.arms import NONE
from agent.comparing.cells import Found
from agent.comparing.entrants import Entrants
from agent.comparing.plan import SEED_STEP, Race
from agent.context import Context
from evaluators.race.contrasts import Contrast, averaged, contrasts
from evaluators.race.forecasts import Forecast, ForecastScore, score
from evaluators.race.power import measured, smallest_gain
from evaluators.race.result import ArmResult, RaceResult, SearchResult, Step, sentence_of
from evaluators.report.comparison import TestScores
from evaluators.statistics import mean_interval, scores_of_metric
from evaluators.wording import in_groups
from tools.policy.named import DEFAULT
from tools.text import counted
from tools.training.metrics import metric_title
from tools.training.recipes import describe_recipe

Validation = Mapping[str, Mapping[int, float]]


def result_of(
    race: Race,
    context: Context,
    entrants: Entrants,
    validation: Validation,
    scores: Mapping[str, TestScores],
    notes: Sequence[str],
) -> RaceResult:
    """What the race came to.

    Args:
        race: what was compared.
        context: of its final.
        entrants: what was trained for the test.
        validation: candidate → fresh seed → score on validation.
        scores: candidate → its test scores; empty where the test set stayed sealed.
        notes: what is missing, and why.
    """
    test = context.data.open_test() if scores else None
    groups = test.groups if test and len(set(test.groups)) < len(test) else None
    arms = {
        arm: [scores[name] for name in names]
        for arm, names in entrants.of_arm.items()
        if all(name in scores for name in names)
    }
    over_default, over_none = _over(arms, DEFAULT, groups), _over(arms, NONE, groups)
    searching = [arm.name for arm in race.arms if arm.searches and arm.name in arms]
    raced = [(name, DEFAULT) for name in over_default if name != NONE]
    noise = measured(arms, raced, groups)
    cases = len(set(groups)) if groups else len(test) if test else 0
    result = RaceResult(
        name=race.name,
        title=f"{context.data.card.title}: a race of {counted(len(race.arms), 'arm')} for {context.config.model.title}",
        facts=tuple(_facts(race, context, cases)),
        measure=metric_title(context.config.search.metric),
        arms=tuple(
            _arm(context, arm, entrants, arms.get(arm, []), over_default, over_none, validation, scores)
            for arm in entrants.of_arm
        ),
        between=tuple(contrasts(arms, list(combinations(searching, 2)), groups)),
        forecasts=tuple(_forecasts(race, entrants.found)),
        noise=None if noise is None else replace(noise, words=f"as measured in {race.name}"),
        visible=smallest_gain(noise, race.config.search.final_seeds, cases, max(1, len(raced)))
        if noise
        else None,
        seeds=race.config.search.final_seeds,
        test_images=len(test) if test else 0,
        test_groups=cases,
        image_size=context.data.image_size,
        classes=len(context.data.card.classes),
        budget=budget_in_words(race),
        notes=tuple(notes),
    )
    return replace(result, sentence=sentence_of(result))


def budget_in_words(race: Race) -> str:
    """What each search may spend."""
    if not race.cells:
        return "no search"
    searched = f"{race.trials} trainings" if race.samples is None else f"{race.samples:,} training images"
    repeats = "" if race.repeats == 1 else f" ({race.repeats} searches of each arm)"
    return f"{searched} for each search{repeats}"


def _over(
    arms: Mapping[str, Sequence[TestScores]], other: str, groups: Sequence[str] | None
) -> dict[str, Contrast]:
    """Arm → its contrast with `other`. No augmentation against the default is a family of its own."""
    if other not in arms:
        return {}
    families = [[(arm, other) for arm in arms if arm not in (NONE, other)]]
    if other != NONE and NONE in arms:
        families.append([(NONE, other)])
    return {each.arm: each for family in families for each in contrasts(arms, family, groups)}


def _arm(
    context: Context,
    arm: str,
    entrants: Entrants,
    test: Sequence[TestScores],
    over_default: Mapping[str, Contrast],
    over_none: Mapping[str, Contrast],
    validation: Validation,
    scores: Mapping[str, TestScores],
) -> ArmResult:
    by_name = {each.name: each for each in entrants.candidates}
    by_seed = dict(averaged(test).values) if test else {}
    limits = scores_of_metric(context.config.search.metric)
    names = entrants.of_arm[arm]
    own = [each for each in entrants.found if each.arm == arm]
    return ArmResult(
        name=arm,
        lines=tuple(by_name[name].proposal.in_one_line() for name in names),
        test=mean_interval(list(by_seed.values()), limits) if by_seed else None,
        by_seed=by_seed,
        over_default=over_default.get(arm),
        over_none=over_none.get(arm),
        searches=tuple(
            _search(each, name, validation, scores) for each, name in zip(own, names, strict=False)
        ),
    )


def _search(
    found: Found, name: str, validation: Validation, scores: Mapping[str, TestScores]
) -> SearchResult:
    both = name in scores and DEFAULT in scores
    return SearchResult(
        repeat=found.repeat,
        study=found.study,
        winner=found.winner.name,
        line=found.winner.proposal.in_one_line(),
        recommended=found.recommended,
        selected=_paired(found.validation["winner"], found.validation["default"]),
        fresh=_paired(validation.get(name, {}), validation.get(DEFAULT, {})),
        test=_paired(scores[name].values, scores[DEFAULT].values) if both else None,
        steps=tuple(_steps(found)),
        stopped=found.stopped,
        failed=found.failed,
        seconds=found.seconds,
        llm_calls=found.llm_calls,
        tokens=found.tokens,
        dollars=found.dollars,
    )


def _steps(found: Found) -> list[Step]:
    """The best so far; of candidates that were trained under fewer seeds than the default, none is."""
    full = found.tried[0].seeds if found.tried else 0
    steps, best = [], 0.0
    for each in found.tried:
        if each.over_default is not None and each.seeds >= full:
            best = max(best, each.over_default)
        steps.append(Step(each.trials, each.samples, best))
    return steps


def _paired(one: Mapping[int, float], other: Mapping[int, float]) -> float | None:
    seeds = sorted(one.keys() & other.keys())
    return fmean(one[seed] - other[seed] for seed in seeds) if seeds else None


def _forecasts(race: Race, found: Sequence[Found]) -> list[ForecastScore]:
    scored = []
    for arm in race.arms:
        own = [
            Forecast(tried.expected, tried.over_none)
            for each in found
            if each.arm == arm.name
            for tried in each.tried
            if tried.expected is not None and tried.over_none is not None
        ]
        if (result := score(arm.name, own)) is not None:
            scored.append(result)
    return scored


def _facts(race: Race, context: Context, cases: int) -> list[tuple[str, str]]:
    data, search = context.data, context.config.search
    model = context.config.model
    first, last = search.fresh_seeds[0], search.fresh_seeds[-1]
    own = ", ".join(map(str, search.search_seeds))
    seeds = f"of a search {own}" + (f" (each repeat {SEED_STEP} higher)" if race.repeats > 1 else "")
    winner = {
        "best": "the best on validation of the default policy and its proposals",
        "recommended": "what Augur recommends after the search",
    }[race.winner]
    return [
        ("data", f"{data.card.name} at {data.image_size} px, fingerprint {data.fingerprint}"),
        ("model", f"{model.name}, {model.weights or 'from scratch'}"),
        ("recipe", describe_recipe(context.recipe)),
        (
            "budget",
            f"{budget_in_words(race)}; those of the default policy are counted as each search's first",
        ),
        ("winner of a search", winner),
        ("seeds", f"{seeds}; test, fresh {first} to {last}"),
        ("test images", str(data.size("test")) + in_groups(data.size("test"), cases)),
    ]
