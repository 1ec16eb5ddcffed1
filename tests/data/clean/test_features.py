"""Features of contents: one length for a kind, and what they must not depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data.clean.features import NAMES, describe, features
from tfgenai.data.raw import Example, Sound


def of(content):
    return features(Example("a", content)).astype(np.float64)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))
def test_images_of_any_size_have_as_many(height, width, channels):
    shape = (height, width, channels)
    found = of(numpy_generator(height).integers(0, 256, shape).astype(np.uint8))
    assert found.shape == (16 * 16 + 4 * 4 * 8,)
    assert np.isfinite(found).all()


@given(st.text())
def test_text_has_as_many(text):
    found = of(text)
    assert found.shape == (512,)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("length", "rate"), [(1, 8000), (700, 44100), (50_000, 8000)])
def test_sound_has_as_many(length, rate):
    samples = numpy_generator(1).normal(0, 0.1, (length, 2)).astype(np.float32)
    found = of(Sound(samples, rate))
    assert found.shape == (24 * 12,)
    assert np.isfinite(found).all()


def test_edges_are_counted_by_their_directions():
    ramp = np.repeat(np.arange(0, 256, 8, dtype=np.uint8)[:, np.newaxis], 32, 1)
    down = of(ramp[..., np.newaxis])[256:].reshape(16, 8)
    across = of(ramp.T[..., np.newaxis])[256:].reshape(16, 8)
    # A quarter turn is half of the eight directions that differ.
    assert (down.argmax(1) == 4).all()
    assert (across.argmax(1) == 0).all()


def test_louder_sound_is_the_same_but_for_its_level():
    samples = np.sin(np.arange(8000) / 3)[:, np.newaxis].astype(np.float32)
    np.testing.assert_allclose(
        of(Sound(samples, 8000)), of(Sound(samples / 8, 8000)), atol=0.02
    )


def test_numbers_have_the_names_that_are_announced():
    contents = {
        "images": np.zeros((2, 3, 1), np.uint8),
        "text": "ab 1",
        "sound": Sound(np.zeros((80, 1), np.float32), 8000),
    }
    for kind, content in contents.items():
        assert tuple(describe(Example("a", content))) == NAMES[kind]
    assert describe(Example("a", "ab 1"))["letters"] == 0.5


def test_roughness_is_that_of_known_pictures():
    def roughness(pixels):
        content = np.asarray(pixels, np.uint8)[..., np.newaxis]
        return describe(Example("a", content))["roughness"]

    assert roughness(np.full((9, 9), 7)) == 0.0
    assert roughness(np.zeros((1, 9))) == 0.0
    # A board of 0 and 2: every step is 2, the deviation is 1.
    assert roughness(np.indices((8, 8)).sum(0) % 2 * 2) == pytest.approx(2.0)
    # Independent uniform pixels: a third of the range by a twelfth's root.
    noise = numpy_generator(0).integers(0, 256, (200, 200))
    assert roughness(noise) == pytest.approx(12**0.5 / 3, rel=0.02)
