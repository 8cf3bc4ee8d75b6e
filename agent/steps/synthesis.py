"""Synthetic images in a study: whether proposals may ask for them, and the set that a proposal asks for."""

import hashlib
import math
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent.llm.privacy import tells_names
from agent.memory.history import Backgrounds
from agent.memory.proposal import Proposal
from agent.settings.config import LLMConfig, StudyConfig
from agent.steps.set_in_words import describe
from tools.aga.chain import EditingTools, StageProgress, Tools
from tools.aga.chain_facts import ChainFacts, chain_facts
from tools.aga.chain_steps import caption_kind, chain_steps, in_a_line, writes_captions
from tools.aga.config import AgaConfig, GatesConfig, PromptSet
from tools.aga.making.request import Request
from tools.aga.making.set_plan import image_count
from tools.aga.making.source_images import TrainingSources, training_sources
from tools.aga.pipeline import generate
from tools.aga.store.sets import GeneratedSet
from tools.aga.types import Box, Detector, Segmenter
from tools.datasets.cache.read import CachedDataset, SplitView
from tools.datasets.types import Card, Dataset
from tools.machine import free_memory
from tools.training.synthetic import Synthetic

if TYPE_CHECKING:
    from tools.aga.chain import Judge, SemanticJudge
    from tools.aga.types import Captioner

WITH_SUBJECTS = ("natural", "digits")
"""Modalities whose images show a subject on a background that does not decide the label."""
SHOWN = 8
"""Rows of a contact sheet."""
PREVIEWED = 8
"""Images of a preview."""
_PROMPT_TOKENS, _FEWEST_TOKENS = 15, 16
"""Tokens of what stands beside the caption in a prompt of ALIA; and what is left for the caption at least."""
_SPARE, _SPARE_TO_RECOGNISE = 1.5, 4.0
"""Training images that are looked at for each synthetic one, where not all are needed; and where cut-outs have to be
recognised, of which a quarter or half are."""


def backgrounds_of(config: StudyConfig, card: Card) -> tuple[Backgrounds, str]:
    """Whether proposals carry background prompts ('auto' resolved), and the sentence that says so and why."""
    mode = config.search.backgrounds
    if card.several_labels:
        return "off", "off (an image may have several labels, which do not belong to one subject)"
    if mode != "auto":
        return mode, mode
    if card.modality in WITH_SUBJECTS:
        return "optional", f"optional (auto: images of kind {card.modality} show a subject on a background)"
    return "off", (
        f"off (auto: in images of kind {card.modality} the background may belong to the subject; "
        "--search.backgrounds optional allows them)"
    )


def describe_chain(config: StudyConfig) -> str:
    """What makes the synthetic images, step by step, and how it could be better, in one line."""
    steps = chain_steps(config.aga, config.caption_llm.model)
    better = "; ".join(each.upgrade for each in steps if each.upgrade)
    return in_a_line(steps) + (f"; better: {better}" if better else "")


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
        self._config, self._data, self._dataset = config, data, dataset
        self._on_progress, self._make_ask = on_progress, make_ask
        self._sources = training_sources(dataset, data, config.aga.compose.max_side)
        self.root = config.runs_dir / "aga"
        """Folder of the store."""
        self._sets: dict[str, GeneratedSet] = {}
        self._fingerprint, self._wanted = data.fingerprint, None

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
            superclasses=dict(enumerate(data.card.superclasses)) or None,
        )

    def _made(self, request: Request, makes: bool = True) -> GeneratedSet:
        with ExitStack() as held:
            made = generate(request, lambda: _held(self.tools(), held), self._on_progress, makes)
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

    def tools(self) -> Tools | EditingTools:
        """The detector, segmenter, captioner and background maker, loaded; or, for ALIA, captioner and editor.

        Raises:
            ConfigurationError: weights or a device are missing, or no model is configured for the captions.
        """
        aga = self._config.aga
        classifier, semantic = self._classifier(aga.gates), self._semantic(aga.gates)
        if aga.generator == "alia":
            from tools.aga.editing.editor import ImageEditor

            return EditingTools(
                self._captioner(aga), ImageEditor(aga.background, aga.edit), classifier, semantic
            )
        from tools.aga.backgrounds.make import make_background_maker

        detector, segmenter = self.finders()
        captioner = self._captioner(aga)
        if self._config.execution.kind == "ray":
            from tools.execution.on_ray.images import image_workers, maker_on_nodes, on_nodes

            workers = image_workers(self._config.execution, aga)
            maker = maker_on_nodes(workers)
            return on_nodes(Tools(detector, segmenter, captioner, maker, classifier, semantic), workers)
        maker = make_background_maker(aga.background)
        return Tools(detector, segmenter, captioner, maker, classifier, semantic)

    def _classifier(self, gates: GatesConfig) -> "Judge | None":
        if gates.classifier is None:
            return None
        from tools.aga.gates.classifier_gate import ClassifierGate

        data = self._data
        judge = ClassifierGate(gates.classifier, data.card.classes, data.image_size, gates)
        if gates.confidence == "class":
            train = data.split("train")
            judge.take_limits_from(train.images, train.labels)
        return judge

    def _semantic(self, gates: GatesConfig) -> "SemanticJudge | None":
        if gates.clip is None:
            return None
        from tools.aga.gates.clip_gate import ClipGate

        return ClipGate(gates.clip)

    def finders(self) -> tuple[Detector, Segmenter]:
        """What finds the subject of an image, and what cuts it out.

        Raises:
            ConfigurationError: weights or a device are missing.
        """
        from tools.aga.finders import make_finders

        aga = self._config.aga
        boxes = {
            file: Box(each.left, each.top, each.right, each.bottom, 1.0)
            for file, each in self._dataset.boxes.items()
        }
        return make_finders(aga, boxes, self._dataset.masks)

    def sources_of(self, view: SplitView) -> TrainingSources:
        """The images of a split at their own size, as the finders want them."""
        return TrainingSources(self._dataset.source, view, self._config.aga.compose.max_side, self._data.span)

    @cached_property
    def facts(self) -> ChainFacts:
        """Which tools make the images, for the prompt."""
        writes = writes_captions(self._config.aga)
        return chain_facts(self._config.aga, self._config.caption_llm.model if writes else None)

    def _captioner(self, aga: AgaConfig) -> "Captioner":
        from tools.aga.captions.captioners import open_captioner
        from tools.aga.captions.fitting import approximate_tokens, clip_token_counter

        llm = self._config.caption_llm
        writes = writes_captions(aga)
        ask = self._make_ask(llm) if writes and llm.model else None
        caption = aga.caption.model_copy(update={"kind": caption_kind(aga)})
        if aga.generator == "alia":  # the rest of the prompt has to fit as well
            room = max(_FEWEST_TOKENS, caption.max_tokens - _PROMPT_TOKENS)
            caption = caption.model_copy(update={"max_tokens": room})
        diffusion = aga.background.kind == "diffusion"
        count = clip_token_counter(aga.background.model) if diffusion else approximate_tokens
        private = () if tells_names(llm, self._data.card) else self._data.card.classes
        return open_captioner(caption, self.root / "captions", ask, llm.model or "", count, private)


def _held(tools: Tools | EditingTools, stack: ExitStack) -> Tools | EditingTools:
    """The tools, with whatever has processes of its own (a maker on several GPUs) closed when `stack` is."""
    for tool in vars(tools).values():
        if close := getattr(tool, "close", None):
            stack.callback(close)
    return tools
