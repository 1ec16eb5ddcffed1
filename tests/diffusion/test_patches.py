"""Patches: the inverse, the order, and positions against an independent formula."""

import math

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from tfgenai.diffusion.patches import (
    patch_grid,
    patchify,
    position_embedding,
    unpatchify,
)

SIDES = st.integers(1, 5)


def counted(shape):
    return np.arange(math.prod(shape), dtype=np.int32).reshape(shape)


@hypothesis.given(
    batch=st.integers(0, 3),
    grid=st.one_of(st.tuples(SIDES), st.tuples(SIDES, SIDES)),
    patch_size=st.integers(1, 4),
    channels=st.integers(1, 3),
)
def test_unpatchify_is_the_inverse_of_patchify(batch, grid, patch_size, channels):
    data_shape = (*(n * patch_size for n in grid), channels)
    x = counted((batch, *data_shape))
    tokens = patchify(tf.constant(x), patch_size)
    values = patch_size ** len(grid) * channels
    assert tokens.shape == (batch, math.prod(grid), values)
    assert patch_grid(data_shape, patch_size) == grid
    np.testing.assert_array_equal(unpatchify(tokens, patch_size, data_shape), x)


def test_a_token_holds_the_pixels_of_its_patch_row_by_row():
    x = counted((2, 6, 8, 3))
    tokens = patchify(tf.constant(x), 2).numpy()
    for row in range(3):
        for column in range(4):
            patch = x[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            np.testing.assert_array_equal(
                tokens[:, 4 * row + column], patch.reshape(2, -1)
            )


def test_a_token_of_a_sequence_holds_its_steps():
    x = counted((2, 6, 3))
    tokens = patchify(tf.constant(x), 2).numpy()
    np.testing.assert_array_equal(tokens[:, 1], x[:, 2:4].reshape(2, -1))


def test_an_unknown_batch_keeps_every_other_shape():
    @tf.function(input_signature=[tf.TensorSpec((None, 4, 6, 2))])
    def there_and_back(x):
        tokens = patchify(x, 2)
        back = unpatchify(tokens, 2, (4, 6, 2))
        assert tokens.shape.as_list() == [None, 6, 8]
        assert back.shape.as_list() == [None, 4, 6, 2]
        return back

    x = counted((3, 4, 6, 2)).astype("float32")
    np.testing.assert_array_equal(there_and_back(x), x)


def test_positions_of_a_sequence_equal_the_formula_of_attention_is_all_you_need():
    # section 3.5: PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(the same)
    dim, length = 10, 7
    expected = np.zeros((length, dim))
    for place in range(length):
        for i in range(dim // 2):
            angle = place / 10000 ** (2 * i / dim)
            expected[place, i] = math.sin(angle)
            expected[place, dim // 2 + i] = math.cos(angle)
    actual = position_embedding((length,), dim)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_positions_of_an_image_are_those_of_its_row_and_of_its_column():
    rows, columns, dim = 3, 5, 12
    of_rows = position_embedding((rows,), dim // 2)
    of_columns = position_embedding((columns,), dim // 2)
    actual = position_embedding((rows, columns), dim)
    for row in range(rows):
        for column in range(columns):
            np.testing.assert_array_equal(
                actual[row * columns + column],
                np.concatenate([of_rows[row], of_columns[column]]),
            )
    assert len(np.unique(actual, axis=0)) == rows * columns


@pytest.mark.parametrize(
    ("data_shape", "patch_size", "words"),
    [
        ((28, 30, 1), 4, r"patch_size=\[1, 2\]"),
        ((30, 1), 4, r"patch_size=\[1, 2, 3, 5, 6, 10, 15, 30\]"),
        ((28, 28, 1), 0, r"patch_size=0"),
        ((28,), 1, r"data_shape=\(28,\)"),
        ((2, 8, 8, 1), 1, r"Leave the batch out"),
        ((0, 8, 1), 1, r"data_shape=\(0, 8, 1\)"),
    ],
)
def test_refuses_patches_that_do_not_fill_the_data(data_shape, patch_size, words):
    with pytest.raises(ValueError, match=words):
        patch_grid(data_shape, patch_size)


@pytest.mark.parametrize(
    ("grid", "dim", "way_out"), [((2, 2), 6, 8), ((2,), 5, 6), ((2, 2), 0, 4)]
)
def test_refuses_lengths_without_room_for_sine_and_cosine(grid, dim, way_out):
    with pytest.raises(ValueError, match=f"Use hidden_dim={way_out}"):
        position_embedding(grid, dim)
