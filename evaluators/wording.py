"""Scores and their differences as people read them. Light: imports nothing."""


def percent(value: float | None, spread: float | None = None) -> str:
    """An accuracy (0..1) as '93.4%', or '93.4% ± 0.5' with its standard deviation; a dash for None."""
    if value is None:
        return "–"
    return f"{100 * value:.1f}%" + ("" if spread is None else f" ± {100 * spread:.1f}")


def signed(difference: float) -> str:
    """A difference of accuracies (-1..1) as '+1.2' points, with a true minus sign."""
    rounded = round(100 * difference, 1) + 0.0  # + 0.0: no negative zero
    return f"{rounded:+.1f}".replace("-", "−")


def gain(difference: float | None, interval: tuple[float | None, float | None] | None = None) -> str:
    """A difference of accuracies with its interval, as '+1.2 [−0.3, +2.7]' in points; a dash for None."""
    if difference is None:
        return "–"
    low, high = interval or (None, None)
    if low is None or high is None:
        return signed(difference)
    return f"{signed(difference)} [{signed(low)}, {signed(high)}]"
