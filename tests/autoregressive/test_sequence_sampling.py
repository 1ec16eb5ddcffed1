"""Cached drawing: equal to whole passes, known values kept, rows on their own."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.autoregressive.sequence_sampling import draw_sequences
from tfgenai.core import random
from tfgenai.core.token_sampling import token_uniforms
from tfgenai.layers import TransformerDecoder

LEVELS, VALUES = 5, 7


@pytest.fixture(scope="module", params=["learned", "rotary"])
def decoder(request):
    made = TransformerDecoder(
        LEVELS + 2,
        VALUES,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        position_embedding=request.param,
    )
    rng = random.numpy_generator(3)
    for weight in made.trainable_variables:
        weight.assign(weight + 0.4 * rng.normal(size=weight.shape))
    return made


def by_full_passes(decoder, seeds, temperature, start):
    """A pass over all tokens so far for every value, and NumPy for the rest."""
    uniforms = token_uniforms(tf.constant(seeds), VALUES).numpy()
    rows, log_probs = np.array(start)[:, None], np.zeros(len(seeds))
    for i in range(VALUES):
        hidden = decoder(tf.constant(rows, tf.int32))
        logits = decoder.logits(hidden).numpy()[:, -1, :LEVELS].astype(float)
        probs = np.exp(logits - np.log(np.exp(logits).sum(1, keepdims=True)))
        values = []
        for row, t in enumerate(temperature):
            tempered = np.exp(logits[row] / t) if t else None
            if t:
                below = np.cumsum(tempered / tempered.sum()) <= uniforms[row, i]
                values.append(int(below.sum()))
            else:
                values.append(int(logits[row].argmax()))
        log_probs += np.log(probs[np.arange(len(seeds)), values])
        rows = np.concatenate([rows, np.array(values)[:, None]], axis=1)
    return rows[:, 1:], log_probs


def draw(decoder, seeds, temperature, start, **known):
    return draw_sequences(
        decoder,
        tf.constant(seeds, tf.int64),
        tf.constant(temperature, tf.float32),
        tf.constant(start, tf.int32),
        num_levels=LEVELS,
        **known,
    )


SEEDS = random.row_seeds(2, 6)
TEMPERATURE = [1.0, 1.0, 0.5, 2.0, 0.0, 1.0]
START = [5, 6, 5, 6, 5, 6]


def test_cached_drawing_is_drawing_by_full_passes(decoder):
    drawn, log_prob = draw(decoder, SEEDS, TEMPERATURE, START)
    values, expected = by_full_passes(decoder, SEEDS, TEMPERATURE, START)
    np.testing.assert_array_equal(drawn, values)
    np.testing.assert_allclose(log_prob, expected, atol=1e-4)
    assert len({tuple(row) for row in values.tolist()}) > 3


def test_a_row_depends_on_itself_alone(decoder):
    drawn, _ = draw(decoder, SEEDS, TEMPERATURE, START)
    alone, _ = draw(decoder, SEEDS[2:3], TEMPERATURE[2:3], START[2:3])
    np.testing.assert_array_equal(alone[0], drawn[2])


def test_known_values_stay_and_steer_what_follows(decoder):
    drawn, _ = draw(decoder, SEEDS, [1.0] * 6, START)
    is_known = np.zeros((6, VALUES), bool)
    is_known[:, 1] = True
    known = {
        "known": (drawn + 1) % LEVELS,
        "is_known": tf.constant(is_known),
    }
    other, log_prob = draw(decoder, SEEDS, [1.0] * 6, START, **known)
    np.testing.assert_array_equal(other[:, 0], drawn[:, 0])
    np.testing.assert_array_equal(other[:, 1], (drawn[:, 1] + 1) % LEVELS)
    assert (other[:, 2:] != drawn[:, 2:]).numpy().any()
    # The log-probability is that of all values, known ones too.
    tokens = tf.concat([tf.constant(START)[:, None], other[:, :-1]], axis=1)
    logits = decoder.logits(decoder(tokens))[..., :LEVELS]
    each = tf.gather(tf.nn.log_softmax(logits), other, batch_dims=2)
    np.testing.assert_allclose(log_prob, tf.reduce_sum(each, axis=1), atol=1e-4)
