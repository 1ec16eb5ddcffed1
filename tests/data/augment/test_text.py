"""Dropped tokens and spans: what was taken out can be put back."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgenai.core.random import step_seed
from tfgenai.data.augment import SpanCorruption, TokenDropout

SENTINEL = 1000


def put_back(inputs, targets):
    """The text of which spans were taken: each sentinel gives way to its span."""
    spans, text = {}, []
    for token in targets:
        if token >= SENTINEL:
            last = spans[token] = []
        else:
            last.append(token)
    for token in inputs:
        text += spans[token] if token >= SENTINEL else [token]
    return text


@settings(max_examples=40)
@given(
    length=st.integers(2, 60),
    density=st.floats(0.05, 0.9),
    mean=st.floats(1, 6),
    seed=st.integers(0, 2**31 - 1),
)
def test_spans_can_be_put_back(length, density, mean, seed):
    corrupt = SpanCorruption(SENTINEL, noise_density=density, mean_span_length=mean)
    tokens = np.arange(3 * length, dtype=np.int32).reshape(3, length)
    inputs, targets = corrupt(tf.constant(tokens), step_seed(seed, 0))
    noise, spans = corrupt.counts(length)
    assert inputs.shape == (3, length - noise + spans)
    assert targets.shape == (3, noise + spans)
    for row, one, two in zip(tokens, inputs.numpy(), targets.numpy(), strict=True):
        assert put_back(one, two) == row.tolist()
        marks = [t for t in two if t >= SENTINEL]
        assert marks == [SENTINEL + i for i in range(spans)]
        assert one[0] < SENTINEL


def test_counts_are_those_of_the_paper():
    # 512 tokens, 15 % noise, spans of 3: 77 tokens in 26 spans.
    assert SpanCorruption(SENTINEL).counts(512) == (77, 26)


def test_every_place_is_taken_about_as_often():
    tokens = tf.broadcast_to(tf.range(1, 41), (4000, 40))
    corrupt = SpanCorruption(SENTINEL, noise_density=0.25)
    inputs = tf.function(corrupt)(tokens, step_seed(1, 0))[0].numpy()
    kept = np.array([(inputs == token).sum() for token in range(1, 41)]) / 4000
    assert kept.mean() == pytest.approx(0.75)
    assert kept[0] == 1.0
    assert np.abs(kept[8:32] - 0.75).max() < 0.1


def test_tokens_are_dropped_at_their_rate():
    tokens = tf.zeros((100, 200), tf.int32)
    dropped = TokenDropout(7, rate=0.2)(tokens, step_seed(0, 0)).numpy()
    assert set(np.unique(dropped)) == {0, 7}
    # Four standard deviations of 20,000 draws.
    assert (dropped == 7).mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / 20_000))


def test_arguments_are_checked():
    for make in (
        lambda: TokenDropout(1, rate=1.0),
        lambda: SpanCorruption(1, noise_density=0.0),
        lambda: SpanCorruption(1, mean_span_length=0.5),
        lambda: SpanCorruption(1).counts(1),
    ):
        with pytest.raises(ValueError, match="expected"):
            make()
