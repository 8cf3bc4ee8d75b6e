"""How close synthetic images come to real ones, in the features of a network that knows neither.

- **Fréchet distance** (Heusel et al. 2017): between Gaussians fitted to both. It needs more images than features, so it
  is taken along the leading principal components of the real images, and beside it stands that of real images to other
  real images in the same number: this is what "no difference" looks like.
- **Density and coverage** (Naeem et al. 2020): how many real neighbourhoods a synthetic image lies in, as a share of
  what real ones would (1 is as real), and the share of real images that have a synthetic one in their neighbourhood.
- **Near copies**: synthetic images that lie nearer to a training image than that lies to any other training image (one
  less the authenticity of Alaa et al. 2022). Subjects are cut out of training images: some are to be expected.
"""

from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 5
"""Of density and coverage; the authors' choice."""
FEWEST = 40
"""Images of each kind that the measures need."""
_COMPONENTS, _PER_COMPONENT = 64, 4
"""Principal components at most, and real images for each."""


@dataclass(frozen=True)
class Closeness:
    """Of some images to real ones, of which they are no part."""

    frechet: float
    """Fréchet distance, in units of the features' variance: 0 where both are alike."""
    density: float
    coverage: float
    """0..1."""
    copies: float
    """Share of near copies, 0..1."""


def closeness(features: np.ndarray, real: np.ndarray) -> Closeness:
    """How close images come to real ones.

    Args:
        features: float (N, D) of the images.
        real: float (M, D) of the real ones.

    Raises:
        ValueError: there are fewer than `FEWEST` of either.
    """
    from sklearn.neighbors import NearestNeighbors

    if min(len(features), len(real)) < FEWEST:
        raise ValueError(f"closeness needs {FEWEST} images of each kind")
    index = NearestNeighbors().fit(real)
    own = index.kneighbors(n_neighbors=NEIGHBOURS)[0]  # without the image itself
    radius = own[:, -1]
    inside = np.array([(np.linalg.norm(real - each, axis=1) <= radius) for each in features])
    distance, nearest = (each[:, 0] for each in index.kneighbors(features, n_neighbors=1))
    return Closeness(
        frechet(features, real),
        float(inside.sum() / (NEIGHBOURS * len(features))),
        float(inside.any(axis=0).mean()),
        float((distance < own[nearest, 0]).mean()),
    )


def frechet(features: np.ndarray, real: np.ndarray) -> float:
    """The Fréchet distance of two sets of features, float (N, D) and (M, D), by the components of `real`.

    In units of the variance of `real` along these components.
    """
    components = min(_COMPONENTS, len(real) // _PER_COMPONENT, len(features) // _PER_COMPONENT, real.shape[1])
    centre = real.mean(axis=0, dtype=np.float64)
    _, _, axes = np.linalg.svd(real - centre, full_matrices=False)
    one, other = ((each - centre) @ axes[:components].T for each in (features, real))
    first, second = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (one, other))
    # The trace of the square root of a product of covariances: its eigenvalues are real and not negative.
    roots = np.sqrt(np.clip(np.linalg.eigvals(first @ second).real, 0, None)).sum()
    apart = float(((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum())
    distance = apart + float(np.trace(first) + np.trace(second)) - 2 * float(roots)
    variance = float(np.trace(second))
    return max(0.0, distance / variance) if variance > 0 else 0.0
