"""The table of segmenters: a new one is a file in this folder and a row here."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tools.aga.config import SegmenterConfig
from tools.aga.segmenters.given_masks import GivenMasks
from tools.aga.segmenters.grabcut import GrabCutSegmenter
from tools.aga.segmenters.otsu import OtsuSegmenter
from tools.aga.segmenters.sam import SamSegmenter
from tools.aga.segmenters.sam2 import Sam2Segmenter
from tools.aga.segmenters.u2netp.network import U2Netp
from tools.aga.segmenters.u2netp.segmenter import U2NetpSegmenter
from tools.aga.types import Segmenter

SEGMENTERS: dict[str, Callable[[SegmenterConfig, Mapping[str, Path], int], Segmenter]] = {
    "u2netp": lambda config, masks, threads: U2NetpSegmenter(U2Netp(threads=threads)),
    "sam": lambda config, masks, threads: SamSegmenter(config),
    "sam2": lambda config, masks, threads: Sam2Segmenter(config),
    "grabcut": lambda config, masks, threads: GrabCutSegmenter(config.iterations),
    "otsu": lambda config, masks, threads: OtsuSegmenter(),
    "dataset": lambda config, masks, threads: GivenMasks(masks),
}
"""`aga.segmenter.kind` → what makes the segmenter from the settings, the data set's masks and a number of threads.

Kind 'sam3' is its detector too: see `tools.aga.finders`."""


def make_segmenter(
    config: SegmenterConfig, masks: Mapping[str, Path] | None = None, threads: int = 1
) -> Segmenter:
    """The segmenter that `config.kind` names. Weights are located now and loaded when they are first used.

    Args:
        config: the settings `aga.segmenter`.
        masks: file (as the data set names it) → its mask, a picture brighter where the subject is, for kind 'dataset'.
        threads: that one call takes of a segmenter that is otherwise called in several at once (`u2netp`).

    Raises:
        ConfigurationError: weights are missing, or kind is 'dataset' and there are no masks.
    """
    return SEGMENTERS[config.kind](config, masks or {}, threads)
