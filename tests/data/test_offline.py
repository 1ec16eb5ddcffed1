"""Importing original files: what is checked, where they go, what is left behind."""

import json

import numpy as np
import pytest

from tfgenai.core.errors import DataError, DataNotFoundError, StorageError
from tfgenai.data import import_files, load_arrays


@pytest.fixture
def originals(tmp_path):
    from tiny_tfds import write_originals

    return write_originals(tmp_path / "from")


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "tfds"


def test_the_set_is_what_the_files_hold(originals, data_dir):
    from tiny_tfds import IMAGES, LABELS

    counts = import_files("tiny_images", originals, data_dir=data_dir)
    assert counts == {"train": 40, "test": 20}
    test = load_arrays("tiny_images", split="test", data_dir=data_dir)
    pairs = {(i.tobytes(), n) for i, n in zip(test.images, test.labels, strict=True)}
    expected = zip(IMAGES[40:], LABELS[40:], strict=True)
    assert pairs == {(i.tobytes(), n) for i, n in expected}


def test_the_files_lie_where_tfds_looks_for_downloads(originals, data_dir):
    from tensorflow_datasets.core.download import resource
    from tiny_tfds import FILES, URLS, TinyImages

    import_files("tiny_images", originals, data_dir=data_dir)
    for name, url in URLS.items():
        checksum = TinyImages.url_infos[url].checksum
        path = data_dir / "downloads/tiny_images" / resource.get_dl_fname(url, checksum)
        assert path.read_bytes() == FILES[name]
        info = json.loads(path.with_name(path.name + ".INFO").read_text())
        assert info["urls"] == [url]
        assert info["original_fname"] == name


def test_a_second_import_needs_no_files(originals, data_dir, tmp_path):
    first = import_files("tiny_images", originals, data_dir=data_dir)
    (tmp_path / "nothing").mkdir()
    assert import_files("tiny_images", tmp_path / "nothing", data_dir=data_dir) == first


@pytest.mark.parametrize("damage", [b"", b"other bytes", "one byte less"])
def test_a_file_with_other_content_is_named_and_nothing_is_written(
    originals, data_dir, damage
):
    file = originals / "tiny-labels.bin"
    file.write_bytes(file.read_bytes()[:-1] if isinstance(damage, str) else damage)
    with pytest.raises(DataError, match=r"tiny-labels\.bin has [0-9a-f]{64}, expected"):
        import_files("tiny_images", originals, data_dir=data_dir)
    assert not data_dir.exists()


def test_a_missing_file_is_named_and_nothing_is_written(originals, data_dir):
    (originals / "tiny-images.bin").unlink()
    with pytest.raises(DataNotFoundError, match=r"without \['tiny-images\.bin'\]"):
        import_files("tiny_images", originals, data_dir=data_dir)
    assert not data_dir.exists()


def test_an_import_that_is_cut_short_is_repeated(originals, data_dir, monkeypatch):
    from tfgenai.data import offline

    put = offline._put

    def fail_at_the_second(builder, url, path):
        if "images" in path.name:
            raise KeyboardInterrupt
        put(builder, url, path)

    monkeypatch.setattr(offline, "_put", fail_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        import_files("tiny_images", originals, data_dir=data_dir)
    monkeypatch.undo()
    assert import_files("tiny_images", originals, data_dir=data_dir)["train"] == 40


def test_folders_and_names_that_are_not_there_are_refused(
    originals, data_dir, tmp_path
):
    with pytest.raises(DataNotFoundError, match="which is not a folder"):
        import_files("tiny_images", tmp_path / "absent", data_dir=data_dir)
    with pytest.raises(DataNotFoundError, match="tiny_images"):
        import_files("tiny_imagse", originals, data_dir=data_dir)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        import_files("tiny_images", originals, data_dir=tmp_path / "file")


def test_a_set_without_registered_names_is_refused(originals, data_dir, monkeypatch):
    from tiny_tfds import TinyImages

    monkeypatch.setattr(TinyImages, "url_infos", None)
    with pytest.raises(DataError, match="cannot be told apart"):
        import_files("tiny_images", originals, data_dir=data_dir)


@pytest.mark.slow
@pytest.mark.data
def test_mnist_is_the_published_one(mnist_data_dir):
    """Counts of LeCun et al.; mean and deviation as everybody normalises with."""
    train, test = (
        load_arrays("mnist", split=split, data_dir=mnist_data_dir)
        for split in ("train", "test")
    )
    card = train.card.splits["train"]
    assert (len(train), len(test)) == (60_000, 10_000)
    assert (round(card.mean, 4), round(card.std, 4)) == (0.1307, 0.3081)
    assert train.images.mean() / 255 == pytest.approx(card.mean, abs=1e-6)
    assert train.images.std() / 255 == pytest.approx(card.std, abs=1e-6)
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(train.labels).tolist() == counts
    assert card.label_histogram == counts
    test_counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(test.labels).tolist() == test_counts


@pytest.mark.data
def test_files_of_mnist_with_one_changed_byte_are_refused(test_data, tmp_path):
    for path in (test_data / "mnist").iterdir():
        data = bytearray(path.read_bytes())
        if path.name == "t10k-labels-idx1-ubyte.gz":
            data[len(data) // 2] ^= 1
        (tmp_path / path.name).write_bytes(data)
    with pytest.raises(
        DataError, match=r"in which t10k-labels-idx1-ubyte\.gz has"
    ) as e:
        import_files("mnist", tmp_path, data_dir=tmp_path / "tfds")
    assert "train-images-idx3-ubyte.gz has" not in str(e.value)
