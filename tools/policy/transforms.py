"""Transforms that torchvision lacks, or whose torchvision version is too slow or too coarse on one core.

Each draws from torch's global generator only, and uses nothing of this project but the functions at the top:
`export.py` copies the source of those that a policy uses. Tensors are uint8 (3, H, W) with any strides, RGB.
"""

import io
import math
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageEnhance
import torch
from torchvision.transforms import v2


def uniform(low: float, high: float) -> float:
    """A number drawn from [low, high)."""
    return low + (high - low) * torch.rand(1).item()


def as_array(image: torch.Tensor) -> np.ndarray:
    """Tensor (3, H, W) to contiguous array (H, W, 3); shares memory where the strides allow."""
    if image.is_contiguous():  # planes, as torch leaves them: OpenCV weaves them ten times faster than numpy
        return cv2.merge(tuple(image.numpy()))
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def as_tensor(image: np.ndarray) -> torch.Tensor:
    """Array (H, W, 3) to tensor (3, H, W) that shares its memory."""
    return torch.from_numpy(image).permute(2, 0, 1)


def border_colour(image: np.ndarray) -> list[float]:
    """Median colour of the outermost pixels: black around a fundus, skin around a lesion.

    Black corners on skin would be a shape that the classifier can learn, and dermoscopy has them by nature.
    """
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return np.median(border, axis=0).tolist()


def warp(image: torch.Tensor, matrix: np.ndarray, inverse: bool) -> torch.Tensor:
    """Bilinear warp by a 3 x 3 matrix on (column, row), or by its inverse.

    Uncovered areas take the colour of the border. OpenCV needs a third of the time of PIL and torch.
    """
    array = as_array(image)
    size = (array.shape[1], array.shape[0])
    flags = cv2.INTER_LINEAR | (cv2.WARP_INVERSE_MAP if inverse else 0)
    return as_tensor(cv2.warpPerspective(array, matrix, size, flags=flags, borderValue=border_colour(array)))


def mean_colour(image: torch.Tensor) -> torch.Tensor:
    """Mean colour of the image, uint8 (3, 1, 1)."""
    return torch.tensor(cv2.mean(as_array(image))[:3]).round().to(torch.uint8)[:, None, None]


def blended(image: torch.Tensor, grey: int, factor: float) -> torch.Tensor:
    """`factor` of the image and the rest of a grey level, as Pillow rounds it.

    Pillow blends a ramp of all 256 levels once, and OpenCV looks the pixels up in it.
    """
    ramp = PIL.Image.frombytes("L", (256, 1), bytes(range(256)))
    levels = PIL.Image.blend(PIL.Image.new("L", (256, 1), grey), ramp, factor)
    return as_tensor(cv2.LUT(as_array(image), np.frombuffer(levels.tobytes(), np.uint8)))


class Affine(v2.RandomAffine):
    """torchvision's RandomAffine, bilinear, with uncovered areas in the colour of the border."""

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Shears, scales, rotates and shifts about the centre, as torchvision defines these."""
        angle = math.radians(params["angle"])
        shear_x, shear_y = (math.tan(math.radians(shear)) for shear in params["shear"])
        rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        shears = np.array([[1, 0], [-shear_y, 1]]) @ np.array([[1, -shear_x], [0, 1]])
        centre = np.array([(inpt.shape[-1] - 1) / 2, (inpt.shape[-2] - 1) / 2])
        matrix = np.eye(3)
        matrix[:2, :2] = params["scale"] * rotation @ shears
        matrix[:2, 2] = centre - matrix[:2, :2] @ centre + params["translate"]
        return warp(inpt, matrix, inverse=False)


class Perspective(v2.RandomPerspective):
    """torchvision's RandomPerspective, bilinear, with uncovered areas in the colour of the border."""

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Warps by the eight coefficients, which map the output to the input."""
        return warp(inpt, np.array([*params["coefficients"], 1.0]).reshape(3, 3), inverse=True)


class Elastic(v2.Transform):
    """Random displacements on a coarse grid, interpolated by cubic splines (Ronneberger et al. 2015).

    torchvision's ElasticTransform blurs noise with one large two-dimensional kernel: 30 ms at 224 px.
    What comes in from outside is mirrored at the border.
    """

    def __init__(self, displacement: float, cells: int) -> None:
        super().__init__()
        self.displacement = displacement
        self.cells = cells

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Warps the image."""
        height, width = inpt.shape[-2:]
        coarse = (torch.randn(2, self.cells, self.cells) * (self.displacement * width)).numpy()
        columns, rows = (
            cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC) for plane in coarse
        )
        columns += np.arange(width, dtype=np.float32)
        rows += np.arange(height, dtype=np.float32)[:, None]
        border = cv2.BORDER_REFLECT_101
        return as_tensor(cv2.remap(as_array(inpt), columns, rows, cv2.INTER_LINEAR, borderMode=border))


class Brightness(v2.ColorJitter):
    """torchvision's ColorJitter of the brightness of Pillow images, to the pixel, in a third of the time."""

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Blends the image with black."""
        return blended(inpt, 0, params["brightness_factor"])


class Contrast(v2.ColorJitter):
    """torchvision's ColorJitter of the contrast of Pillow images, to the pixel, in half of the time."""

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Blends the image with its mean grey level."""
        grey = np.asarray(PIL.Image.fromarray(as_array(inpt)).convert("L"))
        return blended(inpt, int(cv2.sumElems(grey)[0] / grey.size + 0.5), params["contrast_factor"])


class Hue(v2.Transform):
    """Shifts the hue by up to `shift` turns either way, in 8-bit HSV as PIL does, ten times faster."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Turns the colour wheel; grey pixels stay as they are."""
        hsv = cv2.cvtColor(as_array(inpt), cv2.COLOR_RGB2HSV_FULL)
        hsv[..., 0] += np.uint8(round(uniform(-self.shift, self.shift) * 256) % 256)  # wraps around
        return as_tensor(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL))


class Gamma(v2.Transform):
    """Raises pixel values (0 to 1) to an exponent drawn log-uniformly from [1 / gamma, gamma]."""

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.limit = math.log(gamma)

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Looks each value up in a table."""
        exponent = math.exp(uniform(-self.limit, self.limit))
        table = np.round(np.linspace(0, 1, 256) ** exponent * 255).astype(np.uint8)
        return as_tensor(cv2.LUT(as_array(inpt), table))


class Clahe(v2.Transform):
    """Blends the image with its contrast-limited adaptive histogram equalisation, by a share drawn from [0, 1].

    Works on the luma: grey stays grey. OpenCV counts the clip limit in multiples of tile pixels / 256, rounded
    down but never below one, so that it hardly matters on tiles of less than 100 pixels; the blend always does.
    """

    def __init__(self, clip_limit: float, tiles: int) -> None:
        super().__init__()
        self.clip_limit = clip_limit
        self.tiles = tiles

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Equalises locally."""
        share = uniform(0, 1)
        ycc = cv2.cvtColor(as_array(inpt), cv2.COLOR_RGB2YCrCb)
        luma = ycc[..., 0]
        equalised = cv2.createCLAHE(self.clip_limit, (self.tiles, self.tiles)).apply(luma)
        ycc[..., 0] = cv2.addWeighted(luma, 1 - share, equalised, share, 0)
        return as_tensor(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB))


class Sharpness(v2.Transform):
    """Sharpens a PIL image by a factor drawn from [max(0, 1 - strength), 1 + strength]; 1 changes nothing."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def transform(self, inpt: PIL.Image.Image, params: dict[str, Any]) -> PIL.Image.Image:
        """Sharpens or softens."""
        return PIL.ImageEnhance.Sharpness(inpt).enhance(
            uniform(max(0.0, 1 - self.strength), 1 + self.strength)
        )


class GaussianBlur(v2.Transform):
    """Separable blur with a standard deviation drawn from [0.1, sigma] pixels."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Blurs."""
        return as_tensor(cv2.GaussianBlur(as_array(inpt), (0, 0), uniform(0.1, self.sigma)))


class GaussianNoise(v2.Transform):
    """Adds noise with a standard deviation drawn from [0, sigma] of full scale, rounded without bias."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Adds noise."""
        noise = torch.randn(inpt.shape) * (255 * uniform(0, self.sigma))
        return noise.add_(inpt).round_().clamp_(0, 255).to(torch.uint8)


class Jpeg(v2.Transform):
    """Compresses as JPEG by Pillow, with a quality drawn from the whole numbers of `quality`, both ends included.

    The same draw and the same pixels as torchvision's JPEG, whose encoder is deprecated.
    """

    def __init__(self, quality: tuple[int, int]) -> None:
        super().__init__()
        self.quality = quality

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Encodes and decodes."""
        quality = int(torch.randint(self.quality[0], self.quality[1] + 1, ()))
        encoded = io.BytesIO()
        PIL.Image.fromarray(as_array(inpt)).save(encoded, "JPEG", quality=quality)
        with PIL.Image.open(encoded) as decoded:
            return as_tensor(np.array(decoded))


class Erasing(v2.RandomErasing):
    """torchvision's RandomErasing, with the image's mean colour."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """See torchvision."""
        params = super().make_params(flat_inputs)
        if params["v"] is not None:  # None: no rectangle that fits was drawn
            params["v"] = mean_colour(flat_inputs[0])
        return params


class GridMask(v2.Transform):
    """Covers a grid of squares with the image's mean colour (Chen et al. 2020, without its rotation).

    A unit's side d is drawn from [unit / 2, unit] of the image's; the square in it has side (1 - keep) * d.
    """

    def __init__(self, keep: float, unit: float) -> None:
        super().__init__()
        self.keep = keep
        self.unit = unit

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Covers the squares."""
        height, width = inpt.shape[-2:]
        unit = max(2, round(uniform(self.unit / 2, self.unit) * width))
        square = max(1, round((1 - self.keep) * unit))
        top, left = torch.randint(unit, (2,)).tolist()
        rows = (torch.arange(height) + top) % unit < square
        columns = (torch.arange(width) + left) % unit < square
        return torch.where(rows[:, None] & columns, mean_colour(inpt), inpt)


class AugMix(v2.AugMix):
    """torchvision's AugMix with its chains on PIL images, as in the paper's code.

    torchvision runs them on tensors: twice as slow on one core, and much slower where torch has several threads
    and the cores are busy. The same draws are made in the same order; pixels differ by rounding.
    """

    def forward(self, image: PIL.Image.Image) -> PIL.Image.Image:
        """Maps one RGB image to one of the same size."""
        width, height = image.size
        own, augmented = self._sample_dirichlet(torch.full((1, 2), self.alpha))[0].tolist()
        shares = self._sample_dirichlet(torch.full((1, self.mixture_width), self.alpha))[0].tolist()
        mixture = own * np.asarray(image, dtype=np.float32)
        for share in shares:
            chained = image
            for _ in range(int(torch.randint(1, 4, (1,)))):  # the paper's depth
                name, (magnitudes_of, signed) = self._get_random_item(self._AUGMENTATION_SPACE)
                magnitudes = magnitudes_of(10, height, width)
                magnitude = (
                    0.0 if magnitudes is None else float(magnitudes[int(torch.randint(self.severity, ()))])
                )
                if magnitudes is not None and signed and torch.rand(()) <= 0.5:
                    magnitude = -magnitude
                if name == "Posterize" and magnitude == 0:  # no bits are kept, which Pillow refuses to do
                    chained = PIL.Image.new("RGB", image.size)
                    continue
                chained = self._apply_image_or_video_transform(
                    chained, name, magnitude, interpolation=self.interpolation, fill=self._fill
                )
            mixture += augmented * share * np.asarray(chained, dtype=np.float32)
        return PIL.Image.fromarray(np.clip(np.rint(mixture), 0, 255).astype(np.uint8))


class MedAugment(v2.Transform):
    """MedAugment's two spaces of operations, by one level (Liu et al. 2023, arXiv:2306.17466).

    The paper makes `branches` augmented copies of each image beforehand and keeps the image itself; here an image is
    left as it is once in `branches` + 1 times. Otherwise two or three operations are drawn, at most one of the pixel
    space (brightness, contrast, posterise, sharpen, blur, noise) and the others of the spatial space (rotate, two
    flips, zoom, two shears, two shifts), shuffled, and each applied with probability level / 5.
    """

    def __init__(self, level: int, branches: int) -> None:
        super().__init__()
        self.level = level
        self.branches = branches

    def transform(self, inpt: torch.Tensor, params: dict[str, Any]) -> torch.Tensor:
        """Draws the operations and applies them."""
        if int(torch.randint(self.branches + 1, ())) == 0:
            return inpt
        pixel, spatial = ((1, 2), (0, 3), (0, 2), (1, 1))[int(torch.randint(4, ()))]
        drawn = [*torch.randperm(6)[:pixel].tolist(), *(6 + torch.randperm(8)[:spatial]).tolist()]
        for at in torch.randperm(len(drawn)).tolist():
            if uniform(0, 1) < self.level / 5:
                inpt = self._pixels(inpt, drawn[at]) if drawn[at] < 6 else self._place(inpt, drawn[at] - 6)
        return inpt

    def _pixels(self, image: torch.Tensor, operation: int) -> torch.Tensor:
        """One operation of the pixel space."""
        level, array = self.level, as_array(image).astype(np.float32)
        if operation == 0:
            array *= uniform(1 - 0.04 * level, 1 + 0.04 * level)
        elif operation == 1:
            grey = float(array.mean())
            array = grey + (array - grey) * uniform(1 - 0.04 * level, 1 + 0.04 * level)
        elif operation == 2:
            step = 2 ** (8 - math.floor(8 - 0.8 * level))
            array = np.floor(array / step) * step
        elif operation == 3:
            kernel = np.full((3, 3), -1, dtype=np.float32)
            kernel[1, 1] = 9
            share = uniform(0.04 * level, 0.1 * level)
            array = (1 - share) * array + share * cv2.filter2D(array, -1, kernel)
        elif operation == 4:
            side = 3 + 2 * int(torch.randint(1 + math.ceil(0.4 * level), ()))
            array = cv2.GaussianBlur(array, (side, side), 0)
        else:
            noise = torch.randn(array.shape).numpy()
            array += noise * math.sqrt(uniform(2 * level, 10 * level))
        return as_tensor(np.clip(np.rint(array), 0, 255).astype(np.uint8))

    def _place(self, image: torch.Tensor, operation: int) -> torch.Tensor:
        """One operation of the spatial space, about the centre."""
        if operation in (0, 1):
            return image.flip(-1 - operation)
        level, (height, width) = self.level, image.shape[-2:]
        matrix = np.eye(3)
        if operation == 2:
            angle = math.radians(uniform(-4 * level, 4 * level))
            matrix[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        elif operation == 3:
            matrix[:2, :2] *= uniform(1 - 0.04 * level, 1 + 0.04 * level)
        elif operation in (4, 5):
            slant = math.tan(math.radians(uniform(0, 2 * level)))
            matrix[:2, :2] = [[1, slant], [0, 1]] if operation == 4 else [[1, 0], [slant, 1]]
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        matrix[:2, 2] = centre - matrix[:2, :2] @ centre
        if operation in (6, 7):
            matrix[operation - 6, 2] += uniform(0, 0.02 * level) * (width if operation == 6 else height)
        return warp(image, matrix, inverse=False)
