"""Scores and their differences as people read them. Light: imports nothing."""


def percent(value: float | None, spread: float | None = None) -> str:
    """A score (0..1; kappa -1..1) as '93.4%', or '93.4% ± 0.5' with its standard deviation; a dash for None."""
    if value is None:
        return "–"
    return f"{100 * value:.1f}%".replace("-", "−") + ("" if spread is None else f" ± {100 * spread:.1f}")


def signed(difference: float) -> str:
    """A difference of scores (-1..1) as '+1.2' points, with a true minus sign."""
    rounded = round(100 * difference, 1) + 0.0  # + 0.0: no negative zero
    return f"{rounded:+.1f}".replace("-", "−")


def unsigned(difference: float) -> str:
    """The same as '1.2' points, which are lost, say; '−1.2' where they are won."""
    return signed(difference).removeprefix("+")


def gain(difference: float | None, interval: tuple[float | None, float | None] | None = None) -> str:
    """A difference of scores with its interval, as '+1.2 [−0.3, +2.7]' in points; a dash for None."""
    if difference is None:
        return "–"
    low, high = interval or (None, None)
    if low is None or high is None:
        return signed(difference)
    return f"{signed(difference)} [{signed(low)}, {signed(high)}]"


_GRADES = (
    (0.975, "almost certainly", "more than 39 in 40"),
    (0.9, "very likely", "about 19 in 20"),
    (0.75, "likely", "about 4 in 5"),
    (0.6, "perhaps", "about 2 in 3"),
)
"""(least probability, how sure that is in words, the same as a chance)."""


def likelihood(probability: float | None) -> str:
    """How a probability (0..1) that a candidate beats the reference reads: 'likely better (about 4 in 5)'."""
    if probability is None:
        return "not known"
    side, sure = ("better", probability) if probability >= 0.5 else ("worse", 1 - probability)
    for least, words, chance in _GRADES:
        if sure >= least:
            return f"{words} {side} ({chance})"
    return "as likely better as worse"


def in_groups(images: int, groups: int | None) -> str:
    """What follows a number of images that are in fewer groups: ' in 60 groups'; empty where each is its own."""
    return f" in {groups} group{'' if groups == 1 else 's'}" if groups and groups != images else ""
