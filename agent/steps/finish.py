"""The end of a study: extra seeds for the best, one choice on validation, the test set opened once, the report."""

from agent.context import Context
from agent.steps.choosing import ablations, choose, contenders, finalists, train_extra_seeds
from agent.steps.judging import judge
from agent.steps.publishing import build_report, compare_all, publish, shift_table
from agent.steps.testing import open_test, test_on
from agent.steps.trials import prune_weights, train_candidates


def finish(context: Context, why_stopped: str) -> str:
    """Run the end of the study; the name of the chosen candidate, or '' where no proposal finished a trial."""
    candidates, final = contenders(context), finalists(context)
    train_extra_seeds(context, candidates)
    validation = {c.name: judge(context, c, "final") for c in candidates}
    chosen = choose(final, validation)

    tested = [c for c in candidates if (c not in final or c == chosen) and validation[c.name]]
    seeds = sorted({seed for c in tested for seed in validation[c.name]})
    train_candidates(context, tested, seeds, "final", "weights that an earlier study dropped", testable=True)
    if parts := ablations(chosen):
        train_candidates(context, parts, seeds, "final", "what each part of the choice does", testable=True)
        validation |= {part.name: judge(context, part, "final") for part in parts}
        tested += [part for part in parts if validation[part.name]]

    scores = open_test(context, tested, validation)
    comparisons = compare_all([*candidates, *parts], chosen, validation, scores, context.data.open_test())
    shifts = [
        shift_table(shift, tested, chosen, validation, test_on(context, shift, tested, validation))
        for shift in context.shifts
    ]
    publish(context, build_report(context, comparisons, chosen, scores, why_stopped, shifts), chosen)
    prune_weights(context, tested)
    return chosen.name if chosen else ""
