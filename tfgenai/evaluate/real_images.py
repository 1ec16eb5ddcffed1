"""The real images an evaluation needs, whatever form they come in."""

import dataclasses
import hashlib
import os
from typing import Any

import numpy as np

from tfgenai.evaluate.pixels import to_uint8


@dataclasses.dataclass(frozen=True)
class RealData:
    """Test and, where known, training images, with what the report says of them.

    Args:
        test_images: uint8 `(n, height, width, channels)`.
        test_labels: int32 `(n,)` or None.
        train_images: uint8 `(m, height, width, channels)` or None.
        train_labels: int32 `(m,)` or None.
        class_names: name of each class, or None.
        test_sha256: hash of the test images.
        description: words and numbers for the report's table.
    """

    test_images: np.ndarray
    test_labels: np.ndarray | None
    train_images: np.ndarray | None
    train_labels: np.ndarray | None
    class_names: list[str] | None
    test_sha256: str
    description: dict[str, Any]


def load_real_data(
    data: Any,
    *,
    splits: tuple[str, str] = ("train", "test"),
    image_size: tuple[int, int] | None = None,
) -> RealData:
    """Collects the images of `data`.

    Args:
        data: a name or folder that `tfgenai.data.load_arrays` takes; a pair
            `(train, test)` of which each is an `ImageArrays` or a dataset; or one of
            those alone: the test images.
        splits: splits, or slices of them, of a named set to train and to test on.
        image_size: `(height, width)` in pixels that a named set is loaded at.

    Raises:
        TypeError: if `data` is none of these.
        ValueError: if the images do not fit, or the splits differ in shape.
    """
    description: dict[str, Any] = {}
    if isinstance(data, str | os.PathLike):
        from tfgenai.data import load_arrays

        description["data"] = os.fspath(data)
        train, test = (
            load_arrays(data, split=split, image_size=image_size) for split in splits
        )
    elif isinstance(data, tuple | list) and len(data) == 2:
        train, test = data
    else:
        train, test = None, data
    card = getattr(test, "card", None)
    if card is not None:
        description |= {
            key: getattr(card, key) for key in ("name", "source", "licence", "homepage")
        }
    test_images, test_labels, class_names = _collect(test, "test")
    train_images, train_labels = None, None
    if train is not None:
        train_images, train_labels, train_names = _collect(train, "train")
        class_names = class_names or train_names
        if train_images.shape[1:] != test_images.shape[1:]:
            raise ValueError(
                "Training and test images of one shape were expected. Received: "
                f"{train_images.shape[1:]} and {test_images.shape[1:]}. Resize them "
                "alike."
            )
        description["training images"] = len(train_images)
    description["test images"] = len(test_images)
    description["image shape"] = " x ".join(map(str, test_images.shape[1:]))
    test_sha256 = content_hash(test_images, test)
    description["SHA-256 of the test images"] = test_sha256
    return RealData(
        test_images=test_images,
        test_labels=test_labels,
        train_images=train_images,
        train_labels=train_labels,
        class_names=list(class_names) if class_names else None,
        test_sha256=test_sha256,
        description=description,
    )


def content_hash(images: np.ndarray, source: Any) -> str:
    """SHA-256 that a source's card gives, or else one of the pixels.

    Args:
        images: uint8 `(n, height, width, channels)`.
        source: what they came from: `ImageArrays`, a dataset, or an array.

    Returns:
        64 hexadecimal digits.
    """
    card = getattr(source, "card", None)
    if card is not None and len(card.splits) == 1:
        (split,) = card.splits.values()
        return str(split.sha256)
    return hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()


def _collect(
    source: Any, name: str
) -> tuple[np.ndarray, np.ndarray | None, list[str] | None]:
    """Images in uint8, labels and class names of arrays or of a dataset."""
    if hasattr(source, "images"):
        labels = source.labels
        names = getattr(source, "class_names", None)
        images = to_uint8(source.images, name=name)
    elif isinstance(source, np.ndarray):
        images, labels, names = to_uint8(source, name=name), None, None
    elif hasattr(source, "element_spec"):
        card = getattr(source, "card", None)
        images, labels = _read_dataset(source, name)
        names = getattr(card, "class_names", None)
    else:
        raise TypeError(
            "A data set's name, image arrays, a dataset or a pair (train, test) of "
            f"them was expected. Received: {name}={type(source).__name__}. Pass the "
            "name, for example 'mnist'."
        )
    return (
        images,
        None if labels is None else np.asarray(labels, np.int32),
        None if names is None else [str(value) for value in names],
    )


def _read_dataset(dataset: Any, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    images, labels = [], []
    for element in dataset:
        x, y = element if isinstance(element, tuple) else (element, None)
        images.append(to_uint8(x.numpy(), name=name))
        if y is not None:
            labels.append(y.numpy())
    if not images:
        raise ValueError(
            f"Images were expected. Received: {name}, a dataset without a batch. "
            "Check its split."
        )
    return np.concatenate(images), np.concatenate(labels) if labels else None
