"""Sound files, whole and broken, against the samples that were written."""

import io
import os
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.data.raw.example import Problem
from tfgenai.data.raw.sound_files import (
    SoundFileError,
    decode_sound,
    header_of_sound,
    read_sound,
)

_TONE = np.sin(np.arange(8000) / 20)[:, np.newaxis] * [0.5, 0.25]
_FORMATS = [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")]


def file_of(samples, rate=8000, kind="WAV", subtype="PCM_16"):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


_WHOLE = {which: file_of(_TONE[:2000], 8000, *which) for which in _FORMATS}


def problem_of(data, **options):
    with pytest.raises(SoundFileError) as caught:
        decode_sound(data, **options)
    assert isinstance(caught.value, ValueError)
    return caught.value.problem


@pytest.mark.parametrize(
    ("subtype", "bits"),
    [("PCM_U8", 8), ("PCM_16", 16), ("PCM_24", 24), ("FLOAT", 24)],
)
@pytest.mark.parametrize("rate", [8000, 44100])
def test_samples_come_back_to_half_a_step(subtype, bits, rate):
    sound = decode_sound(file_of(_TONE, rate, subtype=subtype))
    assert sound.samples.shape == (8000, 2)
    assert sound.samples.dtype == np.float32
    assert sound.sample_rate == rate
    np.testing.assert_allclose(sound.samples, _TONE, atol=2.0 ** (1 - bits) + 1e-7)


@pytest.mark.parametrize(("kind", "subtype"), _FORMATS)
def test_formats_keep_length_and_tone(kind, subtype):
    sound = decode_sound(file_of(_TONE, kind=kind, subtype=subtype))
    assert sound.samples.shape == (8000, 2)
    assert np.abs(sound.samples - _TONE).max() < (1e-4 if kind != "OGG" else 0.1)


@pytest.mark.parametrize(("kind", "subtype"), _FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_file_that_is_cut_off_is_truncated(kind, subtype, share):
    data = file_of(_TONE, kind=kind, subtype=subtype)
    assert problem_of(data[: int(share * len(data))]).code == "truncated"


def test_an_ogg_file_without_its_last_page_is_truncated():
    """Each page is whole, but none says that it is the last."""
    data = file_of(np.tile(_TONE, (20, 1)), kind="OGG", subtype="VORBIS")
    assert data.count(b"OggS") > 3
    problem = problem_of(data[: data.rindex(b"OggS")])
    assert problem == Problem("truncated", "its last page is missing")


@pytest.mark.parametrize("data", [b"", b"RIFF", b"\x00" * 4000, b"hello, sound"])
def test_what_is_no_sound_is_unreadable(data):
    problem = problem_of(data)
    assert problem.code == "unreadable"
    assert "\n" not in problem.detail


def test_wav_of_unknown_length_is_read_to_its_end():
    """A recorder that cannot go back leaves 2**32 - 1 as the length of its samples."""
    data = bytearray(file_of(_TONE))
    struct.pack_into("<I", data, 40, 2**32 - 1)
    assert decode_sound(bytes(data)).samples.shape == (8000, 2)


def test_bytes_behind_the_samples_do_no_harm():
    assert decode_sound(file_of(_TONE) + b"LISTxxxx").samples.shape == (8000, 2)


def test_an_announced_length_is_not_allocated():
    """2**36 - 1 samples in the header of a short FLAC file, 256 GiB if it were so."""
    data = bytearray(file_of(_TONE[:, 0], kind="FLAC"))
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    problem = problem_of(bytes(data))
    assert problem.code == "too_large"
    assert "68719476735" in problem.detail


@pytest.mark.parametrize(("rate", "channels"), [(700_000, 1), (8000, 9)])
def test_what_cannot_be_kept_is_unreadable(rate, channels):
    problem = problem_of(file_of(np.zeros((10, channels)), rate))
    assert problem.code == "unreadable"
    assert f"{rate} Hz in {channels} channels" in problem.detail
    assert decode_sound(file_of(np.zeros((10, 8)), 655_350)).samples.shape == (10, 8)


def test_max_seconds_is_a_bound_that_may_be_met():
    data = file_of(_TONE)
    assert decode_sound(data, max_seconds=1.0).seconds == 1.0
    assert problem_of(data, max_seconds=0.999).code == "too_large"


def test_what_is_not_a_number_is_unreadable_and_what_is_too_loud_is_cut_off():
    samples = np.array([0.0, 1.5, -3.0, 0.5])
    sound = decode_sound(file_of(samples, subtype="FLOAT"))
    np.testing.assert_array_equal(sound.samples[:, 0], [0.0, 1.0, -1.0, 0.5])
    samples[2] = np.nan
    assert problem_of(file_of(samples, subtype="FLOAT")).code == "unreadable"


def test_a_file_without_samples_is_unreadable():
    problem = problem_of(file_of(np.zeros((0, 1))))
    assert problem == Problem("unreadable", "it holds no samples")


@given(
    which=st.sampled_from(_FORMATS),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
    in_header=st.booleans(),
    share=st.floats(0, 1),
)
def test_damage_is_always_a_problem_or_sound(which, changes, in_header, share):
    data = bytearray(_WHOLE[which])
    reach = min(len(data), 120) if in_header else len(data)
    for place, value in changes:
        data[int(place * (reach - 1))] = value
    if share < 0.3:
        data = data[: int(share * len(data))]
    try:
        sound = decode_sound(bytes(data))
    except SoundFileError as error:
        code, sound = error.problem.code, None
    if sound is None:
        assert code in ("unreadable", "truncated", "too_large")
    else:
        assert len(sound.samples)
        assert np.abs(sound.samples).max() <= 1.0


def test_read_sound_names_what_is_wrong_with_a_path(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(file_of(_TONE))
    assert read_sound(path).samples.shape == (8000, 2)
    assert read_sound(path.read_bytes()).samples.shape == (8000, 2)
    for wrong, code in ((tmp_path / "b.wav", "missing"), (tmp_path, "unreadable")):
        with pytest.raises(SoundFileError) as caught:
            read_sound(wrong)
        assert caught.value.problem.code == code


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_read_sound_says_what_may_not_be_read(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(file_of(_TONE))
    path.chmod(0)
    with pytest.raises(SoundFileError) as caught:
        read_sound(path)
    assert caught.value.problem.code == "permission"


def test_header_of_sound(tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(file_of(_TONE, 16000, kind="FLAC"))
    header = header_of_sound(path)
    assert (header.sample_rate, header.channels, header.num_samples) == (16000, 2, 8000)
    path.write_bytes(b"no sound")
    with pytest.raises(SoundFileError, match="not recognised"):
        header_of_sound(path)
