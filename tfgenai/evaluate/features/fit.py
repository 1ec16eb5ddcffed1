"""Training of the feature extractor on a data set's training split."""

import datetime
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import tfgenai
from tfgenai.core.errors import DataError, StorageError
from tfgenai.core.random import numpy_generator
from tfgenai.core.storage import PathLike
from tfgenai.evaluate.features.cnn import Extractor, build_network
from tfgenai.evaluate.features.lookup import default_name, extractor_home
from tfgenai.evaluate.real_images import content_hash

_BATCH_SIZE = 128
_LEARNING_RATE = 2e-3
# Small sets are gone through more often, until so many steps are done.
_FEWEST_STEPS = 800
_FEWEST_EPOCHS = 5
# Images move by at most 1/14 of their shorter side: 2 pixels of 28.
_SHIFT_DIVISOR = 14


def fit_extractor(
    data: Any,
    *,
    output: PathLike | None = None,
    splits: tuple[str, str] = ("train", "test"),
    epochs: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
    verbose: bool = False,
) -> Extractor:
    """Trains a classifier on the training split and keeps it as feature extractor.

    The test split is used once, to measure the accuracy that is kept beside the
    weights. Nothing is downloaded.

    Args:
        data: a name or folder that `tfgenai.data.load_arrays` takes, with labels, or
            a pair `(train, test)` of `ImageArrays`.
        output: folder to write; by default `default_name(data)` below
            `extractor_home()`, where `features="<data>_classifier"` finds it.
        splits: splits, or slices, of named data to train and to test on.
        epochs: passes over the training split; by default 5, and more for small sets.
        seed: of initial weights, order and shifts.
        overwrite: whether an extractor that is there gives way.
        verbose: whether to show a progress bar on standard error.

    Returns:
        The extractor; `provenance["test_accuracy"]` is its accuracy.

    Raises:
        DataError: if the data has no labels, or fewer than two classes.
        StorageError: if `output` exists and `overwrite` is false.
        ValueError: if `output` is missing where `data` has no name.
    """
    named = isinstance(data, str | os.PathLike)
    if output is None:
        if not named:
            raise ValueError(
                "A folder was expected for data without a name. Received: "
                "output=None. Pass output='path/of/the/extractor'."
            )
        output = extractor_home() / default_name(data)
    if Path(output).exists() and not overwrite:
        raise StorageError(
            f"A new folder was expected. Received: output={str(output)!r}, which "
            "exists. Use it, choose another, or pass overwrite (--overwrite)."
        )
    if epochs is not None and epochs < 1:
        raise ValueError(f"epochs >= 1 was expected. Received: epochs={epochs}.")
    if named:
        from tfgenai.data import load_arrays

        data = tuple(load_arrays(data, split=split) for split in splits)
    train, test = data
    class_names = _class_names(train, test)
    started = time.monotonic()
    weights, epochs = _train(
        train, len(class_names), epochs=epochs, seed=seed, verbose=verbose
    )
    extractor = Extractor(train.images.shape[1:], class_names, weights=weights)
    extractor.provenance |= {
        "data": getattr(train, "name", None) or default_name(str(output)),
        "train_sha256": content_hash(train.images, train),
        "test_sha256": content_hash(test.images, test),
        "num_train": len(train.images),
        "num_test": len(test.images),
        "test_accuracy": extractor.accuracy(test.images, test.labels),
        "epochs": epochs,
        "seed": seed,
        "seconds": round(time.monotonic() - started, 1),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
    }
    extractor.save(output, overwrite=overwrite)
    return extractor


def _class_names(train: Any, test: Any) -> list[str]:
    if train.labels is None or test.labels is None:
        raise DataError(
            "Labelled images were expected to train a classifier on. Received: "
            "labels=None. Put the images into one folder for each class, or pass an "
            "extractor of your own to evaluate_samples."
        )
    if train.images.shape[1:] != test.images.shape[1:]:
        raise DataError(
            "Training and test images of one shape were expected. Received: "
            f"{train.images.shape[1:]} and {test.images.shape[1:]}. Set image_size."
        )
    num_classes = int(max(train.labels.max(), test.labels.max())) + 1
    names = list(train.class_names or map(str, range(num_classes)))
    if num_classes > len(names) or len(names) < 2:
        raise DataError(
            "Labels of two classes or more, each with a name, were expected. Received:"
            f" labels up to {num_classes - 1} and class_names={names}."
        )
    return names


def _train(
    train: Any, num_classes: int, *, epochs: int | None, seed: int, verbose: bool
) -> tuple[list[np.ndarray], int]:
    """Fits the network; returns its weights and the number of epochs."""
    import keras

    count = len(train.images)
    batch_size = min(_BATCH_SIZE, count)
    steps = count // batch_size
    if epochs is None:
        epochs = max(_FEWEST_EPOCHS, math.ceil(_FEWEST_STEPS / steps))
    network = build_network(train.images.shape[1:], num_classes, seed=seed)
    classifier = keras.Model(network.input, network.outputs[1])
    schedule = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps * epochs)
    classifier.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    classifier.fit(
        _batches(train, batch_size=batch_size, epochs=epochs, seed=seed),
        steps_per_epoch=steps,
        epochs=epochs,
        shuffle=False,  # the data set is in its order already
        callbacks=[_progress(steps * epochs)] if verbose else [],
        verbose=0,
    )
    return network.get_weights(), epochs


def _batches(train: Any, *, batch_size: int, epochs: int, seed: int) -> Any:
    """All epochs one after the other: shuffled, in full batches, shifted a little."""
    import tensorflow as tf

    images, labels = train.images, np.asarray(train.labels, np.int32)
    count, height, width, _ = images.shape
    used = count // batch_size * batch_size
    order, shifts = [], []
    shift = min(height, width) // _SHIFT_DIVISOR
    for epoch in range(epochs):
        random = numpy_generator(seed, epoch)
        order.append(random.permutation(count)[:used].astype(np.int32))
        shifts.append(random.integers(0, 2 * shift + 1, (used, 2), np.int32))
    border = ((0, 0), (shift, shift), (shift, shift), (0, 0))
    padded = tf.constant(np.pad(images, border, mode="edge"))
    rows, columns = tf.range(height), tf.range(width)

    def gather(indices: tf.Tensor, offsets: tf.Tensor, y: tf.Tensor) -> Any:
        x = tf.gather(padded, indices)
        x = tf.gather(x, offsets[:, :1] + rows, axis=1, batch_dims=1)
        return tf.gather(x, offsets[:, 1:] + columns, axis=2, batch_dims=1), y

    indices = np.concatenate(order)
    batches = tf.data.Dataset.from_tensor_slices(
        (indices, np.concatenate(shifts), labels[indices])
    )
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread delays the end of fit
    return (
        batches.batch(batch_size, drop_remainder=True)
        .map(gather, num_parallel_calls=2)
        .prefetch(4)
        .with_options(options)
    )


def _progress(total: int) -> Any:
    import keras
    from tqdm import tqdm

    class Progress(keras.callbacks.Callback):
        """A bar on standard error, because standard output may carry JSON."""

        def on_train_begin(self, logs: Any = None) -> None:
            self.bar = tqdm(total=total, desc="extractor", file=sys.stderr)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.bar.update()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            loss = (logs or {}).get("loss", math.nan)
            self.bar.set_postfix(loss=f"{loss:.4f}", refresh=False)

        def on_train_end(self, logs: Any = None) -> None:
            self.bar.close()

    return Progress()


def _versions() -> dict[str, str]:
    import keras
    import tensorflow as tf

    return {
        "tfgenai": tfgenai.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
    }
