"""Check a data set before anything is trained on it: one finding for each thing that may spoil results.

A *problem* is what a study with the same settings would refuse, or what is not as it was published. A *warning* does
not stop a study, but its numbers have to be read with it. Test images are counted, compared and decoded here, and never
shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.datasets.cache.decode_all import OnProgress
from tools.datasets.check.class_balance import class_counts
from tools.datasets.check.finding import Finding
from tools.datasets.check.image_findings import (
    appearance,
    caveats,
    class_sizes,
    files,
    image_sizes,
    published_counts,
    split_sizes,
    unreadable_images,
)
from tools.datasets.check.inspection import Inspection, inspect
from tools.datasets.check.leak_findings import contradictions, exact_copies, groups, near_copies
from tools.datasets.config import DataConfig
from tools.datasets.types import Dataset, Split


@dataclass(frozen=True)
class CheckReport:
    """All findings about a data set."""

    inspection: Inspection
    counts: Mapping[Split, Mapping[str, int]]
    """Readable images by split (those that are there, as published) and class."""
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> int:
        """Findings that are problems."""
        return sum(each.severity == "problem" for each in self.findings)

    @property
    def warnings(self) -> int:
        """Findings that are warnings."""
        return sum(each.severity == "warning" for each in self.findings)


def check(
    published: Dataset,
    counts: Sequence[Mapping[str, int]],
    config: DataConfig,
    image_size: int,
    root: Path,
    progress: OnProgress | None = None,
) -> CheckReport:
    """Inspect every image, and judge what was found.

    Args:
        published: as `open_published` returns it.
        counts: published numbers of images (`Entry.counts`).
        config: the settings of the study that is planned.
        image_size: side of the decoded images in pixels.
        root: folder of all caches; the decoded images stay there for studies.
        progress: called with (images done, images in all).

    Raises:
        AugurError: the disk is full or cannot be written, or a decoding process died.
    """
    found = inspect(published, config, image_size, root, progress)
    by_class = class_counts(found.usable, published.card)
    leaks = (
        exact_copies(found, config),
        near_copies(found, config),
        groups(published, config),
    )
    findings = (
        published_counts(published, counts),
        unreadable_images(found, config),
        files(published),
        class_sizes(by_class, published.card.several_labels),
        image_sizes(published, image_size),
        appearance(found, config),
        *leaks,
        contradictions(found),
        split_sizes(found, leaking=any(each.severity == "problem" for each in leaks)),
        caveats(published),
    )
    return CheckReport(found, by_class, findings)
