"""How fast a pack trained, in numbers and in words. Light: imports nothing heavy."""

from dataclasses import dataclass

_MUCH_WAITING = 0.2

_REMEDIES = (
    "more CPU cores, training.draws=shared, fewer or cheaper operations, or a smaller data.image_size help"
)


@dataclass(frozen=True)
class Pace:
    """Of a pack, over the time in which it had trials."""

    images: int
    seconds: float
    waiting: float
    """Share of the time that the device waited for augmented images, 0..1."""
    trials: float
    """At a time, on average."""

    @property
    def images_per_second(self) -> float:
        """Trained images of all trials together."""
        return self.images / self.seconds if self.seconds else 0.0

    def in_words(self, device: str) -> str:
        """For the person at the terminal."""
        text = (
            f"{device}: {self.images_per_second:,.0f} images/s in all, {self.trials:.1f} trials side by side; it "
            f"waited for augmented images {self.waiting:.0%} of the time"
        )
        return f"{text}: {_REMEDIES}" if self.waiting > _MUCH_WAITING else text
