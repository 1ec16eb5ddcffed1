import dataclasses

import numpy as np
import pytest

from tfgenai.core.errors import DataError, StorageError
from tfgenai.evaluate.features.cnn import Extractor
from tfgenai.evaluate.features.fit import _batches, fit_extractor


def test_digits_are_learnt_in_seconds(extractor, digits) -> None:
    test = digits[1]
    kept = extractor.provenance
    assert kept["test_accuracy"] >= 0.97
    assert kept["test_accuracy"] == extractor.accuracy(test.images, test.labels)
    assert (kept["num_train"], kept["num_test"], kept["epochs"]) == (1437, 360, 20)
    assert len(kept["train_sha256"]) == 64


def test_same_seed_gives_the_same_extractor(digits, tmp_path) -> None:
    train, test = (
        dataclasses.replace(part, images=part.images[:300], labels=part.labels[:300])
        for part in digits
    )
    hashes = [
        fit_extractor((train, test), output=tmp_path / str(k), epochs=1, seed=seed)
        for k, seed in enumerate((1, 1, 2))
    ]
    one, again, other = hashes
    np.testing.assert_allclose(
        one.features(test.images), again.features(test.images), atol=1e-4
    )
    assert np.abs(one.features(test.images) - other.features(test.images)).max() > 0.1


def test_order_and_shifts_are_a_function_of_seed_and_epoch(digits) -> None:
    train = dataclasses.replace(
        digits[0],
        images=np.repeat(digits[0].images[:50].repeat(4, axis=1), 4, axis=2),
        labels=np.arange(50, dtype=np.int32),
    )

    def epochs(number: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
        batches = _batches(train, batch_size=16, epochs=number, seed=seed)
        return [(x.numpy(), y.numpy()) for x, y in batches]

    two, one = epochs(2), epochs(1)
    assert (len(one), len(two)) == (3, 6)  # full batches only
    for (x, y), (x_two, y_two) in zip(one, two[:3], strict=True):
        np.testing.assert_array_equal(x, x_two)
        np.testing.assert_array_equal(y, y_two)
    labels = [np.concatenate([y for _, y in part]) for part in (two[:3], two[3:])]
    assert all(len(set(part)) == 48 for part in labels)
    assert (labels[0] != labels[1]).any()
    # Each image is its original, moved by at most 2 of 32 pixels.
    padded = np.pad(train.images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    moves = set()
    for x, y in two:
        for image, label in zip(x, y, strict=True):
            found = [
                (dy, dx)
                for dy in range(5)
                for dx in range(5)
                if (padded[label, dy : dy + 32, dx : dx + 32] == image).all()
            ]
            assert found
            moves |= set(found)
    assert len(moves) == 25


def test_output_by_name_is_found_again(digits, tmp_path, monkeypatch) -> None:
    import tfgenai.data
    from tfgenai.evaluate.features.lookup import resolve_extractor

    monkeypatch.setenv("TFGENAI_HOME", str(tmp_path))
    splits = dict(zip(("train", "test"), digits, strict=True))
    monkeypatch.setattr(
        tfgenai.data, "load_arrays", lambda name, *, split: splits[split]
    )
    fitted = fit_extractor("my_digits", epochs=1)
    assert (tmp_path / "extractors" / "my_digits_classifier").is_dir()
    found = resolve_extractor("my_digits_classifier")
    assert isinstance(found, Extractor)
    assert found.sha256 == fitted.sha256


def test_bad_input_is_refused_before_a_file_is_touched(digits, tmp_path) -> None:
    train, test = digits
    target = tmp_path / "extractor"
    unlabelled = dataclasses.replace(train, labels=None)
    with pytest.raises(DataError, match="labels=None"):
        fit_extractor((unlabelled, test), output=target)
    larger = dataclasses.replace(test, images=np.zeros((360, 9, 9, 1), np.uint8))
    with pytest.raises(DataError, match=r"\(9, 9, 1\)"):
        fit_extractor((train, larger), output=target)
    one_class = dataclasses.replace(
        train, labels=np.zeros_like(train.labels), class_names=["a"]
    )
    with pytest.raises(DataError, match="two classes"):
        fit_extractor((one_class, one_class), output=target)
    with pytest.raises(ValueError, match="epochs=0"):
        fit_extractor(digits, output=target, epochs=0)
    with pytest.raises(ValueError, match="output=None"):
        fit_extractor(digits)
    assert not list(tmp_path.iterdir())


def test_existing_extractor_is_not_overwritten(digits, extractor_folder) -> None:
    with pytest.raises(StorageError, match="overwrite"):
        fit_extractor(digits, output=extractor_folder)
