"""`agent explain`: the explanation of a finished study, or of the policy of one of its trials, shown in tables."""

from collections.abc import Sequence
from pathlib import Path

from agent.explanation.finishing import NO_LABEL_SETS
from agent.explanation.pair import Arm, Pair, choose_pair
from agent.explanation.work import Options
from agent.memory.candidate import REFERENCE
from agent.screen.exits import runs_dir_flag
from agent.screen.terminal import Terminal
from agent.studies.evaluation import finished_trials, has_finished, opened, trials_by_study
from agent.study_folder import folder_of, locked
from agent.training.policies import is_training
from agent.training.sources import attached
from evaluators.explanation import (
    FOLDER,
    Attribution,
    Backgrounds,
    Corruptions,
    Explanation,
)
from evaluators.report.explained import METRIC_TITLES, by_chance, generated_lines, measured_points
from evaluators.wording import percent, unsigned
from tools.errors import ConfigurationError


def explain_one(word: str, options: Options, runs_dir: Path, terminal: Terminal) -> int:
    """Explain a study, or the policy of a trial; the exit code.

    Raises:
        AugurError: there is no such study or trial, its test set is sealed, or nothing can be compared.
    """
    ((study, keys),) = trials_by_study([word], runs_dir, terminal).items()
    folder = folder_of(study, runs_dir)
    given = is_training(folder)
    if not given and not has_finished(attached(study, runs_dir, terminal)):
        raise ConfigurationError(
            f"Study {study} has not finished: its test set is sealed until the choice is made. Finish it first: "
            f"agent resume {study}{runs_dir_flag(runs_dir)}"
        )
    with locked(folder, study), opened(study, folder, runs_dir, terminal, "agent explain") as context:
        if context.data.card.several_labels:
            raise ConfigurationError(f"{study}: {NO_LABEL_SETS}")
        from agent.explanation.running import explain
        from agent.reports.files import rewrite
        from agent.steps.finish.testing import announce_opening

        arms: dict[str, Arm] = {}
        for trial in finished_trials(context, given, []):
            arm = arms.setdefault(trial.candidate.name, Arm(trial.candidate, {}))
            arms[trial.candidate.name] = Arm(arm.candidate, {**arm.specs, trial.spec.seed: trial.spec})
        pair = _pair(list(arms.values()), keys, context.tracking.study_tags())
        announce_opening(context, context.data)
        found = explain(context, pair, options)
        page = None if given else rewrite(folder, context.tracking)
    show(found, terminal)
    if page is not None:
        terminal.note(f"report, with it: {page}")
    terminal.note(f"pictures and numbers: {folder / FOLDER}")
    return 0


def _pair(arms: Sequence[Arm], keys: Sequence[str], tags: dict[str, str]) -> Pair:
    """What the study recommends, or the candidate of a trial, against no augmentation."""
    recommended = tags.get("recommended", "")
    if not keys:
        return choose_pair(arms, recommended, [tags.get("best_proposal", "")])
    named = next((arm.name for arm in arms if any(spec.key == keys[0] for spec in arm.specs.values())), None)
    if named is None:
        raise ConfigurationError(
            f"trial {keys[0][:12]} was not tested: only trials under fresh seeds are explained. Name the study instead."
        )
    if named == REFERENCE:
        raise ConfigurationError(
            f"trial {keys[0][:12]} is of {REFERENCE}, with which others are compared: name another"
        )
    pair = choose_pair(arms, named)
    return Pair(pair.reference, pair.winner, named == recommended)


def show(found: Explanation, terminal: Terminal) -> None:
    """The explanation in tables."""
    terminal.close()
    names = (found.reference, found.winner)
    role = "which is recommended" if found.recommended else "which is not what is recommended"
    terminal.result(
        f"{found.study}: {found.winner}, {role}, against {found.reference}, on {found.test_images} test images"
    )
    if found.frozen:
        terminal.result(found.frozen.sentence)
    if found.calibration:
        terminal.table(
            ("calibration", "ECE", "Brier score", "log loss"),
            [
                [each.name, percent(each.expected_error), f"{each.brier:.3f}", f"{each.log_loss:.3f}"]
                for each in found.calibration
            ],
        )
    if found.class_gains:
        terminal.table(
            ("recall", "images", *names, "gain (points)"),
            [
                [
                    each.label,
                    str(each.images),
                    percent(each.reference),
                    percent(each.winner),
                    measured_points(each.gain),
                ]
                for each in found.class_gains
            ],
        )
    if found.corruptions:
        _show_corruptions(found.corruptions, names, terminal)
    if found.backgrounds:
        _show_backgrounds(found.backgrounds, names, terminal)
    if found.generated:
        heads = (f"{found.generated.images} images beside training images", "synthetic", "real")
        terminal.table(heads, generated_lines(found.generated))
    if found.attribution:
        _show_attribution(found.attribution, names, terminal)
    for note in found.notes:
        terminal.note(note)


def _show_corruptions(found: Corruptions, names: tuple[str, str], terminal: Terminal) -> None:
    rows = []
    for line in found.lines:
        means = (sum(each) / len(each) for each in (line.reference, line.winner))
        error = "–" if line.relative_error is None else f"{line.relative_error:.2f}"
        rows.append([line.name, *(percent(each) for each in means), error])
    terminal.table((f"accuracy on {found.images} corrupted images", *names, "errors, relative"), rows)
    mean = "not defined" if found.mean_error is None else f"{found.mean_error:.2f}"
    terminal.result(
        f"Mean corruption error of {names[1]} against {names[0]}: {mean} (below 1 is better); gain in accuracy on "
        f"all corrupted images, in points: {measured_points(found.gain)}.{by_chance(found)}"
    )


def _show_backgrounds(found: Backgrounds, names: tuple[str, str], terminal: Terminal) -> None:
    rows = [[line.name, percent(line.reference), percent(line.winner)] for line in found.lines]
    terminal.table((f"accuracy on {found.images} images", *names), rows)
    terminal.result(
        f"A background of another class costs {names[0]} {unsigned(found.gap_reference)} points more than one of the "
        f"same class, {names[1]} {unsigned(found.gap_winner)}; change {measured_points(found.gap_change)}. Always "
        f"naming the commonest class is right for {percent(found.chance)}."
    )


def _show_attribution(found: Attribution, names: tuple[str, str], terminal: Terminal) -> None:
    rows = []
    for method in dict.fromkeys(each.method for each in found.scores):
        for metric in dict.fromkeys(each.metric for each in found.scores):
            pair = [
                next(s for s in found.scores if (s.name, s.method, s.metric) == (name, method, metric))
                for name in names
            ]
            title = METRIC_TITLES[metric]
            own = [f"{_score(each.score)} ({each.images})" for each in pair]
            shared = [_score(each.on_shared) for each in pair]
            rows.append([f"{method}, {title}", *own, *shared, str(pair[0].shared_images)])
    if rows:
        heads = (
            "attribution",
            *(f"{name} (images)" for name in names),
            *(f"{name}, shared" for name in names),
            "shared images",
        )
        terminal.table(heads, rows)
    for line in found.missing:
        terminal.note(line)


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
