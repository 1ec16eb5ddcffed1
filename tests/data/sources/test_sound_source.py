"""Which names and paths stand for sound, and what they open."""

import pathlib

import numpy as np
import pytest
import soundfile

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.sources import is_text, open_source
from tfgenai.data.sources.plucked_strings import PluckedStrings
from tfgenai.data.sources.sound_folder import SoundFolder
from tfgenai.data.sources.sound_source import is_sound, open_sound_source


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "sounds"
    path.mkdir()
    soundfile.write(path / "a.wav", np.zeros(10), 8000)
    return path


def test_names_of_sound():
    assert is_sound("plucked_strings")
    assert is_sound("spoken_digit")
    assert is_sound("tfds:spoken_digit")
    assert is_sound(PluckedStrings())
    for name in ("mnist", "digits", "pydoc_topics", "tiny_shakespeare", "nothing", ""):
        assert not is_sound(name), name
    assert not is_sound(open_source("digits"))
    assert not is_sound(None)
    # Its records hold the name of a file, which is a text.
    assert not is_text("spoken_digit")
    assert not is_text("plucked_strings")


def test_folders_of_sound(folder):
    assert is_sound(folder)
    assert is_sound(str(folder))
    assert is_sound(f"folder:{folder}")
    (folder / "read me.txt").write_text("beside them")
    assert is_sound(folder)
    assert not is_text(folder)
    (folder / "b.png").write_bytes(b"")
    assert not is_sound(folder)


def test_open_finds_them(folder):
    assert isinstance(open_sound_source("plucked_strings"), PluckedStrings)
    assert isinstance(open_sound_source(folder), SoundFolder)
    source = PluckedStrings()
    assert open_sound_source(source) is source


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("pluckd_strings", DataNotFoundError, "Did you mean 'plucked_strings'"),
        ("mnist", DataError, "one sound of known sample rate"),
        (pathlib.Path("nowhere"), DataNotFoundError, "nowhere"),
        (3, TypeError, "name_or_path=3"),
        ("", TypeError, "name_or_path=''"),
    ],
)
def test_what_is_no_sound_is_refused(name, error, words):
    with pytest.raises(error, match=words):
        open_sound_source(name)
