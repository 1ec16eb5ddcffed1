"""Changes that make near duplicates and bad files out of images, by a seed."""

import gzip
import io

import numpy as np
from PIL import Image

CHANGES = ("shift", "jpeg", "noise", "brightness", "rescale")
_FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)


def changed(image, change, generator):
    """A near duplicate of uint8 `(height, width, channels)`.

    "shift": by one pixel to one of eight sides, black comes in; "jpeg": quality 60 to
    90; "noise": normal, of 2 to 8 levels; "brightness": up to 12 levels and 15 % of
    contrast; "rescale": to 5/7, 6/7, 9/7, 3/2 or twice its size and back, by a bilinear
    or a bicubic filter.
    """
    height, width = image.shape[:2]
    if change == "shift":
        sides = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
        down, right = sides[generator.integers(8)]
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
        return padded[1 - down :, 1 - right :][:height, :width]
    if change == "jpeg":
        data = jpeg(image, int(generator.integers(60, 91)))
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture).reshape(image.shape)
    if change == "noise":
        noise = generator.normal(0, generator.uniform(2, 8), image.shape)
        return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
    if change == "brightness":
        levels = image * generator.uniform(0.85, 1.15) + generator.uniform(-12, 12)
        return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    scale = generator.choice([5 / 7, 6 / 7, 9 / 7, 3 / 2, 2])
    how = _FILTERS[generator.integers(2)]
    there = pillow(image).resize((round(width * scale), round(height * scale)), how)
    return np.asarray(there.resize((width, height), how)).reshape(image.shape)


def plant(images, count, generator):
    """Near duplicates of `count` images.

    Returns:
        The copies, and the rows that they were made of.
    """
    rows = generator.choice(len(images), count, replace=False)
    copies = [
        changed(images[row], CHANGES[i % len(CHANGES)], generator)
        for i, row in enumerate(rows)
    ]
    return copies, rows


def jpeg(image, quality=90, exif=None):
    """The bytes of a JPEG file."""
    buffer = io.BytesIO()
    options = {} if exif is None else {"exif": exif}
    pillow(image).save(buffer, "JPEG", quality=quality, **options)
    return buffer.getvalue()


def pillow(image):
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def mnist(folder, name="train"):
    """Images uint8 `(n, 28, 28, 1)` out of the original file."""
    path = folder / "mnist" / f"{name}-images-idx3-ubyte.gz"
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)


def scenes(count, height, width, generator):
    """Colour pictures of coloured boxes on smooth ground, no two alike."""
    made = []
    for _ in range(count):
        corners = generator.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        picture = Image.fromarray(corners).resize((width, height), _FILTERS[0])
        image = np.array(picture)
        for _ in range(8):
            top, left = generator.integers(0, height - 8), generator.integers(0, width)
            size = generator.integers(6, height // 2)
            image[top : top + size, left : left + size] = generator.integers(0, 256, 3)
        made.append(image)
    return made
