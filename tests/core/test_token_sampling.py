"""Drawing tokens: their distribution, what is left out, ties, neighbours, numbers."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from hypothesis import assume, settings
from hypothesis import given as holds_for
from hypothesis import strategies as st

from tfgenai.core import random
from tfgenai.core.token_sampling import (
    REMOVED,
    draw_tokens,
    invert_cdf,
    penalize_repetition,
    token_log_probs,
    token_uniforms,
)

OFF = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
DTYPES = {"temperature": "float32", "top_k": "int32", "top_p": "float32"}


def knobs(n, **given):
    return {
        name: tf.fill((n,), tf.constant(value, DTYPES.get(name, "float32")))
        if np.ndim(value) == 0
        else tf.constant(value, DTYPES.get(name, "float32"))
        for name, value in {**OFF, **given}.items()
    }


def expected_probs(logits, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    """One row by the papers' words, in float64; ties share their fate.

    Also returns how far from a limit the nearest token is.
    """
    z = np.asarray(logits, np.float64) / temperature
    kept = np.ones(len(z), bool)
    if top_k:
        kept = z >= np.sort(z)[::-1][min(top_k, len(z)) - 1]
    probs = np.where(kept, np.exp(z - z.max()), 0.0)
    probs /= probs.sum()
    reached, least, margin = 0.0, np.inf, np.inf
    for i in np.argsort(-z, kind="stable"):
        if reached < top_p and kept[i] and probs[i] >= min_p * probs.max():
            least = z[i]
        if top_p < 1.0:
            margin = min(margin, abs(reached - top_p))
        if 0.0 < min_p < 1.0:
            margin = min(margin, abs(probs[i] - min_p * probs.max()))
        reached += probs[i]
    probs = np.where(z >= least, probs, 0.0)
    return probs / probs.sum(), margin


@settings(max_examples=60)
@holds_for(
    st.lists(st.integers(-6, 6), min_size=1, max_size=9),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.integers(0, 12),
    st.sampled_from([1.0, 0.93, 0.71, 0.37, 0.05]),
    st.sampled_from([0.0, 0.07, 0.31, 1.0]),
)
def test_it_is_what_the_papers_say(logits, temperature, top_k, top_p, min_p):
    given = {"temperature": temperature, "top_k": min(top_k, len(logits))}
    given |= {"top_p": top_p, "min_p": min_p}
    expected, margin = expected_probs(logits, **given)
    assume(margin > 1e-5)
    log_probs = token_log_probs(
        tf.constant([logits], tf.float32), **knobs(1, **given)
    ).numpy()[0]
    np.testing.assert_allclose(np.exp(log_probs), expected, rtol=1e-4, atol=1e-6)
    assert (log_probs[expected == 0] <= REMOVED / 2).all()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"temperature": 2.0},
        {"top_k": 3},
        {"top_p": 0.8},
        {"min_p": 0.2},
        {"temperature": 1.5, "top_k": 5, "top_p": 0.9, "min_p": 0.05},
    ],
    ids=lambda given: "-".join(given) or "softmax",
)
def test_ten_thousand_draws_fit_the_distribution(given):
    logits, n = [1.0, -0.5, 2.0, 0.3, -3.0, 1.2, 0.0], 10_000
    tokens, log_probs = draw_tokens(
        tf.tile(tf.constant([logits]), (n, 1)),
        token_uniforms(tf.constant(random.row_seeds(5, n)), 1)[:, 0],
        **knobs(n, **given),
    )
    expected, _ = expected_probs(logits, **given)
    counts = np.bincount(tokens, minlength=len(logits))
    possible = expected > 0
    assert not counts[~possible].any()
    result = scipy.stats.chisquare(counts[possible], n * expected[possible])
    assert result.pvalue > 0.001
    np.testing.assert_allclose(log_probs, np.log(expected[tokens]), atol=1e-4)


def test_temperature_0_takes_the_first_of_the_likeliest():
    logits = tf.constant([[0.0, 3.0, 3.0, -1.0], [5.0, 1.0, 2.0, 3.0]])
    for uniforms in ([0.0, 0.0], [0.9999, 0.9999]):
        tokens, log_probs = draw_tokens(
            logits, tf.constant(uniforms), **knobs(2, temperature=0.0, top_k=2)
        )
        np.testing.assert_array_equal(tokens, [1, 0])
        np.testing.assert_array_equal(log_probs, [0.0, 0.0])


@pytest.mark.parametrize("temperature", [1e-4, 1e-37])
@pytest.mark.parametrize("given", [{}, {"top_p": 0.5}, {"min_p": 0.5}, {"top_k": 3}])
def test_a_temperature_near_0_is_no_division_by_zero(temperature, given):
    tokens, log_probs = draw_tokens(
        tf.constant([[-40.0, 30.0, 2.0, 29.0]]),
        tf.constant([0.999]),
        **knobs(1, temperature=temperature, **given),
    )
    assert int(tokens[0]) == 1
    assert float(log_probs[0]) == 0.0


def test_ties_stay_or_go_together():
    logits = tf.constant([[1.0, 2.0, 2.0, 2.0, 0.0]])
    for given in ({"top_k": 1}, {"top_k": 2}, {"top_p": 0.3}, {"min_p": 1.0}):
        log_probs = token_log_probs(logits, **knobs(1, **given)).numpy()
        np.testing.assert_allclose(
            np.exp(log_probs), [[0, 1 / 3, 1 / 3, 1 / 3, 0]], atol=1e-6
        )


def test_a_row_does_not_notice_what_its_neighbours_ask_for():
    # sharp: the sum reaches 1 in float32 long before the last token
    logits = tf.constant([[18.0, 0.0, 1.0, -1.0, 0.5, 2.0, 17.0, 3.0]])
    alone = token_log_probs(logits, **knobs(1))
    together = token_log_probs(
        tf.tile(logits, (4, 1)),
        **knobs(
            4,
            temperature=[1.0, 0.0, 2.0, 1.0],
            top_k=[0, 0, 3, 0],
            top_p=[1.0, 1.0, 0.5, 0.2],
            min_p=[0.0, 0.0, 0.1, 0.9],
        ),
    )
    np.testing.assert_array_equal(alone[0], together[0])
    assert (together.numpy()[0] > REMOVED / 2).all()


def test_what_was_removed_before_stays_so():
    logits = tf.constant([[1.0, REMOVED, 0.0, REMOVED]])
    for given in ({}, {"temperature": 100.0}, {"temperature": 0.1}, {"top_k": 4}):
        probs = np.exp(token_log_probs(logits, **knobs(1, **given)))
        assert not probs[0, [1, 3]].any()
        assert probs[0, [0, 2]].sum() == pytest.approx(1.0)


@settings(max_examples=50)
@holds_for(
    st.lists(st.integers(0, 4), min_size=1, max_size=8),
    st.floats(0, 1, width=32, exclude_max=True),
)
def test_the_inverse_of_the_cumulative_distribution(weights, uniform):
    assume(any(weights))
    # small integers are summed without rounding
    expected = np.searchsorted(np.cumsum(weights), uniform * sum(weights), "right")
    assume(abs(np.cumsum(weights) - uniform * sum(weights)).min() > 1e-5 or not uniform)
    (found,) = invert_cdf(tf.constant([weights], tf.float32), tf.constant([uniform]))
    assert int(found) == expected
    assert weights[int(found)] > 0


def test_the_largest_number_falls_on_the_last_possible_token():
    probs = tf.constant([[0.3, 0.7, 0.0], [1e-9, 0.0, 0.0], [0.1] * 3])
    largest = np.nextafter(np.float32(1), np.float32(0))
    found = invert_cdf(probs, tf.fill((3,), largest))
    np.testing.assert_array_equal(found, [1, 0, 2])


def test_compiled_draws_are_the_same():
    n = 200
    seeds = tf.constant(random.row_seeds(1, n))
    logits = tf.constant(random.numpy_generator(2).normal(size=(n, 33)), tf.float32)

    def draw(seeds):
        uniforms = token_uniforms(seeds, 1)[:, 0]
        return draw_tokens(logits, uniforms, **knobs(n, top_p=0.9, temperature=1.5))

    compiled = tf.function(draw, jit_compile=True, autograph=False)(seeds)
    np.testing.assert_array_equal(draw(seeds)[0], compiled[0])
    np.testing.assert_allclose(draw(seeds)[1], compiled[1], atol=1e-5)


# ---- numbers -----------------------------------------------------------------


@settings(max_examples=15)
@holds_for(st.integers(1, 300), st.integers(1, 300))
def test_the_first_numbers_do_not_depend_on_how_many_there_are(few, more):
    seeds = tf.constant([3, 2**52], tf.int64)
    few, more = min(few, more), max(few, more)
    first = token_uniforms(seeds, few)
    assert first.shape == (2, few)
    np.testing.assert_array_equal(first, token_uniforms(seeds, more)[:, :few])


def test_numbers_are_a_function_of_the_rows_seed():
    together = token_uniforms(tf.constant([7, 8, 7], tf.int64), 70).numpy()
    alone = token_uniforms(tf.constant([8], tf.int64), 70).numpy()
    np.testing.assert_array_equal(together[1], alone[0])
    np.testing.assert_array_equal(together[0], together[2])
    assert (together[0] != together[1]).all()


def test_numbers_are_uniform_and_do_not_repeat():
    values = token_uniforms(tf.constant(random.row_seeds(0, 20)), 500).numpy().ravel()
    assert values.min() >= 0
    assert values.max() < 1
    assert scipy.stats.kstest(values, "uniform").pvalue > 0.001
    # of 10,000 numbers of 24 bits about 3 pairs are equal
    assert len(np.unique(values)) > 9_980
    neighbours = np.corrcoef(values[:-1], values[1:])[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(len(values))


def test_the_graph_of_many_numbers_is_no_larger_than_that_of_few():
    def num_ops(num_tokens):
        graph = tf.function(lambda seeds: token_uniforms(seeds, num_tokens))
        spec = tf.TensorSpec((None,), tf.int64)
        return len(graph.get_concrete_function(spec).graph.get_operations())

    assert num_ops(20_000) < num_ops(100) + 9


# ---- repetition --------------------------------------------------------------


def test_the_repetition_penalty_in_numpy():
    logits = random.numpy_generator(0).normal(size=(3, 6)).astype(np.float32)
    seen = random.numpy_generator(1).integers(0, 2, (3, 6)).astype(bool)
    penalty = np.array([1.0, 1.5, 0.5], np.float32)
    expected = logits.copy()
    for row in range(3):
        for token in np.flatnonzero(seen[row]):
            score = logits[row, token]
            expected[row, token] = (
                score / penalty[row] if score > 0 else score * penalty[row]
            )
    found = penalize_repetition(
        tf.constant(logits), tf.constant(seen), tf.constant(penalty)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(found[0], logits[0])
    assert (found.numpy()[1][seen[1]] <= logits[1][seen[1]]).all()
