"""Contents as bytes: back to the last bit, files left as they are."""

import io

import numpy as np
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from tfgenai.data.preparation.contents import decode_content, encode, settle
from tfgenai.data.raw import Example, Sound

IMAGES = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])),
)
SOUNDS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 40), st.integers(1, 2)),
    elements=st.floats(-1, 1, width=32),
)


@given(IMAGES)
def test_images_come_back(pixels):
    data = encode(Example("a", pixels))
    np.testing.assert_array_equal(decode_content(data, "images"), pixels)


@given(st.text())
def test_text_comes_back(text):
    example = settle(Example("a", text))
    assert decode_content(encode(example), "text") == example.content
    assert example.content == text


def test_half_a_character_becomes_a_mark():
    assert settle(Example("a", "x\ud800y")).content == "x\ufffd\ufffd\ufffdy"


@given(SOUNDS, st.sampled_from([8000, 44100]))
def test_sound_comes_back_as_it_was_settled(samples, sample_rate):
    example = settle(Example("a", Sound(samples, sample_rate)))
    back = decode_content(encode(example), "sound")
    assert back.sample_rate == sample_rate
    np.testing.assert_array_equal(back.samples, example.content.samples)
    # Full scale is one step beyond what 24 bits hold.
    assert np.abs(back.samples - samples).max() <= 2.0**-23
    again = settle(example)
    np.testing.assert_array_equal(again.content.samples, example.content.samples)


def test_a_file_that_no_rule_changed_keeps_its_bytes():
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(buffer, "JPEG")
    data = buffer.getvalue()
    example = Example("a.jpg", decode_content(data, "images"), data=data)
    assert encode(example) == data
    changed = example.with_content(255 - example.content)
    assert encode(changed)[:4] == b"\x89PNG"


def test_sound_is_written_as_flac_of_24_bits():
    data = encode(Example("a", Sound(np.zeros((9, 2), np.float32), 16000)))
    info = soundfile.info(io.BytesIO(data))
    assert (info.format, info.subtype, info.channels) == ("FLAC", "PCM_24", 2)
