"""Are races on a table of real trainings fair, and do cheap arms keep what the dear ones find?

`python -m benchmarks.table_races TABLE [--modality KIND]` measures five things on a table (docs/race.md has the
figures), and keeps them in benchmarks/results/table_races.json under the table's name:

- alike: of arms that are alike because they traded their results, how often any is called better (5% at most);
- searches: the same of two arms that search at random under other seeds;
- planted: how often an arm that is 3 points better is found, against the power that `agent compare --plan` states;
- cheap first: how often an arm that saves trainings reaches what the same arm finds in full, at 40% of its cost;
- sooner: after how many trainings tpe reaches what tpe without default and priors has after 30.

`--only NAME` measures one of them. The verdicts are those of a race (`evaluators/race/contrasts.py`).
"""

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_1samp

from agent.simulating.arms import parse_table_arms
from agent.simulating.search import Rules, Searched, TableSearch
from agent.simulating.trained import Trained, read_trained
from evaluators.race.contrasts import LEVEL, contrasts
from evaluators.race.power import measured, power
from evaluators.report.comparison import TestScores
from tools.files import write_json

GAIN = 0.03
RESAMPLES = 999
TRIALS = 30
SHARE = 0.4
"""Of the full search's cost, for the arms that save."""
REPEATS_OF_SEARCH = 3
MEASURES = ("alike", "searches", "planted", "cheap", "sooner")
CHEAP = ("tpe+race", "random+race", "tpe+short", "random+short")


def scores_of(correct: np.ndarray) -> TestScores:
    """Of one arm: bool (seeds, images)."""
    means = {seed: float(row.mean()) for seed, row in enumerate(correct)}
    return TestScores(means, means, dict(enumerate(correct)))


def called(one: TestScores, other: TestScores) -> str:
    """The verdict of a race of two arms: 'better', 'worse' or 'not shown'.

    The p-value of a verdict is the largest of several. The one over seeds is known at once: where that is too large
    already, the permutations are spared.
    """
    differences = [one.accuracy[seed] - other.accuracy[seed] for seed in one.accuracy]
    if np.ptp(differences) and float(ttest_1samp(differences, 0.0)[1]) >= LEVEL:  # type: ignore[arg-type]
        return "not shown"
    return contrasts({"a": [one], "b": [other]}, [("a", "b")], None, RESAMPLES)[0].kind


def alike_by_trading(trained: Trained, races: int, draw: np.random.Generator) -> dict[str, float]:
    """Two arms that traded results at random, seed by seed: nothing distinguishes them.

    With few seeds, all are traded now and then, or none; the two then differ as the entries do, which is no error of
    the verdict and is counted all the same.
    """
    kinds = [called(*traded(trained, draw)) for _ in range(races)]
    return {
        "races": races,
        "called_better_or_worse": float(np.mean([kind != "not shown" for kind in kinds])),
        "better": float(np.mean([kind == "better" for kind in kinds])),
    }


def traded(trained: Trained, draw: np.random.Generator, gain: float = 0.0) -> tuple[TestScores, TestScores]:
    """Two entries of about the same accuracy that traded their test results; the first is better by `gain`."""
    correct = trained.full.test.correct
    assert correct is not None, "the table does not say which images were right"
    order = np.argsort(trained.full.test.scores.mean(1), kind="stable")
    place = int(draw.integers(len(order) - 1))
    one, other = correct[order[place]], correct[order[place + 1]]
    swapped = (draw.random(len(one)) < 0.5)[:, None]
    better = np.where(swapped, other, one)
    return scores_of(planted(better, gain, draw)), scores_of(np.where(swapped, one, other))


def planted(correct: np.ndarray, gain: float, draw: np.random.Generator) -> np.ndarray:
    """With a share `gain` of the images turned right, in every seed: among those that it got wrong."""
    better = correct.copy()
    for row in better:
        wrong = np.flatnonzero(~row)
        row[draw.permutation(wrong)[: round(gain * len(row))]] = True
    return better


def alike_searches(trained: Trained, races: int, way: str) -> dict[str, float]:
    """Races of two arms that search alike under other seeds, each three times, and the default policy."""
    [arm] = parse_table_arms(way)
    false = 0
    for race in range(races):
        found: dict[str, list[TestScores]] = {}
        for name, number in itertools.product("ab", range(REPEATS_OF_SEARCH)):
            own = int(np.random.default_rng([race, number, ord(name)]).integers(2**31))
            seeds = np.random.default_rng([race, number]).choice(len(trained.full.seeds), 3, replace=False)
            winner = TableSearch(trained, arm, Rules(TRIALS), sorted(map(int, seeds)), own).run().winner
            found.setdefault(name, []).append(_tested(trained, winner))
        false += contrasts(found, [("a", "b")], None, RESAMPLES)[0].kind != "not shown"
    return {"races": races, "called_better_or_worse": false / races, "better": false / races / 2}


def _tested(trained: Trained, entry: int) -> TestScores:
    correct = trained.full.test.correct
    assert correct is not None
    return scores_of(correct[entry])


def power_on_table(trained: Trained, races: int, draw: np.random.Generator) -> dict[str, float]:
    """How often `GAIN` is found, and how often `--plan` says that it would be, from races that were alike."""
    pilots = [traded(trained, draw) for _ in range(300)]
    named = {
        f"{n} {name}": [each] for n, pair in enumerate(pilots) for name, each in zip("ab", pair, strict=True)
    }
    noise = measured(named, [(f"{number} a", f"{number} b") for number in range(len(pilots))])
    assert noise is not None
    correct = trained.full.test.correct
    assert correct is not None
    _, seeds, images = correct.shape
    found, gains = [], []
    for _ in range(races):
        a, b = traded(trained, draw, GAIN)
        gains.append(np.mean(list(a.accuracy.values())) - np.mean(list(b.accuracy.values())))
        found.append(called(a, b) == "better")
    return {
        "races": races,
        "gain": float(np.mean(gains)),
        "planned": power(float(np.mean(gains)), noise, seeds, images),
        "found": float(np.mean(found)),
        "between_seeds": noise.between_seeds,
    }


def _search(trained: Trained, arm: str, budget: float, repeat: int) -> Searched:
    [parsed] = parse_table_arms(arm)
    draw = np.random.default_rng([7, repeat])
    seeds = sorted(map(int, draw.choice(len(trained.full.seeds), 3, replace=False)))
    return TableSearch(trained, parsed, Rules(budget), seeds, int(draw.integers(2**31))).run()


def cheap_first(trained: Trained, repeats: int, trials: int) -> dict[str, Any]:
    """For each arm that saves: what it reaches of the same search in full, which has `trials` full trainings."""
    found: dict[str, Any] = {}
    mean = 100 * trained.full.test.scores.mean(1)
    for cheap in (name for name in CHEAP if trained.short is not None or "short" not in name):
        reached, within, differences, costs = [], [], [], []
        for repeat in range(repeats):
            full = _search(trained, cheap.partition("+")[0], trials, repeat)
            less = _search(trained, cheap, SHARE * trials, repeat)
            contrast = contrasts(
                {"less": [_tested(trained, less.winner)], "full": [_tested(trained, full.winner)]},
                [("less", "full")],
                None,
                RESAMPLES,
            )
            both = contrast[0].verdict.over_both
            within.append(less.winner == full.winner or both.high is None or both.high >= 0)
            reached.append(mean[less.winner] >= mean[full.winner])
            differences.append(mean[less.winner] - mean[full.winner])
            costs.append(less.points[-1].cost / full.points[-1].cost)
        found[cheap] = {
            "repeats": repeats,
            "trials_of_the_full_search": trials,
            "share_of_cost": float(np.mean(costs)),
            "within_its_interval": float(np.mean(within)),
            "as_high_or_higher": float(np.mean(reached)),
            "mean_difference": float(np.mean(differences)),
        }
    return found


def sooner(trained: Trained, repeats: int) -> dict[str, Any]:
    """Trainings until tpe's best so far is as good on the test as plain TPE's after `TRIALS`: as its mean over all
    searches, and as that of the search with the same seeds. A search that does not reach it counts as endless."""
    over = 100 * trained.full.test.scores.mean(1)
    over = over - over[trained.full.default]
    plain = np.array([over[_search(trained, "tpe+plain", TRIALS, each).winner] for each in range(repeats)])
    searches = [_search(trained, "tpe", TRIALS, repeat) for repeat in range(repeats)]

    def took(search: Searched, wanted: float) -> float:
        return next((p.trainings for p in search.points if over[p.entry] >= wanted), np.inf)

    paired = np.array([took(search, wanted) for search, wanted in zip(searches, plain, strict=True)])
    to_mean = np.array([took(search, float(plain.mean())) for search in searches])
    return {
        "repeats": repeats,
        "plain_after_30_over_default": float(plain.mean()),
        "tpe_after_30_over_default": float(np.mean([over[search.winner] for search in searches])),
        "median_trainings_to_its_mean": _median(to_mean),
        "median_trainings_to_its_pair": _median(paired),
        "pairs_reached_in_10": float(np.mean(paired <= 10)),
        "pairs_reached_in_30": float(np.mean(np.isfinite(paired))),
    }


def _median(took: np.ndarray) -> float | None:
    """None where half of the searches, or more, did not get there."""
    found = float(np.median(took))
    return found if np.isfinite(found) else None


def measure(trained: Trained, only: Sequence[str], races: int, repeats: int) -> dict[str, Any]:
    """What is asked for."""
    draw = np.random.default_rng(0)
    found: dict[str, Any] = {}
    if "alike" in only:
        found["alike, traded"] = alike_by_trading(trained, races, draw)
    if "searches" in only:
        found["alike, random"] = alike_searches(trained, max(1, races // 3), "random")
    if "planted" in only:
        found["planted"] = power_on_table(trained, races, draw)
    if "cheap" in only:
        found["cheap"] = cheap_first(trained, repeats, 60)
    if "sooner" in only:
        found["sooner"] = sooner(trained, repeats)
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="races on a table of trained policies")
    parser.add_argument("table", type=Path)
    parser.add_argument("--modality", help="kind of images, where the table does not say it")
    parser.add_argument("--only", choices=MEASURES, action="append")
    parser.add_argument("--races", type=int, default=1000, help="of arms that are alike, and planted ones")
    parser.add_argument("--repeats", type=int, default=200, help="of searches")
    parser.add_argument(
        "--short",
        action="store_true",
        help="also the arms with +short, on entries that have the short length",
    )
    options = parser.parse_args()
    from benchmarks.__main__ import RESULTS, metadata

    trained = read_trained(options.table, needs_short=options.short, modality=options.modality)
    asked = options.only or MEASURES
    found = measure(trained, asked, options.races, options.repeats)
    file = RESULTS / "table_races.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    name = options.table.name.removesuffix(".gz").removesuffix(".jsonl")
    name += f", the {len(trained.full.names)} with a short length" if options.short else ""
    known[name] = known.get(name, {}) | found
    write_json(file, known | {"metadata": metadata()})
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
