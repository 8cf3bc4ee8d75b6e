"""The background test of a study: subjects of test images, found and cut out by the study's own tools of AGA."""

import time
from typing import Any

import numpy as np

from agent.explanation.work import MOST_SEEDS, Work
from agent.images.whether import WITH_SUBJECTS
from evaluators.pictures.background_sheet import draw_background_sheet
from evaluators.robustness.on_backgrounds import (
    FEWEST_IMAGES,
    changed_images,
    measure_backgrounds,
    usable,
)
from tools.aga.making.source_images import fitted_mask

_SEED = 0
_WAYS = 5


def applies(work: Work) -> bool:
    """Whether these images show a subject on a background."""
    return work.context.backgrounds != "off" or work.context.data.card.modality in WITH_SUBJECTS


def on_other_backgrounds(work: Work) -> dict[str, Any]:
    """How much both candidates read from the background."""
    if not applies(work):
        kind = work.context.data.card.modality
        work.notes.append(
            f"No background test: in images of kind {kind} the background may belong to the subject."
        )
        return {}
    places = work.sample(work.options.changed_images)
    images, labels = np.asarray(work.test.images[places]), np.asarray(work.test.labels)[places]
    masks = _masks(work, places)
    kept = usable(masks)
    if kept.sum() < FEWEST_IMAGES or len(np.unique(labels[kept])) < 2:
        work.notes.append(
            f"No background test: subjects were found in {int(kept.sum())} of {len(places)} test images, and it needs "
            f"{FEWEST_IMAGES} of two classes. Other tools: --aga.detector.kind, --aga.segmenter.kind."
        )
        return {}
    images, labels, masks, of = images[kept], labels[kept], masks[kept], places[kept]
    changed = changed_images(images, masks, labels, _SEED)
    reference, winner = (work.correct(arm, labels) for arm in work.pair.arms)
    found = measure_backgrounds(reference, winner, changed, labels, len(places), work.groups(of))
    file = work.picture(
        "backgrounds.png",
        "Test images of the background test",
        "Test images as they are, with backgrounds of other images, the subject alone and the background alone.",
    )
    draw_background_sheet(changed, labels, work.classes, file)
    return {"backgrounds": found}


def _masks(work: Work, places: np.ndarray) -> np.ndarray:
    """bool (N, S, S): the subjects of test images, in the decoded images; all False where none was found."""
    context = work.context
    detector, segmenter = context.synthesis.chain.finders()
    sources, fit = context.synthesis.sources_of(work.test), context.config.data.fit
    names = context.data.card.superclasses
    masks = np.zeros((len(places), *work.test.images.shape[1:3]), dtype=bool)
    for number, place in enumerate(places.tolist()):
        source = sources[place]
        named = names[source.label] if source.label < len(names) else ""
        if boxes := detector.detect([source], named or work.classes[source.label])[0]:
            mask = segmenter.segment(source, boxes[:1])[0]
            masks[number] = fitted_mask(mask, masks.shape[1], fit)
        if len(places) > 1:
            context.terminal.progress("subjects of test images", number + 1, len(places))
    return masks


def backgrounds_seconds(work: Work) -> float:
    """About how long it takes: the subject of one image is looked for."""
    if not applies(work):
        return 0.0
    places = work.sample(1)
    started = time.monotonic()
    _masks(work, places)
    each = time.monotonic() - started
    count = min(work.options.changed_images, len(work.test))
    passes = _WAYS * 2 * min(MOST_SEEDS, len(work.seeds))
    return count * (each + 0.02 + passes * work.seconds_per_image)
