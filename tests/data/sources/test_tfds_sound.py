"""TFDS sets of sound: what is known of them without their data."""

import io

import numpy as np
import pytest
import soundfile

from tfgenai.core.errors import DataError
from tfgenai.data.sources.tfds_sound import TFDSSound, is_set_of_sound, use_soundfile
from tfgenai.data.tfds_builders import get_builder


def test_spoken_digits_are_known_before_they_are_there(tmp_path):
    source = TFDSSound("spoken_digit", data_dir=tmp_path)
    assert source.class_names == [str(digit) for digit in range(10)]
    assert "spoken_digit/1.0.9" in source.origin
    assert "repacked" not in source.origin
    assert source.licence == "CC BY-SA 4.0"


@pytest.mark.parametrize("name", ["mnist", "tiny_shakespeare", "no_set"])
def test_other_sets_are_none_of_sound(name):
    assert not is_set_of_sound(name)


def test_a_set_of_images_is_refused(tmp_path):
    with pytest.raises(DataError, match="features"):
        TFDSSound("mnist", data_dir=tmp_path)


def test_soundfile_gives_the_whole_numbers_of_16_bits(tmp_path):
    builder = get_builder("spoken_digit", tmp_path)
    use_soundfile(builder)
    samples = np.array([0, 1, -1, 32767, -32768, 1234], np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 8000, format="WAV", subtype="PCM_16")
    buffer.seek(0)
    found = builder.info.features["audio"].encode_example(buffer)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, samples)
