"""The tools that make a study's synthetic images, as its settings name them."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from agent.llm.privacy import tells_names
from agent.settings.config import LLMConfig, StudyConfig
from tools.aga.chain_facts import ChainFacts, chain_facts
from tools.aga.chain_steps import caption_kind, chain_steps, in_a_line, writes_captions
from tools.aga.config import AgaConfig, GatesConfig
from tools.aga.making.chain import EditingTools, Tools
from tools.aga.types import Box, Detector, Segmenter
from tools.datasets.cache.read import CachedDataset
from tools.datasets.types import Dataset
from tools.errors import ConfigurationError
from tools.text import counted

if TYPE_CHECKING:
    from tools.aga.making.chain import Judge, SemanticJudge
    from tools.aga.types import BackgroundMaker, Captioner

_PROMPT_TOKENS, _FEWEST_TOKENS = 15, 16
"""Tokens of what stands beside the caption in a prompt of ALIA; and what is left for the caption at least."""

_NAMED = 5
"""Photos that are named."""


def describe_chain(config: StudyConfig) -> str:
    """What makes the synthetic images, step by step, and how it could be better, in one line."""
    steps = chain_steps(config.aga, config.caption_llm.model)
    better = "; ".join(each.upgrade for each in steps if each.upgrade)
    return in_a_line(steps) + (f"; better: {better}" if better else "")


class Chain:
    """Opens the tools, each time anew: what holds a model holds its memory."""

    def __init__(
        self,
        config: StudyConfig,
        dataset: Dataset,
        data: CachedDataset,
        root: Path,
        make_ask: Callable[[LLMConfig], Callable[[str, str], str]],
    ) -> None:
        """`root`: folder of the store; `make_ask` connects the chat model that writes captions, when one is needed."""
        self._config, self._dataset, self._data = config, dataset, data
        self._root, self._make_ask = root, make_ask
        self._checked_photos = ""

    def open(self) -> Tools | EditingTools:
        """The detector, segmenter, captioner and background maker, loaded; or, for ALIA, captioner and editor.

        Raises:
            ConfigurationError: weights or a device are missing, no model is configured for the captions, or photos
                for backgrounds are held out for validation or test.
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
            self._check_photos(maker)
            return on_nodes(Tools(detector, segmenter, captioner, maker, classifier, semantic), workers)
        maker = make_background_maker(aga.background)
        self._check_photos(maker)
        return Tools(detector, segmenter, captioner, maker, classifier, semantic)

    def _check_photos(self, maker: "BackgroundMaker") -> None:
        """No photo that becomes a background is a test or validation image: trials would train on what judges them.

        Raises:
            ConfigurationError: some are; names them.
        """
        from tools.aga.backgrounds.photos import FolderMaker

        if not isinstance(maker, FolderMaker) or maker.identity == self._checked_photos:
            return
        from tools.datasets.cache.overlap import photos_held_out

        found = photos_held_out(self._data, self._dataset.source, self._config.data, maker.files)
        if found:
            shown = ", ".join(f"{photo} = {file}" for photo, file in found[:_NAMED])
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise ConfigurationError(
                f"aga.background.folder has {counted(len(found), 'validation or test image')} ({shown}{more}), which "
                "must not be seen in training: take them out of the folder, or give a folder of other photos"
            )
        self._checked_photos = maker.identity

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
        return open_captioner(caption, self._root / "captions", ask, llm.model or "", count, private)
