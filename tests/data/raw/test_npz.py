"""Arrays in .npz files."""

import io
import zipfile

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


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_pixels_that_are_broken_are_one_example(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, x=np.arange(4000, dtype=np.uint16).view(np.uint8).reshape(-1, 10, 10))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    (found,) = read(open_raw(path))
    assert found.problem.code == "truncated"
    assert found.problem.detail.startswith("rows 0 to 79: ")


@pytest.mark.parametrize("shape", [(1000, 8, 8), (3, 2**40, 2**40), (-3, 2, 2)])
def test_a_header_that_lies_is_refused(tmp_path, shape):
    header = io.BytesIO()
    words = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, words)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"\0" * 12)
    with pytest.raises(DataError, match=r"(was|were) expected"):
        open_raw(tmp_path / "a.npz")
