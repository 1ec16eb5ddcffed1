"""Sets of TFDS: a tiny one, prepared from its files, and ones that are no images."""

import numpy as np
import pytest

from tfgenai.core.errors import DataError
from tfgenai.data import describe, load, load_arrays
from tfgenai.data.sources.tfds import TFDS


def test_images_labels_and_names_are_those_of_the_set(tiny_data_dir):
    from tiny_tfds import IMAGES, LABELS

    train = load_arrays("tiny_images", data_dir=tiny_data_dir)
    assert train.class_names == ["a", "b", "c"]
    assert train.ids[:2] == ["train/0", "train/1"]
    assert (train.images.dtype, train.labels.dtype) == (np.uint8, np.int32)
    label_of = dict(zip(map(bytes, IMAGES), LABELS, strict=True))
    assert len(set(map(bytes, train.images))) == 40
    found = [label_of[bytes(image)] for image in train.images]
    np.testing.assert_array_equal(train.labels, found)


def test_the_card_names_the_builder(tiny_data_dir):
    card = describe("tiny_images", data_dir=tiny_data_dir)
    assert "tiny_images/1.0.0" in card.source
    assert "not recorded" in card.licence
    assert [split.num_examples for split in card.splits.values()] == [40, 20]


def test_images_come_at_the_size_that_is_asked_for(tiny_data_dir):
    arrays = load_arrays("tiny_images", image_size=(2, 2), data_dir=tiny_data_dir)
    assert arrays.images.shape == (40, 2, 2, 1)


def test_slices_share_what_was_read(tiny_data_dir):
    options = {"data_dir": tiny_data_dir, "batch_size": 4}
    train = load("tiny_images", split="train[:90%]", **options)
    valid = load("tiny_images", split="train[90%:]", **options)
    assert train._pipeline._images is valid._pipeline._images


def test_a_broken_record_is_a_typed_error(tiny_data_dir, tmp_path):
    import shutil

    shutil.copytree(tiny_data_dir / "tiny_images", tmp_path / "tiny_images")
    (file,) = (tmp_path / "tiny_images/1.0.0").glob("*train.tfrecord*")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(data)
    with pytest.raises(DataError, match="prepare the set again"):
        load("tiny_images", data_dir=tmp_path)
    assert load("tiny_images", split="test", data_dir=tmp_path).num_examples == 20


def test_labels_outside_of_the_classes_are_refused(tiny_data_dir):
    source = TFDS("tiny_images", data_dir=tiny_data_dir)
    source.class_names = ["a", "b"]
    with pytest.raises(
        DataError, match=r"Labels in \[0, 2\).*13 outside.*train/\d+: 2"
    ):
        source.read("train")


@pytest.mark.parametrize("name", ["tiny_shakespeare", "imdb_reviews"])
def test_sets_without_images_are_refused(name, tmp_path):
    with pytest.raises(DataError, match="one uint8 image in each record"):
        TFDS(name, data_dir=tmp_path)


def test_images_of_many_sizes_need_a_size(tmp_path, monkeypatch):
    source = TFDS("cats_vs_dogs", data_dir=tmp_path)
    with pytest.raises(DataError, match="image_size was expected"):
        source._image_shape(None)
    assert source._image_shape((64, 48)) == (64, 48, 3)


def test_mirrored_signs_mean_something_else(tmp_path):
    assert TFDS("mnist", data_dir=tmp_path).mirror_changes_meaning is True
    assert TFDS("cifar10", data_dir=tmp_path).mirror_changes_meaning is None
