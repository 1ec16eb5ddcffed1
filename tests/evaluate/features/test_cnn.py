import json

import numpy as np
import pytest

from tfgenai.core.errors import CheckpointError, StorageError
from tfgenai.core.random import numpy_generator
from tfgenai.evaluate.features.cnn import NUM_FEATURES, Extractor
from tfgenai.evaluate.features.image_set import ImageClassifier
from tfgenai.evaluate.pixels import resize


def test_features_do_not_depend_on_the_batch(extractor, digits) -> None:
    images = digits[1].images
    together = extractor.features(images)
    alone = np.concatenate([extractor.features(images[i : i + 1]) for i in range(5)])
    shuffled = extractor.features(images[::-1])[::-1]
    odd = extractor.features(images[:257])
    np.testing.assert_allclose(alone, together[:5], atol=1e-5)
    np.testing.assert_allclose(shuffled, together, atol=1e-5)
    np.testing.assert_allclose(odd, together[:257], atol=1e-5)
    # An extractor in training mode would mix the rows by far more than that.
    assert np.abs(together - together.mean(axis=0)).mean() > 0.1


def test_outputs_agree_with_each_other(extractor, digits) -> None:
    images = digits[1].images[:20]
    features, probabilities = extractor.predict(images)
    logits = extractor.logits(images).astype(np.float64)
    assert features.shape == (20, NUM_FEATURES)
    assert isinstance(extractor, ImageClassifier)
    np.testing.assert_array_equal(extractor.features(images), features)
    np.testing.assert_allclose(
        np.log(probabilities), logits - np.logaddexp.reduce(logits, axis=1)[:, None]
    )
    np.testing.assert_array_equal(extractor.probabilities(images), probabilities)


def test_features_have_variance_one_over_the_training_images(extractor, digits) -> None:
    features = extractor.features(digits[0].images)
    assert features.var(axis=0) == pytest.approx(np.ones(NUM_FEATURES), rel=0.5)
    assert features.var(axis=0).mean() == pytest.approx(1.0, rel=0.15)


def test_floats_and_uint8_give_the_same_features(extractor, digits) -> None:
    images = digits[1].images[:8]
    floats = images.astype(np.float32) / 127.5 - 1
    np.testing.assert_array_equal(
        extractor.features(floats), extractor.features(images)
    )


def test_other_sizes_are_resized_without_aliasing(extractor, digits) -> None:
    images = resize(digits[1].images[:8], (24, 20))
    expected = extractor.features(resize(images, (8, 8)))
    np.testing.assert_array_equal(extractor.features(images), expected)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 9, 3), (33, 17, 2)])
def test_every_shape_works_without_training(shape) -> None:
    extractor = Extractor(shape, ["a", "b", "c"])
    images = numpy_generator(0).integers(0, 256, (3, *shape)).astype(np.uint8)
    features, probabilities = extractor.predict(images)
    assert features.shape == (3, NUM_FEATURES)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_global_policy_does_not_reach_the_extractor() -> None:
    import keras

    keras.config.set_dtype_policy("mixed_float16")
    features = Extractor((8, 8, 1), ["a", "b"])._network.outputs[0]
    assert features.dtype == "float32"


def test_saved_and_loaded_is_the_same(extractor, extractor_folder, digits) -> None:
    again = Extractor.load(extractor_folder)
    images = digits[1].images[:10]
    assert sorted(path.name for path in extractor_folder.iterdir()) == [
        "extractor.json",
        "weights.npz",
    ]
    assert again.sha256 == extractor.sha256
    assert again.provenance == extractor.provenance
    np.testing.assert_array_equal(again.features(images), extractor.features(images))


def test_hash_covers_weights_and_class_names(extractor, tmp_path) -> None:
    weights = [array.copy() for array in extractor._network.get_weights()]

    def hash_of(names: list[str]) -> str:
        return Extractor(extractor.image_shape, names, weights=weights).sha256

    names = extractor.class_names
    assert hash_of(names) == extractor.sha256
    assert hash_of([*names[:-1], "other"]) != extractor.sha256
    weights[0][0, 0, 0, 0] += 1e-3
    assert hash_of(names) != extractor.sha256


@pytest.fixture
def copy(extractor, tmp_path):
    folder = tmp_path / "copy"
    extractor.save(folder)
    return folder


def test_changed_weights_are_refused(copy, extractor) -> None:
    data = bytearray((copy / "weights.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "weights.npz").write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{extractor.sha256}.*changed"):
        Extractor.load(copy)


def test_changed_class_names_are_refused(copy) -> None:
    description = json.loads((copy / "extractor.json").read_text())
    description["class_names"].reverse()
    (copy / "extractor.json").write_text(json.dumps(description))
    with pytest.raises(CheckpointError, match="changed"):
        Extractor.load(copy)


def test_another_architecture_is_refused(copy) -> None:
    description = json.loads((copy / "extractor.json").read_text())
    description["architecture"] = "cnn-64-v0"
    (copy / "extractor.json").write_text(json.dumps(description))
    with pytest.raises(CheckpointError, match=r"cnn-64-v0.*Fit it again"):
        Extractor.load(copy)


@pytest.mark.parametrize("missing", ["weights.npz", "extractor.json"])
def test_incomplete_folders_are_refused(copy, missing: str) -> None:
    (copy / missing).unlink()
    with pytest.raises((CheckpointError, StorageError), match=missing):
        Extractor.load(copy)


def test_existing_folder_is_kept_unless_asked(copy, extractor) -> None:
    before = (copy / "weights.npz").read_bytes()
    with pytest.raises(StorageError, match="exists"):
        extractor.save(copy)
    extractor.save(copy, overwrite=True)
    assert (copy / "weights.npz").read_bytes() == before


def test_wrong_channels_and_nan_are_refused(extractor) -> None:
    with pytest.raises(ValueError, match=r"1 channel.*\(2, 8, 8, 3\)"):
        extractor.features(np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="NaN"):
        extractor.features(np.full((2, 8, 8, 1), np.nan))
