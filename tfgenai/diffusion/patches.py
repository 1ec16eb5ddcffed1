"""Images and sequences as tokens: patches, their inverse, and where each one stands."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import itertools
import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

_MAX_PERIOD = 10_000.0


def patch_grid(data_shape: Sequence[int], patch_size: int) -> tuple[int, ...]:
    """Patches along each axis.

    Args:
        data_shape: (height, width, channels) or (length, channels).
        patch_size: side of a patch, in pixels or steps.

    Returns:
        (rows, columns) or (patches,).

    Raises:
        ValueError: if the patches do not fill the data exactly.

    Example:
        >>> patch_grid((32, 48, 3), 4)
        (8, 12)
    """
    if len(data_shape) not in (2, 3) or min(data_shape) < 1:
        raise ValueError(
            "A shape (height, width, channels) or (length, channels) was expected. "
            f"Received: data_shape={tuple(data_shape)}. Leave the batch out, and give "
            "data without channels a last axis of 1."
        )
    sides = data_shape[:-1]
    if patch_size < 1 or any(side % patch_size for side in sides):
        common = math.gcd(*sides)
        fitting = [size for size in range(1, common + 1) if common % size == 0]
        raise ValueError(
            "A patch size that divides every side was expected. Received: "
            f"patch_size={patch_size}, data_shape={tuple(data_shape)}. Use one of "
            f"patch_size={fitting}, or data of another size (image_size= of "
            "tfgenai.data.load for images)."
        )
    return tuple(side // patch_size for side in sides)


def patchify(x: tf.Tensor, patch_size: int) -> tf.Tensor:
    """Cuts data into patches, one token each, row by row.

    Args:
        x: `(batch, height, width, channels)` or `(batch, length, channels)`, of static
            sides that `patch_size` divides.
        patch_size: side of a patch.

    Returns:
        Tensor `(batch, tokens, patch_values)` of the same dtype; `patch_values` is
        `patch_size² · channels` for images and `patch_size · channels` for sequences.

    Example:
        >>> patchify(tf.ones((2, 28, 28, 3)), 4).shape
        TensorShape([2, 49, 48])
    """
    grid = patch_grid(x.shape[1:], patch_size)
    channels = x.shape[-1]
    # (rows, patch, columns, patch, channels) -> (rows, columns, patch, patch, channels)
    split = itertools.chain.from_iterable((side, patch_size) for side in grid)
    x = tf.reshape(x, (-1, *split, channels))
    if len(grid) == 2:
        x = tf.transpose(x, (0, 1, 3, 2, 4, 5))
    values = patch_size ** len(grid) * channels
    return tf.reshape(x, (-1, math.prod(grid), values))


def unpatchify(
    tokens: tf.Tensor, patch_size: int, data_shape: Sequence[int]
) -> tf.Tensor:
    """Puts patches together again: the inverse of `patchify`.

    Args:
        tokens: `(batch, tokens, patch_values)`.
        patch_size: side of a patch.
        data_shape: (height, width, channels) or (length, channels) of the result.

    Returns:
        Tensor `(batch, *data_shape)` of the same dtype.

    Example:
        >>> x = tf.reshape(tf.range(32), (1, 4, 4, 2))
        >>> bool(tf.reduce_all(unpatchify(patchify(x, 2), 2, (4, 4, 2)) == x))
        True
    """
    grid = patch_grid(data_shape, patch_size)
    patch = (patch_size,) * len(grid)
    x = tf.reshape(tokens, (-1, *grid, *patch, data_shape[-1]))
    if len(grid) == 2:
        x = tf.transpose(x, (0, 1, 3, 2, 4, 5))
    return tf.reshape(x, (-1, *data_shape))


def position_embedding(grid: Sequence[int], dim: int) -> np.ndarray:
    """Sines and cosines of each patch's place, at frequencies from 1 to 1 / 10,000.

    Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, section 3.5. Of
    an image's embedding the first half tells the row and the second the column, as
    Peebles & Xie 2023, arXiv:2212.09748, section 3.2, up to the order.

    Args:
        grid: patches along each axis, one or two axes.
        dim: length of an embedding; an even number for each axis.

    Returns:
        float32 `(tokens, dim)` in [-1, 1], tokens row by row.

    Raises:
        ValueError: if `dim` cannot be divided that way.

    Example:
        >>> position_embedding((2, 3), 8)[0].tolist()
        [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    """
    multiple = 2 * len(grid)
    if dim < multiple or dim % multiple:
        raise ValueError(
            f"A multiple of {multiple} was expected, for a sine and a cosine along "
            f"each axis. Received: hidden_dim={dim}. Use hidden_dim="
            f"{max(1, math.ceil(dim / multiple)) * multiple}."
        )
    half = dim // multiple
    frequencies = _MAX_PERIOD ** (-np.arange(half) / half)
    parts = []
    for places in np.meshgrid(*map(np.arange, grid), indexing="ij"):
        angles = places.reshape(-1, 1) * frequencies
        parts += [np.sin(angles), np.cos(angles)]
    return np.concatenate(parts, axis=1).astype(np.float32)
