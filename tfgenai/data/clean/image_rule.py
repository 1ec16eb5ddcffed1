"""ImageRule: what rules that look at one image have in common."""

from typing import Any

import numpy as np
from PIL import Image

from tfgenai.core.errors import ConfigError
from tfgenai.data.clean.rule import ExampleRule
from tfgenai.data.raw.example import Example

# Rec. 601, as Pillow's conversion to grey has it.
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


class ImageRule(ExampleRule):
    """A rule that looks at the pixels of one image."""

    kinds = ("images",)

    def check(self, example: Example) -> str | None:
        """See `ExampleRule.check`."""
        return self.check_image(image_of(example))

    def check_image(self, image: np.ndarray) -> str | None:
        """Says what is wrong with uint8 `(height, width, channels)`, or None."""
        raise NotImplementedError


def image_of(example: Example) -> np.ndarray:
    """The content of an example of an image, uint8 `(height, width, channels)`.

    Raises:
        TypeError: if it is something else.
    """
    if not isinstance(example.content, np.ndarray):
        raise TypeError(
            f"An image was expected. Received: content="
            f"{type(example.content).__name__} of {example.id!r}."
        )
    return example.content


def grey_of(image: np.ndarray) -> np.ndarray:
    """Float32 `(height, width)` from 0 to 255: the luma of a colour image."""
    if image.shape[-1] == 1:
        return image[..., 0].astype(np.float32)
    return image.astype(np.float32) @ _GREY


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image of another size: cut around the centre to its proportions, then scaled.

    What `tfgenai.data.images.resize` does, without TensorFlow.

    Args:
        image: uint8 `(height, width, channels)`.
        height: pixels.
        width: pixels.

    Returns:
        uint8 `(height, width, channels)`.

    Example:
        >>> resized(np.zeros((4, 6, 3), np.uint8), 2, 2).shape
        (2, 2, 3)
    """
    old_height, old_width = image.shape[:2]
    # Integers: the largest window of the new proportions that fits.
    cut_height = max(min(old_height, old_width * height // width), 1)
    cut_width = max(min(old_width, old_height * width // height), 1)
    top, left = (old_height - cut_height) // 2, (old_width - cut_width) // 2
    cut = image[top : top + cut_height, left : left + cut_width]
    scaled = to_pillow(cut).resize((width, height), Image.Resampling.BILINEAR)
    return from_pillow(scaled)


def shrunk(image: np.ndarray, most: int = 256) -> np.ndarray:
    """A large image divided by a whole number, by the means of squares of pixels.

    Args:
        image: uint8 `(height, width, channels)`.
        most: sides that are not longer than twice as much stay as they are.

    Example:
        >>> shrunk(np.zeros((1000, 500, 3), np.uint8)).shape
        (334, 167, 3)
    """
    factor = max(image.shape[:2]) // most
    return from_pillow(to_pillow(image).reduce(factor)) if factor > 1 else image


def to_pillow(image: np.ndarray) -> Image.Image:
    """A picture of Pillow out of uint8 `(height, width, channels)`."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def from_pillow(picture: Image.Image) -> np.ndarray:
    """The inverse of `to_pillow`."""
    array = np.array(picture, np.uint8)
    return array[..., np.newaxis] if array.ndim == 2 else array


def require(condition: bool, expected: str, **received: Any) -> None:
    """Raises ConfigError unless the condition holds."""
    if not condition:
        values = ", ".join(f"{name}={value!r}" for name, value in received.items())
        raise ConfigError(f"{expected} was expected. Received: {values}.")
