"""GroundingDINO (Liu et al. 2023), as its authors published it: package `groundingdino-py`."""

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.aga.config import DetectorConfig
from tools.aga.detectors.prompted import LONG_SIDE, PromptedDetector, word_positions
from tools.aga.model_weights import put_weights, quiet_libraries, read_checkpoint
from tools.errors import AugurError, ConfigurationError, first_line
from tools.hub import digest_of, file_of, folder_of

if TYPE_CHECKING:
    import torch

_CHECKPOINT = "aga.detector.checkpoint"
_CONFIG = "aga.detector.config"


class GroundingDinoDetector(PromptedDetector):
    """The authors' own model, from a configuration (.py, which is run) and a checkpoint (.pth)."""

    def __init__(self, config: DetectorConfig):
        """Find the files; nothing is loaded.

        Without a configuration the package's own is used: Swin-B's where the checkpoint's name contains swinb, else
        Swin-T's. The text encoder that it names ('bert-base-uncased') may lie as a folder beside the file.

        Raises:
            ConfigurationError: a file is missing.
        """
        self._checkpoint = file_of(
            config.checkpoint,
            _CHECKPOINT,
            "Give the .pth file, or its name on the hub, such as "
            "ShilongLiu/GroundingDINO/groundingdino_swint_ogc.pth",
        )
        wanted = config.config or _packaged_config(self._checkpoint.name)
        self._file = file_of(
            wanted, _CONFIG, "Give the .py file that belongs to the checkpoint, or leave it unset"
        )
        super().__init__(
            config, f"groundingdino:{digest_of(self._file)[:16]}:{digest_of(self._checkpoint)[:16]}"
        )

    def _load(self, device: str) -> None:
        model = self._built(device)
        state = read_checkpoint(self._checkpoint, _CHECKPOINT)
        state = state.get("model", state) if isinstance(state, dict) else {}
        state = {name.removeprefix("module."): weight for name, weight in state.items()}
        # The published files also hold weights used only in training (label_enc) or by older BERTs (position_ids).
        put_weights(model, state, f"{self._checkpoint} ({_CHECKPOINT}), with {self._file},", allow_extra=True)
        self._model = model.to(device).eval()
        self._device = device

    def _built(self, device: str) -> Any:
        try:
            with quiet_libraries("transformers"), redirect_stdout(StringIO()), bert_of_transformers_5():
                from groundingdino.models import build_model
                from groundingdino.util.slconfig import SLConfig

                settings = SLConfig.fromfile(str(self._file))
                beside = self._file.parent / settings.text_encoder_type
                encoder = beside if beside.is_dir() else folder_of(settings.text_encoder_type, _CONFIG)
                settings.text_encoder_type = str(encoder)
                settings.device = device
                # Both save memory in training, and warn without it.
                settings.use_checkpoint = settings.use_transformer_ckpt = False
                return build_model(settings)
        except AugurError:
            raise
        except Exception as error:
            raise ConfigurationError(
                f"no GroundingDINO can be built from {self._file} ({_CONFIG}): "
                f"{type(error).__name__}: {first_line(error)}. Use the file that came with the checkpoint"
            ) from error

    def _forward(self, images: list[np.ndarray], prompt: str) -> tuple[np.ndarray, np.ndarray, list[int]]:
        import torch

        batch = torch.stack([self._prepared(image) for image in images]).to(self._device)
        with torch.inference_mode(), quiet_libraries("transformers"):
            answer = self._model(batch, captions=[prompt] * len(images))
        tokens = self._model.tokenizer(prompt)["input_ids"]
        scores = answer["pred_logits"].sigmoid().cpu().numpy()
        return scores, answer["pred_boxes"].cpu().numpy(), word_positions(tokens, self._model.tokenizer)

    def _prepared(self, image: np.ndarray) -> "torch.Tensor":
        import groundingdino.datasets.transforms as T
        from PIL import Image

        side = self._config.side
        resized, _ = T.resize(Image.fromarray(image), None, side, max_size=round(side * LONG_SIDE))
        tensor, _ = T.ToTensor()(resized, None)
        normalised, _ = T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(tensor, None)
        return normalised


@contextmanager
def bert_of_transformers_5() -> Iterator[None]:
    """Let the package build on a BERT of transformers 5, which lacks methods that the package's wrapper calls.

    All that the wrapper adds is a mask of which token may attend to which. `BertModel` takes such a mask itself once it
    has an axis for the heads. The names of the weights stay the same.
    """
    import torch
    from groundingdino.models.GroundingDINO import groundingdino

    def with_axis_of_heads(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        mask = named["attention_mask"]
        if mask.dim() == 3:
            # Every implementation of attention adds a float mask to the scores; only some read a boolean one.
            mask = ~mask[:, None] * torch.finfo(torch.float32).min
        return arguments, named | {"attention_mask": mask}

    def with_mask(bert_model: Any) -> Any:
        bert_model.register_forward_pre_hook(with_axis_of_heads, with_kwargs=True)
        return bert_model

    wrapper = groundingdino.BertModelWarper
    groundingdino.BertModelWarper = with_mask
    try:
        yield
    finally:
        groundingdino.BertModelWarper = wrapper


def _packaged_config(checkpoint: str) -> Path | None:
    package = find_spec("groundingdino")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "config"
    swin_b = "swinb" in checkpoint.lower()
    return folder / ("GroundingDINO_SwinB_cfg.py" if swin_b else "GroundingDINO_SwinT_OGC.py")
