"""Folders of images: their layouts, and everything that can be wrong with one."""

import os

import numpy as np
import pytest
from PIL import Image

from tfgenai.core.errors import DataError
from tfgenai.data import describe, load, load_arrays


def names(count, folder="", kind="png"):
    return [f"{folder}{i:03}.{kind}" for i in range(count)]


def test_class_folders_give_labels_in_sorted_order(write_images):
    folder = write_images(["dog/1.png", "cat/1.png", "cat/deep/2.png"])
    arrays = load_arrays(folder, split="all")
    assert arrays.class_names == ["cat", "dog"]
    assert arrays.ids == ["cat/1.png", "cat/deep/2.png", "dog/1.png"]
    assert arrays.labels.tolist() == [0, 0, 1]
    assert arrays.images[:, 0, 0, 0].tolist() == [1, 2, 0]


def test_without_class_folders_there_are_no_labels(write_images):
    arrays = load_arrays(write_images(names(3)), split="all")
    assert arrays.labels is None
    assert arrays.class_names is None


def test_given_splits_are_kept(write_images):
    folder = write_images(["train/a/0.png", "train/b/1.png", "test/b/2.png"])
    train, test = (load_arrays(folder, split=split) for split in ("train", "test"))
    assert (train.ids, test.ids) == (
        ["train/a/0.png", "train/b/1.png"],
        ["test/b/2.png"],
    )
    assert test.labels.tolist() == [1]
    with pytest.raises(DataError, match=r"\['test', 'train'\].*split='all'"):
        load_arrays(folder, split="all")


def test_without_given_splits_a_tenth_is_for_testing_whatever_the_seed(write_images):
    folder = write_images([*names(60, "a/"), *names(40, "b/")])
    train, test = (load_arrays(folder, split=split) for split in ("train", "test"))
    assert np.bincount(test.labels).tolist() == [6, 4]
    assert sorted(train.ids + test.ids) == load_arrays(folder, split="all").ids
    assert load_arrays(folder, split="test", seed=3).ids == test.ids
    assert list(describe(folder).splits) == ["train", "test"]


def test_copies_stay_on_one_side(write_images):
    write_images(names(50, "a/"))
    folder = write_images(names(50, "b/"))  # the same images under other names
    train, test = (load_arrays(folder, split=split) for split in ("train", "test"))
    pixels = [set(part.images[:, 0, 0, 0].tolist()) for part in (train, test)]
    assert not pixels[0] & pixels[1]


def test_colour_anywhere_makes_all_images_colour(write_images):
    write_images(["train/0.png"], channels=3, start=9)
    folder = write_images(["train/1.png", "test/2.png"], start=70)
    for split in ("train", "test"):
        assert load_arrays(folder, split=split).images.shape[1:] == (4, 4, 3)
    assert load_arrays(folder, split="test").images[0, 0, 0].tolist() == [71] * 3


def test_hidden_files_are_ignored(write_images):
    folder = write_images(names(2))
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "Thumbs.db").write_bytes(b"x")
    (folder / ".cache").mkdir()
    assert len(load_arrays(folder, split="all")) == 2


def test_broken_files_are_counted_and_the_first_are_named(write_images):
    folder = write_images([*names(20, "a/"), *names(3, "b/", "jpg")], size=(32, 32))
    for i in range(7):
        path = folder / f"a/{i:03}.png"
        path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="7 of 23 cannot be decoded") as e:
        load_arrays(folder, split="all")
    assert "a/000.png (" in str(e.value)
    assert "and 2 more" in str(e.value)
    (folder / "b/000.jpg").write_text("no picture")
    with pytest.raises(DataError, match=r"1 of 23 cannot be decoded: b/000\.jpg"):
        load(folder, memory_limit=0)


def test_files_that_are_not_images_are_counted_and_named(write_images):
    folder = write_images(names(2, "a/"))
    (folder / "a" / "notes.txt").write_text("x")
    (folder / "labels.csv").write_text("x")
    with pytest.raises(
        DataError, match=r"2 files that are not images: labels\.csv, a/"
    ):
        load(folder)


def test_empty_folders_are_refused(tmp_path, write_images):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="with no image"):
        load(tmp_path / "nothing")
    folder = write_images(names(2, "a/"))
    (folder / "b").mkdir()
    with pytest.raises(DataError, match="1 empty folders: b"):
        load(folder)


def test_images_beside_class_folders_are_refused(write_images):
    with pytest.raises(DataError, match=r"beside the folders \['a'\]"):
        load(write_images(["a/0.png", "1.png"]))


def test_mixed_sizes_need_a_size(write_images):
    write_images(names(4))
    folder = write_images(["big.png"], size=(8, 6))
    with pytest.raises(
        DataError, match=r"2 sizes; most are 4x4, but not big\.png \(8x6\)"
    ):
        load(folder)
    arrays = load_arrays(folder, split="all", image_size=(4, 4))
    assert arrays.images.shape == (5, 4, 4, 1)


def test_too_few_images_to_part_are_refused(write_images):
    folder = write_images(names(2))
    with pytest.raises(DataError, match=r"split='test'.*Use split='all'"):
        load(folder, split="test")
    assert load(folder, split="all").num_examples == 2


def test_a_file_that_changes_while_training_is_named(write_images):
    folder = write_images(names(8))
    data = load(folder, split="all", batch_size=4, memory_limit=0)
    os.truncate(folder / "005.png", 20)
    with pytest.raises(Exception, match=r"005\.png"):
        list(data)


def test_a_photograph_keeps_its_content(write_images, tmp_path):
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    (tmp_path / "photos").mkdir()
    Image.fromarray(ramp).save(tmp_path / "photos" / "ramp.jpg", quality=95)
    image = load_arrays(tmp_path / "photos", split="all", image_size=(16, 16)).images[0]
    expected = ramp.reshape(16, 4, 16, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(image[1:-1, 1:-1, 0], expected[1:-1, 1:-1], atol=3)
