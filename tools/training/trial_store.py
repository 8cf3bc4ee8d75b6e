"""Trials on disk, and the key that names one. Light: imports no torch.

A trial's folder holds `trial.lock`, `epochs.jsonl` and `checkpoint.pt` while it trains, `weights.safetensors`,
`predictions-validation.npz` and `result.json` when it has ended, and later predictions on other splits. A result is
written for outcomes that training again would only repeat: finished, or a loss that is not finite. After any other
failure (memory, time, a killed worker) there is none, and training the same key again resumes from the checkpoint.

Every file is known by its digest: that of `result.json` and of predictions is in the file itself, that of the
weights in `result.json`. A file that is torn, or was changed, is found when it is first read, and made again. Files of
versions that wrote no digests are believed where they can be read.
"""

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import ConfigurationError, first_line
from tools.files import (
    DamagedFile,
    locked,
    read_checked_json,
    sha256_of,
    write_checked_json,
    write_whole,
)
from tools.policy.own import placeless
from tools.training.config import Fold, ModelConfig, Recipe
from tools.training.model_source import source_identity
from tools.training.synthetic import Synthetic
from tools.training.types import Scores, TrialResult

if TYPE_CHECKING:
    import numpy as np

    from tools.training.types import Predictions

RESULT = "result.json"
WEIGHTS = "weights.safetensors"
LOCK = "trial.lock"
KEPT = "weights.kept"
"""Empty; while it is there, a study that shares the trial does not drop its weights."""

_WEIGHTS_DIGEST = "weights_sha256"
"""Key in result.json."""


def trial_key(
    canonical_policy: str,
    fingerprint: str,
    model: ModelConfig,
    recipe: Recipe,
    seed: int,
    schema_version: int,
    synthetic: Synthetic | None = None,
    fold: Fold | None = None,
    trunk_policy: str | None = None,
    stop: int | None = None,
) -> str:
    """SHA-256 (64 hex digits) of everything that decides a trial's outcome, except the machine.

    Args:
        canonical_policy: canonical JSON of the policy.
        fingerprint: of the decoded data set, splits included.
        model: its code and a file of weights count by their content, wherever they are.
        recipe: resolved.
        seed: the trial's.
        schema_version: of the proposal's meaning.
        synthetic: counts by the key of the set and by how it is mixed in, wherever its folder is. It is part of the
            key only if there is one, so that trials without keep theirs.
        fold: part of the key only where it differs from the splits as they are.
        trunk_policy: canonical JSON of `Trunk.policy`; part of the key only where those epochs differ from the trial's
            own.
        stop: the epoch that it stops after, in the middle of the recipe; part of the key only where it does.

    Raises:
        ConfigurationError: the weights file cannot be read.
    """
    content = {
        "policy": placeless(canonical_policy),
        "data": fingerprint,
        "model": model_identity(model),
        # A field with a default counts only where it differs: keys of earlier versions stay as they were.
        "recipe": recipe.model_dump(mode="json", exclude_defaults=True),
        "seed": seed,
        "schema": schema_version,
    }
    if synthetic is not None:
        content["synthetic"] = {"key": synthetic.key, **synthetic.mixing.decisive()}
    if fold is not None and not fold.is_as_split:
        content["fold"] = fold.model_dump(mode="json")
    if trunk_policy is not None and (trunk_policy != canonical_policy or synthetic is not None):
        content["trunk"] = placeless(trunk_policy)
    if stop is not None:
        content["stop"] = stop
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def model_identity(model: ModelConfig) -> dict[str, Any]:
    """All that decides which function of its weights a model is, and what these are before training.

    Raises:
        ConfigurationError: the weights file, or the code of the model, cannot be read.
    """
    described: dict[str, Any] = {"name": model.name, "weights": model.weights, "stem": model.stem}
    if model.norm_momentum != "auto":
        described["norm_momentum"] = model.norm_momentum
    if model.weights_file is not None:
        described["weights"] = _digest_of_weights(model.weights_file)
    if model.named.is_code:
        described["name"] = model.named.function
    # What came later counts only where it differs, so that earlier keys stay as they were.
    if (source := source_identity(model.name)) is not None:
        described["source"] = source
    if model.normalisation != "auto":
        described["normalisation"] = model.normalisation
    return described


def trunk_key(
    canonical_policy: str,
    fingerprint: str,
    model: ModelConfig,
    recipe: Recipe,
    seed: int,
    schema_version: int,
    synthetic: Synthetic | None = None,
    fold: Fold | None = None,
) -> str:
    """As `trial_key`, of what trials of schedule 'wsd' have in common that differ in nothing but their length."""
    endless = recipe.model_copy(update={"epochs": 0, "cooldown_fraction": 0.0})
    return trial_key(canonical_policy, fingerprint, model, endless, seed, schema_version, synthetic, fold)


def _digest_of_weights(file: Path) -> str:
    try:
        status = file.stat()
        return _digest(file.resolve(), status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the weights file {file} (model.weights): {error.strerror}. "
            "Give 'torchvision', or the path of a .safetensors or .pth file"
        ) from error


@lru_cache(maxsize=1024)
def _digest(file: Path, size: int, modified: int) -> str:
    return sha256_of(file)


def read_result(directory: Path) -> TrialResult | None:
    """The result in a trial's folder, or None where it has none yet.

    Raises:
        DamagedFile: it is torn, was changed, or belongs to another trial.
    """
    content = _read_result(directory)
    if content is None:
        return None
    try:
        return TrialResult.from_json(content)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DamagedFile(directory / RESULT, f"it holds no result: {error}") from error


def _read_result(directory: Path) -> dict[str, Any] | None:
    try:
        content = read_checked_json(directory / RESULT)
    except FileNotFoundError:
        return None
    content.pop(_WEIGHTS_DIGEST, None)
    return content


def write_result(directory: Path, result: TrialResult, weights_digest: str | None = None) -> None:
    """Write how the trial in `directory` ended; `weights_digest` is the SHA-256 of the weights that it left."""
    content = result.as_json()
    if weights_digest is not None:
        content[_WEIGHTS_DIGEST] = weights_digest
    write_checked_json(directory / RESULT, content)


def check_weights(directory: Path) -> None:
    """Compare the trained weights with the digest that the result has of them; reads them once a session.

    Raises:
        FileNotFoundError: there are none.
        DamagedFile: they, or the result, are not as they were written.
    """
    file = directory / WEIGHTS
    status = file.stat()
    try:
        expected = read_checked_json(directory / RESULT).get(_WEIGHTS_DIGEST)
    except FileNotFoundError:
        expected = None
    if not status.st_size:
        raise DamagedFile(file, "it is empty")
    if expected is not None and _digest(file.resolve(), status.st_size, status.st_mtime_ns) != expected:
        raise DamagedFile(file, f"its content does not fit the digest in {RESULT}")


def predictions_file(directory: Path, split: str) -> Path:
    """The file of the predictions on `split` of the trial in `directory`."""
    return directory / f"predictions-{split}.npz"


def write_predictions(directory: Path, split: str, predictions: "Predictions") -> None:
    """Keep predictions with the trial: arrays `probabilities` and `labels`, the scores as JSON text, and a digest."""
    from io import BytesIO

    import numpy as np

    scores = json.dumps(asdict(predictions.scores))
    stream = BytesIO()
    np.savez(
        stream,
        probabilities=predictions.probabilities,
        labels=predictions.labels,
        scores=np.array(scores),
        digest=np.array(_digest_of(split, predictions.probabilities, predictions.labels, scores)),
    )
    write_whole(predictions_file(directory, split), stream.getvalue())


def read_predictions(directory: Path, split: str) -> "Predictions | None":
    """The predictions on `split` of the trial in `directory`, or None.

    Raises:
        DamagedFile: they are torn, were changed, or are of another split.
    """
    from zipfile import BadZipFile
    from zlib import error as DeflateError

    import numpy as np

    from tools.training.types import Predictions

    file = predictions_file(directory, split)
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as content:
            probabilities, labels, scores = (
                content["probabilities"],
                content["labels"],
                str(content["scores"]),
            )
            digest = str(content["digest"]) if "digest" in content else None
        if digest not in (None, _digest_of(split, probabilities, labels, scores)):
            raise DamagedFile(file, "its content does not fit its digest")
        return Predictions(probabilities, labels, Scores.from_json(json.loads(scores)))
    except (
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        BadZipFile,
        DeflateError,
        NotImplementedError,
    ) as error:
        raise DamagedFile(file, f"{type(error).__name__}: {first_line(error)}") from error


def _digest_of(split: str, probabilities: "np.ndarray", labels: "np.ndarray", scores: str) -> str:
    digest = hashlib.sha256(split.encode())
    for array in (probabilities, labels):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    digest.update(scores.encode())
    return digest.hexdigest()


class TrialStore:
    """All trials under one folder, each in a folder named by its key."""

    def __init__(self, root: Path) -> None:
        """`root` need not exist yet."""
        self.root = root

    def directory(self, key: str) -> Path:
        """The trial's own folder, which may not exist yet."""
        return self.root / key

    def result(self, key: str) -> TrialResult | None:
        """How the trial ended, or None if training it (again) may still give a result.

        Raises:
            DamagedFile: the result is torn, was changed, or is another trial's: `forget` the trial, and train it again.
        """
        found = read_result(self.directory(key))
        if found is not None and found.key != key:
            raise DamagedFile(self.directory(key) / RESULT, f"it is of the trial {found.key[:12]}")
        return found

    def has_weights(self, key: str) -> bool:
        """Whether its trained weights are still there.

        Raises:
            DamagedFile: they are there, but not as they were written.
        """
        try:
            check_weights(self.directory(key))
        except FileNotFoundError:
            return False
        return True

    def forget(self, key: str) -> None:
        """Delete everything of the trial, so that it is trained from the beginning."""
        directory = self.directory(key)
        if not directory.is_dir():
            return
        with locked(directory / LOCK):
            for file in directory.iterdir():
                if file.name != LOCK:
                    file.unlink()

    def keep_weights(self, key: str) -> None:
        """From now on, `drop_weights` leaves the weights of this trial, which somebody asked for."""
        if self.directory(key).is_dir():
            (self.directory(key) / KEPT).touch()

    def drop_weights(self, key: str) -> None:
        """Delete its weights to free space, unless they are to be kept; its result and predictions stay."""
        if (self.directory(key) / KEPT).exists():
            return
        (self.directory(key) / WEIGHTS).unlink(missing_ok=True)

    def predictions(self, key: str, split: str) -> "Predictions | None":
        """Its predictions on `split`, or None where it was not evaluated on it.

        Raises:
            DamagedFile: they are not as they were written.
        """
        return read_predictions(self.directory(key), split)
