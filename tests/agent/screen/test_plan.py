"""What a plan says, and to a program."""

from dataclasses import replace

from agent.screen.plan import Plan

PLAN = Plan(
    trainings=48,
    trained_before=13,
    epochs=(30, 30),
    seconds=(122_000.0, 122_000.0),
    limit=None,
    images_per_second=41.3,
    workers=2,
    cheaper=(
        ("--image-size 96", 21_000.0, 21_000.0),
        ("--model.weights torchvision --epochs 8", 33_000.0, 33_000.0),
    ),
    disk=2**30,
    llm_calls=56,
    dollars=1.049,
    model="openai:gpt-5-mini",
)


def test_a_plan_tells_time_cheaper_settings_disk_and_calls():
    assert PLAN.lines("12 GiB free") == [
        (
            "plan",
            "about 34 h on this machine: up to 48 trainings of 30 epochs, of which 13 are there already, 2 at a time, "
            "41 images/s each",
        ),
        (
            "cheaper",
            "--image-size 96 about 5 h 50 min; --model.weights torchvision --epochs 8 about 9 h 10 min",
        ),
        ("disk", "up to 1.0 GiB for weights, results and pictures (12 GiB free)"),
        ("LLM", "up to 56 calls of openai:gpt-5-mini, at most about $1.05 (--budget.dollars limits it)"),
    ]


def test_a_length_that_is_found_first_is_a_range_of_epochs_and_of_time():
    plan = replace(PLAN, epochs=(4, 32), seconds=(7_200.0, 50_000.0), cheaper=(), trained_before=0)
    assert plan.lines()[0][1] == (
        "2 h to 14 h on this machine: up to 48 trainings of 4 to 32 epochs, as is found first (longer ones if they "
        "help), 2 at a time, 41 images/s each"
    )


def test_trainings_that_the_finish_may_need_besides_are_told():
    plan = replace(PLAN, trainings_more=16, trained_before=0)
    assert (
        "up to 48 trainings of 30 epochs, and up to 16 more if the finish needs them, 2 at"
        in plan.lines()[0][1]
    )
    assert plan.as_json()["trainings_more"] == 16


def test_a_limit_that_ends_the_study_before_is_told():
    assert "The budget of 2h ends it before" in replace(PLAN, limit=7_200.0).lines()[0][1]
    assert "budget" not in replace(PLAN, limit=200_000.0).lines()[0][1]


def test_a_limit_under_which_no_study_has_a_result_is_told_with_what_the_smallest_takes():
    told = replace(PLAN, limit=7_200.0, smallest=30_000.0)
    assert told.lines()[0][1].endswith(
        "The budget of 2h ends it before, without a result: the smallest study that has one takes about 8 h 20 min"
    )
    assert "without" not in replace(told, smallest=7_000.0).lines()[0][1]
    assert told.as_json()["seconds_smallest"] == 30_000.0


def test_what_is_unknown_is_not_told_as_a_number():
    small = replace(PLAN, seconds=None, images_per_second=None, disk=None, dollars=None, cheaper=())
    (_, plan), (_, calls) = small.lines()
    assert plan.endswith("how long it takes shows after the first of them")
    assert "whose price is unknown" in calls
    assert small.as_json()["seconds_high"] is None
    assert small.as_json()["llm_dollars"] is None
