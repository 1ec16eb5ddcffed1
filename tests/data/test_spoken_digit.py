"""Repacking spoken digits: the same bytes always, and no trick gets through."""

import gzip
import hashlib
import tarfile

import numpy as np
import pytest
from tiny_digits import recording, write_archive

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data import import_files, load
from tfgenai.data.raw.sound_files import decode_sound
from tfgenai.data.spoken_digit import repack


def member(name, kind=tarfile.REGTYPE, size=0, link=""):
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, link
    return made


def test_the_archive_is_what_the_builder_looks_for(tmp_path):
    folder = write_archive(tmp_path / "from")
    note = repack(folder, tmp_path / "made.tar.gz")
    with tarfile.open(tmp_path / "made.tar.gz") as tar:
        found = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
    assert found == {
        f"free-spoken-digit-dataset-1.0.9/recordings/{i % 10}_ann_{i}.wav": recording(i)
        for i in range(12)
    }
    assert list(found) == sorted(found)
    assert note["num_files"] == 12
    for key, path in (
        ("archive_sha256", folder / "recordings.tar.gz"),
        ("repacked_sha256", tmp_path / "made.tar.gz"),
    ):
        assert note[key] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_order_and_times_of_the_archive_do_not_change_the_bytes(tmp_path):
    files = {f"x/{i}_bob_{i}.wav": recording(i) for i in range(4)}
    write_archive(tmp_path / "a", files)
    write_archive(tmp_path / "b", dict(reversed(files.items())))
    notes = [repack(tmp_path / name, tmp_path / f"{name}.tar.gz") for name in "ab"]
    assert notes[0]["archive_sha256"] != notes[1]["archive_sha256"]
    assert notes[0]["repacked_sha256"] == notes[1]["repacked_sha256"]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (member("/etc/1_a_1.wav"), "leads out of its folder"),
        (member("recordings/../../1_a_1.wav"), "leads out of its folder"),
        (member("..\\1_a_1.wav"), "leads out of its folder"),
        (member("r/1_a_1.wav", tarfile.SYMTYPE, link="/etc/passwd"), "a link"),
        (member("r/1_a_1.wav", tarfile.LNKTYPE, link="/etc/passwd"), "a link"),
        (member("r/1_a_1.wav", tarfile.FIFOTYPE), "a link"),
        (member("r/run.sh"), "is no recording"),
        (member("r/1_a_1.wav", size=9 * 2**20), "too large"),
        (member("other/0_ann_0.wav"), "two files '0_ann_0.wav'"),
        (member("r/1_a_1.wav", size=100), "cannot be decoded"),
    ],
)
def test_tricks_are_refused_and_nothing_is_written(tmp_path, extra, words):
    folder = write_archive(tmp_path / "from", extra=[extra])
    with pytest.raises(DataError, match=words):
        repack(folder, tmp_path / "to" / "made.tar.gz")
    assert not (tmp_path / "to").exists() or not list((tmp_path / "to").iterdir())


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    from tfgenai.data import spoken_digit

    monkeypatch.setattr(spoken_digit, "_MAX_TOTAL", 10_000)
    folder = write_archive(tmp_path / "from", extra=[member("r", tarfile.DIRTYPE)])
    with pytest.raises(DataError, match="more than 10,000 bytes are inside"):
        repack(folder, tmp_path / "made.tar.gz")


@pytest.mark.parametrize("rate_and_channels", [(16000, 1), (8000, 2)])
def test_recordings_of_another_rate_are_refused(tmp_path, rate_and_channels):
    files = {"1_a_1.wav": recording(1, *rate_and_channels)}
    with pytest.raises(DataError, match="8000 Hz in one channel"):
        repack(write_archive(tmp_path / "from", files), tmp_path / "made.tar.gz")


@pytest.mark.parametrize(
    "break_it",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"no archive",
        lambda data: gzip.compress(b"no archive"),
        lambda data: gzip.compress(b""),
    ],
)
def test_broken_archives_are_refused(tmp_path, break_it):
    path = write_archive(tmp_path / "from") / "recordings.tar.gz"
    path.write_bytes(break_it(path.read_bytes()))
    with pytest.raises(DataError, match="Get the archive again"):
        repack(tmp_path / "from", tmp_path / "made.tar.gz")


def test_without_the_archive(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"recordings\.tar\.gz"):
        repack(tmp_path, tmp_path / "made.tar.gz")


def test_without_repack_it_is_refused_with_the_way_out(tmp_path):
    folder = write_archive(tmp_path / "from")
    with pytest.raises(DataError, match=r"another hash\. Give --repack"):
        import_files("spoken_digit", folder, data_dir=tmp_path / "tfds")
    with pytest.raises(DataError, match="repack for 'spoken_digit' alone"):
        import_files("mnist", folder, data_dir=tmp_path / "tfds", repack=True)
    assert not (tmp_path / "tfds").exists()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    write_archive(folder / "from")
    counts = import_files(
        "spoken_digit", folder / "from", data_dir=folder / "tfds", repack=True
    )
    assert counts == {"train": 12}
    return folder / "tfds"


def test_repacked_digits_are_loaded_and_their_card_says_so(data_dir):
    made = load("spoken_digit", data_dir=data_dir, num_samples=220, batch_size=12)
    x, y = next(iter(made.for_epochs(0, 1)))
    assert made.card.sample_rate == 8000
    assert "not from TFDS's archive but from 12 recordings" in made.card.source
    assert made.card.licence == "CC BY-SA 4.0"
    found = {row.numpy().tobytes(): int(label) for row, label in zip(x, y, strict=True)}
    expected = {}
    for i in range(12):
        samples = decode_sound(recording(i)).samples
        expected[np.pad(samples, [(0, 120 - 10 * i), (0, 0)]).tobytes()] = i % 10
    assert found == expected


def test_above_the_limit_digits_come_from_a_file(data_dir):
    options = {"data_dir": data_dir, "num_samples": 150, "batch_size": 4}
    kept = load("spoken_digit", **options)
    spooled = load("spoken_digit", memory_limit=2000, **options)
    for (x, y), (u, v) in zip(
        kept.for_epochs(0, 2), spooled.for_epochs(0, 2), strict=True
    ):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


@pytest.mark.data
@pytest.mark.slow
def test_the_archive_at_hand_becomes_3000_digits(test_data, tmp_path):
    """As many of each digit, and the first recording bit for bit."""
    folder = test_data / "free_spoken_digit"
    counts = import_files("spoken_digit", folder, data_dir=tmp_path, repack=True)
    assert counts == {"train": 3000}
    names = ("train[:90%]", "train[90%:]")
    parts = load(
        "spoken_digit", split=names, data_dir=tmp_path, num_samples=20_000, batch_size=3
    )
    card = parts[0].card
    assert card.splits["train[:90%]"].label_histogram == [270] * 10
    assert card.splits["train[90%:]"].label_histogram == [30] * 10
    with tarfile.open(folder / "recordings.tar.gz") as tar:
        data = tar.extractfile("recordings/0_george_0.wav").read()
    samples = decode_sound(data).samples
    rows = np.pad(samples, [(0, 20_000 - len(samples)), (0, 0)])
    found = [
        int(label)
        for part in parts
        for x, y in part.for_epochs(0, 1)
        for row, label in zip(x.numpy(), y, strict=True)
        if np.array_equal(row, rows)
    ]
    assert found == [0]
