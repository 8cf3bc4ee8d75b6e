"""Last-layer features of a classifier, drawn in the plane, and how dense the clusters of its classes are.

Figure 15 of the AGA paper: do synthetic images lie where the real ones of their class lie?
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch

from tools.training.evaluation import Classifier
from tools.training.networks.weights import head_of


def features_of(classifier: Classifier, images: np.ndarray, batch: int = 128) -> np.ndarray:
    """What the classifying layer sees of each image: float32 (N, D).

    Args:
        classifier: in evaluation mode.
        images: uint8 (N, S, S, 3).
        batch: images in a call of the model.
    """
    seen: list[torch.Tensor] = []

    def watch(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        found = given[0].detach().float()
        seen.append((found.mean(dim=(2, 3)) if found.ndim == 4 else found).cpu())

    hook = classifier.model.get_submodule(head_of(classifier.model)).register_forward_pre_hook(watch)
    try:
        with torch.inference_mode():
            for start in range(0, len(images), batch):
                some = torch.from_numpy(np.array(images[start : start + batch])).permute(0, 3, 1, 2)
                classifier.model(classifier.normalisation.apply(some, classifier.device))
    finally:
        hook.remove()
    return torch.cat(seen).numpy()


@dataclass(frozen=True)
class Clusters:
    """How dense the clusters of classes are, and how far apart."""

    spread: float
    """Mean distance to the centre of the own class, per mean distance between centres."""
    apart: float
    """Mean distance between the centres, in units of the features; 0 with one class."""


def clusters_of(features: np.ndarray, labels: np.ndarray) -> Clusters:
    """Of features, float (N, D), by their labels, int (N,)."""
    classes = np.unique(labels)
    centres = np.stack([features[labels == each].mean(axis=0) for each in classes]).astype(np.float64)
    within = np.linalg.norm(features - centres[np.searchsorted(classes, labels)], axis=1).mean()
    between = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    count = len(classes)
    apart = float(between.sum() / (count * (count - 1))) if count > 1 else 0.0
    return Clusters(float(within) / apart if apart else float("inf"), apart)


def in_the_plane(features: np.ndarray, seed: int = 0) -> tuple[np.ndarray, Literal["UMAP", "t-SNE"]]:
    """Places in the plane, float (N, 2), by UMAP where umap-learn is installed, else by t-SNE; and which it was.

    Needs at least 5 images.
    """
    if find_spec("umap") is not None:
        import warnings

        from umap import UMAP  # pyright: ignore[reportMissingImports]  # an extra

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that one seed means one thread
            made = UMAP(n_neighbors=min(15, len(features) - 1), random_state=seed).fit_transform(features)
        return np.asarray(made), "UMAP"
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(features) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(features), "t-SNE"
