"""VectorQuantizer: nearest vectors by an exhaustive search, and the gradient's way."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgenai.core import random
from tfgenai.vae import VectorQuantizer


def vectors(*shape, seed=0):
    return random.numpy_generator(seed).normal(size=shape).astype(np.float32)


@settings(max_examples=20)
@given(size=st.integers(1, 9), dim=st.integers(1, 5), seed=st.integers(0, 99))
def test_codes_are_those_of_an_exhaustive_search(size, dim, seed):
    quantizer = VectorQuantizer(size, dim)
    book = vectors(size, dim, seed=seed)
    quantizer.embeddings.assign(book)
    z = vectors(2, 3, 2, dim, seed=seed + 1)
    distances = np.square(z[..., None, :] - book).sum(-1)
    codes = quantizer.codes(tf.constant(z)).numpy()
    assert codes.shape == (2, 3, 2)
    chosen = np.take_along_axis(distances, codes[..., None], -1)[..., 0]
    np.testing.assert_allclose(chosen, distances.min(-1), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(quantizer.lookup(codes), book[codes])
    np.testing.assert_allclose(quantizer(tf.constant(z)), book[codes], atol=1e-5)


def test_a_vector_of_the_book_is_its_own_code():
    quantizer = VectorQuantizer(7, 3)
    codes = quantizer.codes(tf.convert_to_tensor(quantizer.embeddings))
    assert codes.numpy().tolist() == list(range(7))


def test_of_equally_near_vectors_the_first_is_taken():
    quantizer = VectorQuantizer(3, 1)
    quantizer.embeddings.assign([[2.0], [1.0], [1.0]])
    assert quantizer.codes(tf.constant([[0.0]])).numpy().tolist() == [1]


def test_the_gradient_passes_straight_through_and_not_to_the_book():
    quantizer = VectorQuantizer(5, 2)
    z = tf.Variable(vectors(4, 2))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(quantizer(z) * [[1.0, -3.0]])
    to_z, to_book = tape.gradient(loss, [z, quantizer.embeddings.value])
    np.testing.assert_allclose(to_z, np.tile([[1.0, -3.0]], (4, 1)))
    assert to_book is None


def test_seed_and_config_make_it_again():
    one, other = VectorQuantizer(5, 2, seed=3), VectorQuantizer(5, 2, seed=4)
    assert (one.embeddings.numpy() != other.embeddings.numpy()).any()
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(one)
    )
    np.testing.assert_array_equal(again.embeddings, one.embeddings)


def test_what_vectors_have_in_common_does_not_hide_the_nearest():
    book = 30.0 + 0.25 * vectors(256, 16, seed=1)
    z = (30.0 + 0.25 * vectors(500, 16, seed=2)).astype(np.float32)
    layer = VectorQuantizer(256, 16)
    layer.embeddings.assign(book)
    exact = layer.embeddings.numpy().astype(np.float64)
    distances = np.square(z.astype(np.float64)[:, None] - exact).sum(-1)
    np.testing.assert_array_equal(layer.codes(tf.constant(z)), distances.argmin(1))


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_around_it_gives_vectors_of_the_book(dtype):
    layer = VectorQuantizer(4, 2, dtype=dtype)
    found = layer(tf.zeros((3, 2), layer.compute_dtype))
    book = layer.embeddings.numpy()
    nearest = book[np.square(book).sum(1).argmin()]
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, [nearest] * 3)
