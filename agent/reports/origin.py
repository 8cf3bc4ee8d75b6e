"""What a repetition of a study needs: versions, digests, and the commands."""

import platform
import shlex
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("augur-vision", "torch", "torchvision", "numpy", "pillow", "opencv-python-headless", "mlflow")


def versions() -> list[tuple[str, str]]:
    """Of what results depend on."""
    known = [("Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")]
    for name in _PACKAGES:
        try:
            known.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return known


def commands(study: str, folder: Path, runs_dir: Path, policy: bool) -> list[tuple[str, str]]:
    """(what it does, command line).

    Args:
        study: its name.
        folder: its own.
        runs_dir: where it lies.
        policy: whether a policy was handed over.
    """
    where = shlex.quote(str(runs_dir))
    config = shlex.quote(str(folder / "config.yaml"))
    lines = [
        (
            "The same study again, under another name. Trainings that are kept in the runs folder are reused.",
            f"agent run --config {config} --study {shlex.quote(study + '-again')}",
        ),
        ("All trainings, curves and files, in MLflow:", f"agent ui --runs-dir {where}"),
    ]
    if policy:
        file = shlex.quote(str(folder / "policy.json"))
        lines.insert(
            1,
            (
                "The recommended policy against no augmentation, without a search:",
                f"agent train --config {config} --policy {file} --study {shlex.quote(study + '-policy')}",
            ),
        )
    return lines
