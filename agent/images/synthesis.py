"""The sets of synthetic images that the proposals of a study ask for."""

import hashlib
import math
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from agent.images.chain import Chain
from agent.images.set_in_words import describe
from agent.memory.proposal import Proposal
from agent.settings.config import LLMConfig, StudyConfig
from tools.aga.config import PromptSet
from tools.aga.making.chain import EditingTools, StageProgress, Tools
from tools.aga.making.request import Request
from tools.aga.making.set_plan import image_count
from tools.aga.making.source_images import TrainingSources, training_sources
from tools.aga.pipeline import generate
from tools.aga.store.sets import GeneratedSet
from tools.datasets.cache.read import CachedDataset, SplitView
from tools.datasets.types import Dataset
from tools.machine import free_memory
from tools.training.synthetic import Synthetic

SHOWN = 8
"""Rows of a contact sheet."""
PREVIEWED = 8
"""Images of a preview."""
_SPARE, _SPARE_TO_RECOGNISE = 1.5, 4.0
"""Training images that are looked at for each synthetic one, where not all are needed; and where cut-outs have to be
recognised, of which a quarter or half are."""


class Synthesis:
    """Makes the sets of one study, each once."""

    def __init__(
        self,
        config: StudyConfig,
        dataset: Dataset,
        data: CachedDataset,
        on_progress: StageProgress,
        make_ask: Callable[[LLMConfig], Callable[[str, str], str]],
    ) -> None:
        """`make_ask` connects the chat model that writes captions, when one is needed."""
        self._config, self._data, self._dataset, self._on_progress = config, data, dataset, on_progress
        self._sources = training_sources(dataset, data, config.aga.compose.max_side)
        self.root = config.runs_dir / "aga"
        """Folder of the store."""
        self.chain = Chain(config, dataset, data, self.root, make_ask)
        self._sets: dict[str, GeneratedSet] = {}
        self._fingerprint, self._wanted, self._counts = data.fingerprint, None, None

    def of(self, proposal: Proposal) -> Synthetic | None:
        """What trials of the proposal train on besides the real images; made where it does not exist yet.

        Raises:
            AugurError: it cannot be made; says why.
        """
        if proposal.prompts is None:
            return None
        made = self.set_of(proposal.prompts)
        return Synthetic(folder=made.folder, key=made.key, mixing=self._config.aga.mixing)

    def existing(self, proposal: Proposal) -> Synthetic | None:
        """As `of`, but nothing is made.

        Raises:
            AugurError: the images are not there, or the settings, files or code that they are made with have changed.
        """
        if proposal.prompts is None:
            return None
        made = self._made(self._request(proposal.prompts), makes=False)
        return Synthetic(folder=made.folder, key=made.key, mixing=self._config.aga.mixing)

    def set_of(self, prompts: PromptSet) -> GeneratedSet:
        """The set of images that `prompts` ask for."""
        name = prompts.model_dump_json()
        if name not in self._sets:
            self._sets[name] = self._made(self._request(prompts))
        return self._sets[name]

    def take_no_more_sources_than_needed(self, prompts: PromptSet) -> None:
        """For sets of fewer images than there are training images: look at a part of these alone, for `agent generate`.

        Somewhat more than images are wanted, the classes in turn, because some have no usable subject.

        Args:
            prompts: of which sets are made from now on.

        Raises:
            ConfigurationError: their scale makes no image.
        """
        wanted = image_count(prompts.scale, len(self._sources))
        spare = _SPARE_TO_RECOGNISE if self._request(prompts).recognised else _SPARE
        most = math.ceil(spare * wanted)
        if most >= len(self._sources):
            return
        rows = self._rows_in_turn(range(len(self._sources)), most)
        self._counts = Counter(self._sources.label(row) for row in range(len(self._sources)))
        self._sources = self._sources.only(rows)
        files = "\n".join(self._sources.file(row) for row in range(len(rows)))
        digest = hashlib.sha256(files.encode("utf-8", "surrogateescape")).hexdigest()
        self._fingerprint, self._wanted = f"{self._data.fingerprint}, of these: {digest}", wanted

    def preview_of(self, prompts: PromptSet, shown: Collection[str]) -> tuple[GeneratedSet, TrainingSources]:
        """A set of `PREVIEWED` images, a background each, from as many training images or, to have as many usable
        ones, a few times as many; and these.

        Args:
            prompts: their `scale` does not matter.
            shown: files of the training images that may be looked at.
        """
        request, wanted = self._request(prompts.model_copy(update={"scale": 1.0})), None
        rows = [row for row in range(len(self._sources)) if self._sources.file(row) in shown]
        sources = self._sources.only(self._rows_in_turn(rows, PREVIEWED))
        if request.recognised:
            wanted, most = len(sources), math.ceil(_SPARE_TO_RECOGNISE * PREVIEWED)
            sources = self._sources.only(self._rows_in_turn(rows, most))
        files = ", ".join(sources.file(row) for row in range(len(sources)))
        preview = replace(
            request,
            sources=sources,
            config=request.config.model_copy(update={"pool": 1.0}),
            # Not the data's own: a set of these few images must never be taken for one of all.
            fingerprint=f"{request.fingerprint}, preview of {files}",
            wanted=wanted,
            counts=None,
        )
        return self._made(preview), sources

    def _rows_in_turn(self, rows: Sequence[int], most: int) -> list[int]:
        """At most so many of these, drawn at random from the classes that have a subject, in turn."""
        data = self._data
        without = {
            name
            for name, subject in zip(data.card.classes, data.card.superclasses, strict=False)
            if not subject
        }
        allowed = set(rows)
        draw = np.random.default_rng([self._config.search.seed, len(self._sources)])
        by_class: dict[int, list[int]] = {}
        for row in draw.permutation(len(self._sources)).tolist():
            label = self._sources.label(row)
            if row in allowed and data.card.classes[label] not in without:
                by_class.setdefault(label, []).append(row)
        members = [by_class[label] for label in sorted(by_class)]
        turns = [each[turn] for turn in range(most) for each in members if turn < len(each)]
        return sorted(turns[:most])

    def _request(self, prompts: PromptSet) -> Request:
        data, config = self._data, self._config
        return Request(
            sources=self._sources,
            prompts=prompts,
            config=config.aga,
            root=self.root,
            fit=config.data.fit,
            seed=config.search.seed,
            classes=data.card.classes,
            fingerprint=self._fingerprint,
            wanted=self._wanted,
            counts=self._counts,
            superclasses=dict(enumerate(data.card.superclasses)) or None,
        )

    def _made(self, request: Request, makes: bool = True) -> GeneratedSet:
        with ExitStack() as held:
            made = generate(request, lambda: _held(self.chain.open(), held), self._on_progress, makes)
        if "torch" in sys.modules:  # the memory of models that are no longer used, for the trials
            free_memory()
        return made

    def sheet(self, prompts: PromptSet, path: Path, only: Collection[str] | None = None) -> bool:
        """Write a PNG of some images of the set: real, mask, background, composite.

        Args:
            prompts: name the set.
            path: of the PNG.
            only: the files of the sources that may be shown; None: all.

        Returns:
            Whether it was written: not where none of the images is of these files.
        """
        from tools.aga.making.example_sheet import contact_sheet
        from tools.aga.making.sheet_rows import sheet_rows

        made = self.set_of(prompts)
        rows = sheet_rows(made, self.root, self._sources, SHOWN, only)
        if not rows and only is not None:
            return False
        contact_sheet(rows, path, describe(made))
        return True

    def sources_of(self, view: SplitView) -> TrainingSources:
        """The images of a split at their own size, as the finders want them."""
        return TrainingSources(self._dataset.source, view, self._config.aga.compose.max_side, self._data.span)


def _held(tools: Tools | EditingTools, stack: ExitStack) -> Tools | EditingTools:
    """The tools, with whatever has processes of its own (a maker on several GPUs) closed when `stack` is."""
    for tool in vars(tools).values():
        if close := getattr(tool, "close", None):
            stack.callback(close)
    return tools
