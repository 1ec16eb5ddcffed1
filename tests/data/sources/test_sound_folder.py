"""Folders of sound: layouts, splits, and all that may be wrong with them."""

import numpy as np
import pytest
import soundfile

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.sources.sound_folder import SoundFolder


@pytest.fixture
def write(tmp_path):
    """Writes tones of given names, each of its own length; returns the folder."""

    def write(names, rate=8000, channels=1, folder="sounds"):
        for i, name in enumerate(names):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            tone = np.sin(np.arange(100 + 10 * i) * (0.1 + i / 100)) / 2
            soundfile.write(path, np.stack([tone] * channels, axis=1), rate)
        return tmp_path / folder

    return write


def test_folders_are_classes_and_all_formats_are_read(write):
    folder = write(["b/1.wav", "a/2.FLAC", "b/x/3.ogg", "a/.hidden.wav"])
    source = SoundFolder(str(folder))
    records = source.read("all")
    assert source.class_names == ["a", "b"]
    assert records.ids == ["a/2.FLAC", "b/1.wav", "b/x/3.ogg"]
    assert records.labels.tolist() == [0, 1, 1]
    assert records.lengths.tolist() == [110, 100, 120]
    expected = np.sin(np.arange(110) * 0.11) / 2
    np.testing.assert_allclose(records.samples[:110, 0], expected, atol=1e-4)


def test_given_splits_and_no_classes(write):
    write(["train/1.wav", "train/2.wav"])
    folder = write(["test/3.wav"])
    source = SoundFolder(str(folder))
    assert source.split_names() == ["test", "train"]
    assert source.class_names is None
    assert source.read("train").labels is None
    assert len(source.read("test")) == 1


def test_made_splits_leave_nothing_out_and_keep_copies_together(write):
    folder = write([f"{c}/{i}.wav" for c in "ab" for i in range(10)])
    copy = folder / "a/copy.wav"
    copy.write_bytes((folder / "a/3.wav").read_bytes())
    source = SoundFolder(str(folder))
    train, test = (source.read(split) for split in ("train", "test"))
    assert sorted(train.ids + test.ids) == sorted(source.read("all").ids)
    assert len(test) in (2, 3)
    inside = {"a/3.wav", "a/copy.wav"} & set(test.ids)
    assert len(inside) in (0, 2)


def test_rates_that_differ_are_refused_by_name(write):
    write(["a/1.wav", "a/2.wav"])
    folder = write(["a/3.wav"], rate=16000)
    with pytest.raises(DataError, match=r"a/3\.wav \(16000\).*sample_rate=8000"):
        SoundFolder(str(folder)).read("all")
    records = SoundFolder(str(folder)).read("all", sample_rate=8000)
    assert records.sample_rate == 8000
    assert records.lengths.tolist() == [100, 110, 50]


def test_channels_that_differ_are_refused_by_name(write):
    write(["a/1.wav", "a/2.wav"])
    folder = write(["a/3.wav"], channels=2)
    with pytest.raises(DataError, match=r"a/3\.wav \(2\).*channels=1"):
        SoundFolder(str(folder)).read("all")
    assert SoundFolder(str(folder)).read("all", channels=1).channels == 1


def test_above_the_limit_files_are_read_again_and_give_the_same(write):
    folder = write([f"{i}.flac" for i in range(5)])
    kept = SoundFolder(str(folder)).read("all", sample_rate=16000)
    size = kept.samples.nbytes
    again = SoundFolder(str(folder)).read("all", sample_rate=16000, memory_limit=size)
    assert again.samples is not None
    fetched = SoundFolder(str(folder)).read(
        "all", sample_rate=16000, memory_limit=size - 1
    )
    assert fetched.samples is None
    np.testing.assert_array_equal(fetched.digests, kept.digests)
    np.testing.assert_array_equal(
        np.concatenate([fetched.fetch(i) for i in range(5)]), kept.samples
    )
    (folder / "2.flac").unlink()
    with pytest.raises(DataError, match=r"2\.flac.*whole when training began"):
        fetched.fetch(2)


def test_broken_files_are_counted_and_named(write):
    folder = write([f"{i}.wav" for i in range(8)])
    whole = (folder / "0.wav").read_bytes()
    (folder / "3.wav").write_bytes(whole[:-50])
    with pytest.raises(DataError, match=r"1 of 8 cannot be decoded: 3\.wav"):
        SoundFolder(str(folder)).read("all")
    (folder / "5.wav").write_bytes(b"text")
    with pytest.raises(DataError, match=r"1 of 8 cannot be decoded: 5\.wav"):
        SoundFolder(str(folder)).read("all")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: (folder / "notes.txt").write_text("x"), "1 files that are no"),
        (lambda folder: (folder / "empty").mkdir(), "1 empty folders: empty"),
        (
            lambda folder: (
                (folder / "c").mkdir(),
                (folder / "c/2.wav").write_bytes((folder / "1.wav").read_bytes()),
            ),
            r"sounds lie beside the folders \['c'\]",
        ),
        (lambda folder: (folder / "1.wav").unlink(), "with no sound"),
    ],
)
def test_a_folder_of_other_things_is_refused(write, make, words):
    folder = write(["1.wav"])
    make(folder)
    with pytest.raises(DataError, match=words):
        SoundFolder(str(folder))


def test_a_folder_that_is_not_there():
    with pytest.raises(DataNotFoundError, match="nowhere"):
        SoundFolder("nowhere")


def test_one_sound_cannot_be_parted(write):
    with pytest.raises(DataError, match="too few to part"):
        SoundFolder(str(write(["1.wav"]))).read("test")
