"""Frames: none lost, the mean of what overlaps, and what is refused."""

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given

from tfgenai.core.errors import ConfigError
from tfgenai.core.random import numpy_generator
from tfgenai.data.audio import frame, overlap_and_average


@given(st.integers(1, 60), st.integers(1, 12), st.data())
def test_frames_put_together_are_the_samples(num_samples, frame_length, data):
    frame_step = data.draw(st.integers(1, frame_length))
    x = numpy_generator(3).normal(size=(2, num_samples)).astype(np.float32)
    frames = frame(tf.constant(x), frame_length, frame_step)
    assert frames.shape == (2, -(-num_samples // frame_step), frame_length)
    again = overlap_and_average(frames, frame_step, num_samples)
    np.testing.assert_allclose(again, x, rtol=1e-5, atol=1e-6)


def test_frames_that_disagree_are_averaged():
    frames = tf.constant([[1.0, 2.0], [4.0, 5.0]])
    assert overlap_and_average(frames, 1, 3).numpy().tolist() == [1.0, 3.0, 5.0]


@pytest.mark.parametrize(
    ("length", "step", "words"),
    [
        (0, 1, "frame_length=0"),
        (4, 0, "frame_step=0"),
        (4, 2.0, "frame_step=2.0"),
        (True, 1, "frame_length=True"),
        (4, 5, "frame_step=5, frame_length=4"),
    ],
)
def test_bad_lengths_are_refused(length, step, words):
    with pytest.raises(ConfigError, match=words):
        frame(tf.zeros(10), length, step)
