"""Trials on disk, and the key that names one. Light: imports no torch.

A trial's folder holds `trial.lock`, `epochs.jsonl` and `checkpoint.pt` while it trains, `weights.safetensors` and
`result.json` when it has ended, and later `predictions-SPLIT.npz`. A result is written for outcomes that training again
would only repeat: finished, or a loss that is not finite. After any other failure (memory, time, a killed worker) there
is none, and training the same key again resumes from the checkpoint.
"""

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tools.errors import ConfigurationError
from tools.files import sha256_of, write_json, write_whole
from tools.training.config import ModelConfig, Recipe
from tools.training.synthetic import Synthetic
from tools.training.types import Scores, TrialResult

if TYPE_CHECKING:
    from tools.training.types import Predictions

RESULT = "result.json"
WEIGHTS = "weights.safetensors"
LOCK = "trial.lock"
TORCHVISION_WEIGHTS = "torchvision"


def trial_key(
    canonical_policy: str,
    fingerprint: str,
    model: ModelConfig,
    recipe: Recipe,
    seed: int,
    schema_version: int,
    synthetic: Synthetic | None = None,
) -> str:
    """SHA-256 (64 hex digits) of everything that decides a trial's outcome, except the machine.

    Args:
        canonical_policy: canonical JSON of the policy.
        fingerprint: of the decoded data set, splits included.
        model: a local weights file counts by its content, wherever it is.
        recipe: resolved.
        seed: the trial's.
        schema_version: of the proposal's meaning.
        synthetic: counts by the key of the set and by how it is mixed in, wherever its folder is. It is part of the
            key only if there is one, so that trials without keep theirs.

    Raises:
        ConfigurationError: the weights file cannot be read.
    """
    described = model.model_dump(mode="json")
    if model.weights is not None and model.weights != TORCHVISION_WEIGHTS:
        described["weights"] = _digest_of_weights(Path(model.weights))
    content = {
        "policy": canonical_policy,
        "data": fingerprint,
        "model": described,
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "schema": schema_version,
    }
    if synthetic is not None:
        content["synthetic"] = {"key": synthetic.key, **synthetic.mixing.decisive()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _digest_of_weights(file: Path) -> str:
    try:
        status = file.stat()
        return _digest(file.resolve(), status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the weights file {file} (model.weights): {error.strerror}. "
            "Give 'torchvision', or the path of a .safetensors or .pth file"
        ) from error


@lru_cache(maxsize=16)
def _digest(file: Path, size: int, modified: int) -> str:
    return sha256_of(file)


def read_result(directory: Path) -> TrialResult | None:
    """The result in a trial's folder, or None where it has none yet."""
    try:
        return TrialResult.from_json(json.loads((directory / RESULT).read_text("utf-8")))
    except FileNotFoundError:
        return None


def write_result(directory: Path, result: TrialResult) -> None:
    """Write how the trial in `directory` ended."""
    write_json(directory / RESULT, result.as_json())


def predictions_file(directory: Path, split: str) -> Path:
    """The file of the predictions on `split` of the trial in `directory`."""
    return directory / f"predictions-{split}.npz"


def write_predictions(directory: Path, split: str, predictions: "Predictions") -> None:
    """Keep predictions with the trial: arrays `probabilities` and `labels`, and the scores as JSON text."""
    from io import BytesIO

    import numpy as np

    stream = BytesIO()
    np.savez(
        stream,
        probabilities=predictions.probabilities,
        labels=predictions.labels,
        scores=np.array(json.dumps(asdict(predictions.scores))),
    )
    write_whole(predictions_file(directory, split), stream.getvalue())


def read_predictions(directory: Path, split: str) -> "Predictions | None":
    """The predictions on `split` of the trial in `directory`, or None."""
    import numpy as np

    from tools.training.types import Predictions

    file = predictions_file(directory, split)
    if not file.is_file():
        return None
    with np.load(file, allow_pickle=False) as content:
        scores: dict[str, Any] = json.loads(str(content["scores"]))
        return Predictions(content["probabilities"], content["labels"], Scores.from_json(scores))


class TrialStore:
    """All trials under one folder, each in a folder named by its key."""

    def __init__(self, root: Path) -> None:
        """`root` need not exist yet."""
        self.root = root

    def directory(self, key: str) -> Path:
        """The trial's own folder, which may not exist yet."""
        return self.root / key

    def result(self, key: str) -> TrialResult | None:
        """How the trial ended, or None if training it (again) may still give a result."""
        return read_result(self.directory(key))

    def has_weights(self, key: str) -> bool:
        """Whether its trained weights are still there."""
        return (self.directory(key) / WEIGHTS).is_file()

    def forget(self, key: str) -> None:
        """Delete everything of the trial, so that it is trained from the beginning."""
        directory = self.directory(key)
        if not directory.is_dir():
            return
        with FileLock(directory / LOCK):
            for file in directory.iterdir():
                if file.name != LOCK:
                    file.unlink()

    def drop_weights(self, key: str) -> None:
        """Delete its weights to free space; its result and predictions stay."""
        (self.directory(key) / WEIGHTS).unlink(missing_ok=True)

    def predictions(self, key: str, split: str) -> "Predictions | None":
        """Its predictions on `split`, or None where it was not evaluated on it."""
        return read_predictions(self.directory(key), split)
