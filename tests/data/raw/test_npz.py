"""Arrays in .npz files."""

import numpy as np
import pytest

from tfgenai.core.errors import DataError
from tfgenai.data.raw import npz, open_raw

IMAGES = np.arange(7 * 3 * 2, dtype=np.uint8).reshape(7, 3, 2)


def read(source):
    return [e for chunk in source.chunks() for e in source.read(chunk)]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_images_and_labels_come_back(tmp_path, monkeypatch, save):
    monkeypatch.setattr(npz, "_BYTES_IN_CHUNK", 13)
    path = tmp_path / "a.npz"
    save(path, x=IMAGES, y=np.arange(7))
    found = read(open_raw(path))
    np.testing.assert_array_equal(np.stack([e.content for e in found])[..., 0], IMAGES)
    assert [e.label for e in found] == list("0123456")
    assert len(open_raw(path).chunks()) == 4


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": IMAGES.astype(np.float32)}, "float32"),
        ({"x": IMAGES[0]}, r"\(3, 2\)"),
        ({"x": IMAGES, "y": np.arange(3)}, "7 labels"),
        ({"other": IMAGES}, "images or x"),
        ({"x": np.array([{}], object)}, r"whole \.npz"),
        ({"x": np.asfortranarray(IMAGES)}, "Fortran"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, arrays, words):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=words):
        open_raw(path)


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=IMAGES)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"whole \.npz"):
        open_raw(path)
