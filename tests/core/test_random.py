"""Random numbers: published vectors, statistics, and independence of batch mates."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tfgenai.core import random


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_equals_the_published_test_vectors_of_random123(counter, key, expected):
    words = random.philox(
        [tf.constant([c], tf.uint32) for c in counter],
        [tf.constant([k], tf.uint32) for k in key],
    )
    assert tuple(int(w[0]) for w in words) == expected


def test_row_noise_is_standard_normal_by_kolmogorov_smirnov():
    seeds = random.row_seeds(0, 200)
    noise = random.row_normal(tf.constant(seeds), (100,)).numpy().ravel()
    assert stats.kstest(noise, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.03


def test_row_uniform_is_uniform_and_below_one():
    noise = random.row_uniform(tf.constant(random.row_seeds(1, 200)), (100,)).numpy()
    assert stats.kstest(noise.ravel(), "uniform").pvalue > 1e-3
    assert noise.min() >= 0.0
    assert noise.max() < 1.0


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 9),
    width=st.integers(1, 70),
    row=st.integers(0, 8),
    stream=st.integers(0, 2**31 - 1),
)
def test_a_rows_noise_does_not_depend_on_its_batch_bit_for_bit(
    batch, width, row, stream
):
    row %= batch
    seeds = random.row_seeds(3, batch)
    together = random.row_normal(tf.constant(seeds), (width,), stream)
    alone = random.row_normal(tf.constant(seeds[row : row + 1]), (width,), stream)
    np.testing.assert_array_equal(together[row], alone[0])


def test_streams_and_seeds_give_different_noise():
    seeds = tf.constant([1, 2], tf.int64)
    a = random.row_normal(seeds, (8,), 0)
    b = random.row_normal(seeds, (8,), 1)
    assert not np.allclose(a, b)
    assert not np.allclose(a[0], a[1])


def test_row_words_are_the_same_integers_under_xla():
    seeds = tf.constant(random.row_seeds(5, 3))
    plain = random.row_bits(seeds, 40)
    compiled = tf.function(lambda s: random.row_bits(s, 40), jit_compile=True)(seeds)
    for a, b in zip(plain, compiled, strict=True):
        np.testing.assert_array_equal(a, b)


def test_row_seeds_are_a_prefix_of_more_and_fit_json():
    few, many = random.row_seeds(7, 10), random.row_seeds(7, 1000)
    np.testing.assert_array_equal(few, many[:10])
    assert many.min() >= 0
    assert many.max() < 2**53
    assert len(set(many.tolist())) == 1000
    assert not np.array_equal(few, random.row_seeds(8, 10))


def test_step_seeds_differ_by_seed_step_and_replica():
    seeds = {
        tuple(random.step_seed(seed, step, replica).numpy().tolist())
        for seed in (0, 1, 2**40)
        for step in (0, 1, 2)
        for replica in (0, 1)
    }
    assert len(seeds) == 18


def test_draws_from_one_seed_are_the_same_numbers_under_xla():
    seed = tf.constant([3, 4])
    plain = random.uniform(seed, (100,))
    compiled = tf.function(lambda s: random.uniform(s, (100,)), jit_compile=True)(seed)
    np.testing.assert_array_equal(plain, compiled)


@pytest.mark.parametrize("shape", [(), (7,), (64, 3)])
def test_normals_from_one_seed_agree_with_xla_to_rounding(shape):
    seed = tf.constant([3, 4])
    plain = random.normal(seed, shape)
    compiled = tf.function(lambda s: random.normal(s, shape), jit_compile=True)(seed)
    np.testing.assert_allclose(plain, compiled, atol=1e-5)
    assert plain.shape == shape


def test_normals_from_one_seed_are_normal_by_kolmogorov_smirnov():
    noise = random.normal(tf.constant([5, 6]), (20001,)).numpy()
    assert stats.kstest(noise, "norm").pvalue > 1e-3


def test_permutation_holds_every_number_once():
    order = random.permutation(tf.constant([1, 2]), 100).numpy()
    np.testing.assert_array_equal(np.sort(order), np.arange(100))
    assert (order != np.arange(100)).any()


def test_bernoulli_has_the_given_mean():
    probs = tf.constant([[0.1, 0.9]] * 5000)
    mean = tf.reduce_mean(random.bernoulli(tf.constant([0, 1]), probs), axis=0).numpy()
    # five standard errors
    np.testing.assert_allclose(mean, [0.1, 0.9], atol=5 * 0.3 / 5000**0.5)


def test_scopes_number_their_draws_and_nest():
    assert random.next_scoped_seed() is None
    with random.seed_scope(tf.constant([1, 1])):
        first = random.next_scoped_seed().numpy()
        with random.seed_scope(tf.constant([2, 2])):
            inner = random.next_scoped_seed().numpy()
        second = random.next_scoped_seed().numpy()
    assert len({tuple(s.tolist()) for s in (first, inner, second)}) == 3
    assert random.next_scoped_seed() is None


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "7", None, True])
def test_a_bad_seed_is_refused_by_name(seed):
    with pytest.raises(ValueError, match="seed="):
        random.row_seeds(seed, 2)
