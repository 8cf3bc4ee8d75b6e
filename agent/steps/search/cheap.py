"""The cheap measure: a candidate is trained in the last quarter of a training only, with the cool-down.

The epochs before are those of the default policy at a constant rate, trained once for each seed. What it comes to is
compared with nothing but other cheap measures, in MLflow's phase `probe`. Whether it is used is decided by
`evaluators/cheap.py`, from candidates that studies measured in both ways (`agent/memory/cheap_file.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from agent.context import Context
from agent.memory.candidate import Candidate, baselines, default_of, reference
from agent.memory.cheap_file import TAG, CheapFile, pairs_of_others, read_pairs, write_pairs
from agent.memory.proposal import SCHEMA_VERSION
from agent.steps.finish_plan import iteration_count, trials_of_iteration
from agent.steps.stopping import no_room_for
from agent.steps.trials import recipe_of, share_of, train_candidates, trial_spec
from evaluators.cheap import Pair, Trust, agreement_of, cheap_share
from tools.disk import disk_errors_explained
from tools.files import DamagedFile
from tools.policy.canonical import canonical_json
from tools.training.config import Recipe, TrialSpec, Trunk, fold_of_seed
from tools.training.recipes import training_steps, trunk_epochs, wsd_recipe
from tools.training.trial_store import trial_key, trunk_key
from tools.training.types import TrialResult

MOST_PAIRS = 12
"""Candidates that a study measures in both ways only to learn whether it may trust the cheap one."""
TRUNKS = "trunks"
"""Folder, beside that of the trials."""


@dataclass(frozen=True)
class Measured:
    """What a candidate came to by the cheap measure."""

    scores: dict[int, float]
    """Seed → the study's metric on validation, over the trials that finished."""
    losses: dict[int, float]
    """Seed → log loss on validation."""

    def gain_over(self, other: "Measured") -> float | None:
        """Mean paired difference; None without a common seed."""
        seeds = self.scores.keys() & other.scores.keys()
        return fmean(self.scores[seed] - other.scores[seed] for seed in sorted(seeds)) if seeds else None


def cheap_recipe(context: Context) -> Recipe:
    """The study's recipe, at the study's length, with a constant rate and a cool-down in place of its schedule.

    The last epoch is judged: the best one may be of the trunk.
    """
    recipe = context.recipe.model_copy(update={"selection": "last"})
    steps = training_steps(recipe, context.data.size("train"))
    return wsd_recipe(recipe, warmup_steps=max(1, round(recipe.warmup_fraction * steps)))


def cheap_spec(context: Context, candidate: Candidate, seed: int) -> TrialSpec:
    """The cheap trial of a candidate, with its key."""
    full, recipe, data = trial_spec(context, candidate, seed), cheap_recipe(context), context.data
    model, fold = context.config.model, fold_of_seed(seed, context.fold_count)
    default = canonical_json(default_of(context.config.search, data.card.modality).policy)
    named = (data.fingerprint, model, recipe, seed, SCHEMA_VERSION)
    key = trial_key(full.policy, *named, full.synthetic, fold, trunk_policy=default)
    trunk = trunk_key(default, *named, fold=fold)
    folder = context.store.root.parent / TRUNKS / trunk
    return full.model_copy(
        update={
            "key": key,
            "recipe": recipe,
            "directory": context.store.directory(key),
            "trunk": Trunk(key=trunk, directory=folder, policy=default),
        }
    )


def default_candidate(context: Context) -> Candidate:
    """The default policy for the kind of images, whose training is the trunk of all others."""
    start = default_of(context.config.search, context.data.card.modality)
    return Candidate(
        "default", 0, "baseline", reference().proposal.model_copy(update={"policy": start.policy.operations})
    )


def measure(
    context: Context, candidates: Sequence[Candidate], seeds: Sequence[int], title: str
) -> tuple[dict[str, Measured], str | None]:
    """Measure the default policy and the candidates cheaply under `seeds`, each once in a study.

    Returns:
        Name → what it came to, 'default' first; and why a limit cut it short, or None.
    """
    default = default_candidate(context)
    others = [each for each in candidates if each.name != default.name]
    with disk_errors_explained(context.store.root):
        _forget_without_trunk(context, default, others, seeds)
    cut = _train(context, [default], seeds, title)
    if others and not cut:
        cut = _train(context, others, seeds, title)
    return {each.name: _measured(context, each, seeds) for each in (default, *others)}, cut


def _train(context: Context, candidates: Sequence[Candidate], seeds: Sequence[int], title: str) -> str | None:
    shown = [replace(each, name=f"{each.name}, last quarter") for each in candidates]
    cut = train_candidates(context, shown, seeds, "probe", title, spec_of=cheap_spec)
    for each in shown:
        run = context.tracking.open_candidate(each, "probe")
        context.tracking.end_candidate(run, _measured(context, each, seeds).scores, None, None, None)
        for seed in seeds:
            context.store.drop_weights(cheap_spec(context, each, seed).key)
    return cut


def _measured(context: Context, candidate: Candidate, seeds: Sequence[int]) -> Measured:
    metric = context.config.search.metric
    scores, losses = {}, {}
    for seed in seeds:
        result = _result(context, cheap_spec(context, candidate, seed).key)
        value = None if result is None or result.scores is None else result.scores.of(metric)
        if value is not None and result is not None and result.scores is not None:
            scores[seed], losses[seed] = value, result.scores.loss
    return Measured(scores, losses)


def _result(context: Context, key: str) -> TrialResult | None:
    """How a trial ended; None where it did not, or where that is damaged, so that it is trained again."""
    try:
        return context.store.result(key)
    except DamagedFile:
        return None


def _forget_without_trunk(
    context: Context, default: Candidate, others: Sequence[Candidate], seeds: Sequence[int]
) -> None:
    """Where an earlier study measured the default, and its trunk was deleted since, it is trained again: else every
    candidate would have to train the trunk, at a price that nothing counts."""
    for seed in seeds:
        spec = cheap_spec(context, default, seed)
        assert spec.trunk is not None
        kept = spec.trunk.directory / f"epoch-{trunk_epochs(spec.recipe):05d}.pt"
        wanted = [cheap_spec(context, each, seed) for each in others]
        missing = [each for each in wanted if _result(context, each.key) is None]
        if missing and not kept.exists():
            context.store.forget(spec.key)


def planned_candidates(context: Context) -> int:
    """Proposals of the whole search."""
    search = context.config.search
    return iteration_count(search) * search.candidates


def trust_of(context: Context, apart: Sequence[Candidate] = ()) -> Trust:
    """Whether the cheap measure may stand for full trainings in this study, by all that is known so far.

    What is known of the candidates `apart` does not count: a study that is killed after it learnt that, and resumed,
    decides as before.
    """
    known, names = read_pairs(context.folder), {each.name for each in apart}
    own = [] if known is None else [pair for pair in known.own if pair.candidate not in names]
    studies = [] if known is None else [own, *known.others]
    cooldown = 1 - trunk_epochs(cheap_recipe(context)) / context.recipe.epochs
    return Trust(agreement_of(studies), cheap_share(planned_candidates(context), cooldown))


def learn_from_others(context: Context) -> None:
    """Look once at the pairs that other studies stored; nothing is written where there are none and none are made."""
    if read_pairs(context.folder) is not None:
        return
    others, damaged = pairs_of_others(context.folder)
    for file in damaged:
        context.terminal.warn(f"{file} is damaged: what that study knows of the cheap measure does not count")
    if others or context.config.search.candidates > 1:
        config = context.config
        about = f"{context.data.card.name}, {config.model.title}, {context.recipe.epochs} epochs"
        write_pairs(context.folder, CheapFile(about, (), others))


def measure_both_ways(context: Context, candidates: Sequence[Candidate]) -> None:
    """Measure candidates cheaply that are trained in full under the first seed, and add the pairs to the study's.

    Nothing is done where the cheap measure would be too dear in any case, where enough is known, or where the budget
    has no room. A limit that is reached on the way shows itself in what comes next.
    """
    known, seed = read_pairs(context.folder), context.config.search.seed
    if known is None or not trust_of(context).is_worth_knowing:
        return
    done = {pair.candidate for pair in known.own}
    # What is trained in full for another length than the study's cannot be compared.
    alike = [each for each in candidates if recipe_of(context, each).epochs == context.recipe.epochs]
    wanted = [each for each in alike if each.name not in done][: MOST_PAIRS - len(done)]
    if not wanted or not decided_once(
        context,
        _both_ways(wanted[0].number),
        lambda: not no_room_for(context, _cost(context, wanted, [seed])),
    ):
        return
    found, _ = measure(context, wanted, [seed], "is a cheap measure to be trusted?")
    pairs = [_pair(context, each, found[each.name], seed) for each in wanted if each.name in found]
    own = (*known.own, *(each for each in pairs if each is not None))
    write_pairs(context.folder, replace(read_pairs(context.folder) or known, own=own))


def _pair(context: Context, candidate: Candidate, cheap: Measured, seed: int) -> Pair | None:
    keys = cheap_spec(context, candidate, seed).key, trial_spec(context, candidate, seed).key
    result = _result(context, keys[1])
    full = None if result is None or result.scores is None else result.scores.of(context.config.search.metric)
    if full is None or seed not in cheap.scores:
        return None
    return Pair(candidate.name, cheap.scores[seed], full, keys)


def decided_once(context: Context, what: str, ask: Callable[[], bool]) -> bool:
    """The answer of `ask`, written down when it was first asked for.

    What is trained by it takes of the budget that it was decided by: asked again, after a kill, it could be another.

    Args:
        context: of the study; where it has no `cheap.json`, nothing is written down.
        what: is decided, unique in the study.
        ask: makes the decision.
    """
    known = read_pairs(context.folder)
    if known is None:
        return ask()
    if what not in known.decided:
        known = replace(known, decided={**known.decided, what: ask()})
        write_pairs(context.folder, known)
    return known.decided[what]


def _both_ways(iteration: int) -> str:
    return f"{f'iteration {iteration}' if iteration else 'before the search'}: in both ways"


def has_begun_to_settle(context: Context) -> bool:
    """Whether `settle_trust` was begun, in this session or an earlier one: the search was then found to have room."""
    known = read_pairs(context.folder)
    return known is not None and _both_ways(0) in known.decided


def settle_trust(context: Context) -> None:
    """Before the search: what other studies know, and this study's no augmentation and baselines in both ways."""
    if context.config.search.candidates == 1:
        return
    learn_from_others(context)
    measure_both_ways(context, [reference(), *baselines(context.config.search, context.data.card.modality)])
    say_trust(context, trust_of(context).sentence)


def say_trust(context: Context, sentence: str) -> None:
    """Tell whether the cheap measure is used, and keep it with the study."""
    context.terminal.note(sentence)
    context.tracking.log_study({}, tags={TAG: sentence})


def _cost(context: Context, candidates: Sequence[Candidate], seeds: Sequence[int]) -> float:
    """Trials that measuring them still takes, parts of one added up."""
    every = {each.name: each for each in (default_candidate(context), *candidates)}
    specs = [cheap_spec(context, each, seed) for each in every.values() for seed in seeds]
    return sum(share_of(spec) for spec in specs if _result(context, spec.key) is None)


def is_cheap_first(context: Context, candidates: Sequence[Candidate]) -> bool:
    """Whether the candidates of an iteration are measured cheaply, and the best alone is trained in full.

    It is decided before the first of them is trained, and stays so for an iteration that is killed and resumed.
    """

    def ask() -> bool:
        if not trust_of(context, candidates).is_given:
            return False
        # An iteration has room, or it had not begun; the first one that measures cheaply trains the trunks as well.
        seeds = context.config.search.search_seeds
        takes = _cost(context, candidates, seeds) + len(seeds)
        return not no_room_for(context, max(0.0, takes - trials_of_iteration(context.config.search)))

    return decided_once(context, f"iteration {candidates[0].number}: cheap first", ask)


def drop_trunks(context: Context) -> None:
    """Delete the states that the cheap trials of this study began with: its search is over."""
    for seed in context.config.search.search_seeds:
        spec = cheap_spec(context, default_candidate(context), seed)
        assert spec.trunk is not None
        if spec.trunk.directory.is_dir():
            with disk_errors_explained(context.store.root):
                for file in spec.trunk.directory.glob("epoch-*.pt"):
                    file.unlink(missing_ok=True)
