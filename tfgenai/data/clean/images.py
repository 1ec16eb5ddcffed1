"""Rules of images: size, channels, orientation, and pictures of nothing."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfgenai.data.clean import image_duplicates as image_duplicates
from tfgenai.data.clean.image_rule import (
    ImageRule,
    from_pillow,
    grey_of,
    image_of,
    require,
    resized,
    to_pillow,
)
from tfgenai.data.clean.rule import RULES, Action
from tfgenai.data.raw.example import Example

_MODES = {1: "L", 3: "RGB"}


@RULES.register("image_size")
class ImageSize(ImageRule):
    """Images that are too small, too large or too long; mended by resizing.

    Args:
        action: see `Rule`; "repair" needs `size`.
        min_height: least height, pixels.
        min_width: least width, pixels.
        max_height: largest height, pixels; None for any.
        max_width: largest width, pixels; None for any.
        max_aspect: largest ratio of the longer to the shorter side, at least 1; None
            for any.
        size: `(height, width)` that all images shall have; an image of another size
            breaks the rule, and is brought to it by a repair: cut around its centre to
            the proportions, then scaled with antialias. What lies outside of the
            limits above cannot be repaired so, and is dropped.
    """

    name = "image_size"
    can_repair = True

    def __init__(
        self,
        *,
        action: Action | None = None,
        min_height: int = 1,
        min_width: int = 1,
        max_height: int | None = None,
        max_width: int | None = None,
        max_aspect: float | None = None,
        size: Sequence[int] | None = None,
    ) -> None:
        super().__init__(action=action)
        limits = {
            "min_height": min_height,
            "min_width": min_width,
            "max_height": max_height,
            "max_width": max_width,
        }
        for name, limit in limits.items():
            if limit is None:
                fine = name.startswith("max")
            else:
                fine = type(limit) is int and limit >= 1
            require(fine, "A number of pixels from 1 on", **{name: limit})
        require(
            (max_height or min_height) >= min_height
            and (max_width or min_width) >= min_width,
            "Largest sides that are not below the least ones",
            **limits,
        )
        require(
            max_aspect is None or max_aspect >= 1,
            "A ratio of at least 1",
            max_aspect=max_aspect,
        )
        require(
            size is None
            or (len(size) == 2 and all(isinstance(n, int) and n > 0 for n in size)),
            "A height and a width in pixels",
            size=size,
        )
        require(
            self.action != "repair" or size is not None,
            "A size to repair to",
            action=action,
            size=size,
        )
        self.min_height, self.min_width = min_height, min_width
        self.max_height, self.max_width = max_height, max_width
        self.max_aspect = max_aspect
        self.size = None if size is None else [int(n) for n in size]

    def check_image(self, image: np.ndarray) -> str | None:
        """See `ImageRule.check_image`."""
        height, width = image.shape[:2]
        found = f"{height} x {width} pixels"
        return self._limits(height, width) or (
            f"{found}, not {self.size[0]} x {self.size[1]}"
            if self.size is not None and [height, width] != self.size
            else None
        )

    def repair(self, example: Example) -> Example:
        """The image cut and scaled to `size`; left alone if it is beyond the limits."""
        image = image_of(example)
        if self.size is None or self._limits(*image.shape[:2]):
            return example
        return example.with_content(resized(image, self.size[0], self.size[1]))

    def _limits(self, height: int, width: int) -> str | None:
        found = f"{height} x {width} pixels"
        if height < self.min_height or width < self.min_width:
            return f"{found}, less than {self.min_height} x {self.min_width}"
        for side, most in ((height, self.max_height), (width, self.max_width)):
            if most is not None and side > most:
                return f"{found}, a side above {most}"
        aspect = max(height, width) / max(1, min(height, width))
        if self.max_aspect is not None and aspect > self.max_aspect:
            return f"{found}, {aspect:.2f} times as long as short"
        return None


@RULES.register("image_mode")
class ImageMode(ImageRule):
    """Images with other channels than wanted; mended by conversion.

    Args:
        action: see `Rule`.
        channels: 1 (grey) or 3 (colour).
    """

    name = "image_mode"
    default_action = "repair"
    can_repair = True

    def __init__(self, *, action: Action | None = None, channels: int = 3) -> None:
        super().__init__(action=action)
        require(channels in _MODES, "1 or 3 channels", channels=channels)
        self.channels = channels

    def check_image(self, image: np.ndarray) -> str | None:
        """See `ImageRule.check_image`."""
        found = image.shape[-1]
        return None if found == self.channels else f"{found} channels"

    def repair(self, example: Example) -> Example:
        """The luma of a colour image, or a grey one three times."""
        picture = to_pillow(image_of(example)).convert(_MODES[self.channels])
        return example.with_content(from_pillow(picture))


@RULES.register("orientation")
class Orientation(ImageRule):
    """Files that lie on their side, with a note (EXIF) of how to turn them.

    Sources turn what they read, so the content is upright already. Whoever reads the
    file without looking at the note sees it lying: a repair lets go of the file and
    keeps the upright pixels.

    Args:
        action: see `Rule`.
    """

    name = "orientation"
    default_action = "repair"
    can_repair = True

    def check(self, example: Example) -> str | None:
        """See `ExampleRule.check`."""
        value = example.notes.get("orientation", 1)
        return f"EXIF orientation {value}" if value > 1 else None

    def repair(self, example: Example) -> Example:
        """The upright pixels, without the file and its note."""
        notes = {k: v for k, v in example.notes.items() if k != "orientation"}
        return dataclasses.replace(example, data=None, notes=notes)


@RULES.register("constant")
class Constant(ImageRule):
    """Images of one colour.

    Args:
        action: see `Rule`.
        min_deviation: least standard deviation of the pixels, in levels of 255, in the
            channel that has most.
    """

    name = "constant"

    def __init__(
        self, *, action: Action | None = None, min_deviation: float = 2.0
    ) -> None:
        super().__init__(action=action)
        require(min_deviation > 0, "A positive number", min_deviation=min_deviation)
        self.min_deviation = min_deviation

    def check_image(self, image: np.ndarray) -> str | None:
        """See `ImageRule.check_image`."""
        found = float(image.std(axis=(0, 1)).max()) if image.size else 0.0
        if found >= self.min_deviation:
            return None
        return f"a deviation of {found:.2f} levels, less than {self.min_deviation:g}"


@RULES.register("near_black")
class NearBlack(ImageRule):
    """Images with hardly anything in them that is not black.

    By default an image breaks the rule if fewer than 1 of 200 pixels are brighter than
    level 32. The emptiest digit of MNIST has more than four times as many.

    Args:
        action: see `Rule`.
        level: brightest level that counts as black, 0 to 254.
        min_share: least share of brighter pixels, in (0, 1].
    """

    name = "near_black"

    def __init__(
        self,
        *,
        action: Action | None = None,
        level: int = 32,
        min_share: float = 0.005,
    ) -> None:
        super().__init__(action=action)
        require(0 <= level < 255, "A level from 0 to 254", level=level)
        require(0 < min_share <= 1, "A share in (0, 1]", min_share=min_share)
        self.level, self.min_share = level, min_share

    def check_image(self, image: np.ndarray) -> str | None:
        """See `ImageRule.check_image`."""
        share = float((image.max(axis=-1) > self.level).mean()) if image.size else 0.0
        if share >= self.min_share:
            return None
        return f"{share:.2%} of the pixels are brighter than {self.level}"


@RULES.register("blurred")
class Blurred(ImageRule):
    """Images without sharp edges.

    Told by the variance of the Laplacian of the grey image (Pech-Pacheco et al. 2000,
    "Diatom autofocusing in brightfield microscopy"), which depends on what is shown
    and how large: look at what is found before dropping it.

    Args:
        action: see `Rule`; "keep" by default.
        min_variance: least variance, in squared levels of 255.
    """

    name = "blurred"
    default_action = "keep"

    def __init__(
        self, *, action: Action | None = None, min_variance: float = 50.0
    ) -> None:
        super().__init__(action=action)
        require(min_variance > 0, "A positive number", min_variance=min_variance)
        self.min_variance = min_variance

    def check_image(self, image: np.ndarray) -> str | None:
        """See `ImageRule.check_image`."""
        if min(image.shape[:2]) < 3:
            return None
        grey = grey_of(image)
        sides = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
        found = float((sides - 4 * grey[1:-1, 1:-1]).var(dtype=np.float64))
        if found >= self.min_variance:
            return None
        return f"a Laplacian of variance {found:.1f}, less than {self.min_variance:g}"
