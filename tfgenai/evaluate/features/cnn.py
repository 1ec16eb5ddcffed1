"""The feature extractor: a small classifier whose features never change."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from tfgenai.core.errors import CheckpointError
from tfgenai.core.storage import PathLike, atomic_folder, read_json
from tfgenai.evaluate.pixels import resize, to_uint8

NUM_FEATURES = 64
# A change of `build_network` needs a new name: the hash covers it.
ARCHITECTURE = "cnn-64-v1"

_WEIGHTS = "weights.npz"
_DESCRIPTION = "extractor.json"
# One shape for every call: shorter batches are filled up, so that an image's features
# do not depend, not even in the last bit, on how many others came with it.
_BATCH_SIZE = 256
# Feature maps are halved until they are at most so high and wide.
_LARGEST_MAP = 8


class Extractor:
    """A trained classifier of fixed architecture, seen through its last hidden layer.

    Made by `fit_extractor` and kept as a folder of `weights.npz` and
    `extractor.json`. Batch normalisation always uses the stored statistics.

    Args:
        image_shape: `(height, width, channels)` of the images it was trained on;
            others are resized to it with an antialiased filter.
        class_names: name of each class.
        weights: the trained weights, in the order of `build_network(...).weights`;
            untrained ones by default.
        provenance: JSON values kept beside the weights: data, accuracy, versions.

    Attributes:
        sha256: SHA-256 over architecture, image shape, class names and weights.
        num_features: 64.
        num_classes: number of classes.

    Example:
        >>> extractor = Extractor((8, 8, 1), ["a", "b"])
        >>> extractor.features(np.zeros((3, 8, 8, 1), np.uint8)).shape
        (3, 64)
    """

    num_features = NUM_FEATURES

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        class_names: list[str],
        *,
        weights: list[np.ndarray] | None = None,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        height, width, channels = map(int, image_shape)
        self.image_shape = (height, width, channels)
        self.class_names = list(class_names)
        self.num_classes = len(self.class_names)
        self.provenance = dict(provenance or {})
        self._network = build_network(self.image_shape, self.num_classes)
        if weights is not None:
            self._network.set_weights(weights)
        self._run: Any = None
        self.sha256 = _digest(self._identity(), self._weights())

    def features(self, images: Any) -> np.ndarray:
        """Activations of the last hidden layer.

        Args:
            images: `(n, height, width, channels)`, uint8 or float in [-1, 1].

        Returns:
            float32 `(n, 64)`.
        """
        return self._forward(images)[0]

    def logits(self, images: Any) -> np.ndarray:
        """Class logits, float32 `(n, num_classes)`, of `images` as in `features`."""
        return self._forward(images)[1]

    def probabilities(self, images: Any) -> np.ndarray:
        """Class probabilities, float64 `(n, num_classes)`; see `features`."""
        return self.predict(images)[1]

    def predict(self, images: Any) -> tuple[np.ndarray, np.ndarray]:
        """Features and class probabilities in one pass; see `features`."""
        features, logits = self._forward(images)
        powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        return features, powers / powers.sum(axis=1, keepdims=True)

    def accuracy(self, images: Any, labels: np.ndarray) -> float:
        """Share of `images` whose likeliest class is the label, in [0, 1]."""
        return float((self.logits(images).argmax(axis=1) == labels).mean())

    def save(self, path: PathLike, *, overwrite: bool = False) -> None:
        """Writes the extractor as a folder, complete or not at all.

        Args:
            path: the folder.
            overwrite: whether a folder that is there gives way.

        Raises:
            StorageError: if it exists and `overwrite` is false, or is not writable.
        """
        description = self._identity() | {
            "sha256": self.sha256,
            "provenance": self.provenance,
        }
        with atomic_folder(path, replace=overwrite) as folder:
            (folder / _WEIGHTS).write_bytes(self._weights())
            text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
            (folder / _DESCRIPTION).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: PathLike) -> "Extractor":
        """Reads an extractor and checks that nothing of it was changed.

        Args:
            path: a folder that `save` wrote.

        Raises:
            CheckpointError: if the folder is not an extractor, is of another version
                of the architecture, or does not match its own hash.
        """
        folder = Path(path)
        try:
            weights = (folder / _WEIGHTS).read_bytes()
            description = read_json(folder / _DESCRIPTION)
            identity = {key: description[key] for key in _IDENTITY}
            expected = description["sha256"]
        except (OSError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"A folder with {_WEIGHTS} and {_DESCRIPTION} was expected. Received: "
                f"path={str(folder)!r} ({error}). Make it with `tfgenai evaluate "
                "fit-extractor DATA`."
            ) from error
        if identity["architecture"] != ARCHITECTURE:
            raise CheckpointError(
                f"An extractor of architecture {ARCHITECTURE!r} was expected. "
                f"Received: architecture={identity['architecture']!r} in "
                f"{str(folder)!r}. Fit it again with this version."
            )
        received = _digest(identity, weights)
        if received != expected:
            raise CheckpointError(
                f"An extractor with SHA-256 {expected} was expected. Received: "
                f"path={str(folder)!r} with {received}. It was changed after it was "
                "fitted: figures would not be comparable. Fit it again."
            )
        with np.load(io.BytesIO(weights), allow_pickle=False) as arrays:
            return cls(
                tuple(identity["image_shape"]),
                identity["class_names"],
                weights=[arrays[name] for name in sorted(arrays)],
                provenance=description.get("provenance"),
            )

    def _forward(self, images: Any) -> tuple[np.ndarray, np.ndarray]:
        import tensorflow as tf

        pixels = to_uint8(images)
        if pixels.shape[3] != self.image_shape[2]:
            raise ValueError(
                f"Images with {self.image_shape[2]} channel(s) were expected. "
                f"Received: images.shape={pixels.shape}. Use an extractor that was "
                "fitted to such images."
            )
        if self._run is None:
            spec = tf.TensorSpec((_BATCH_SIZE, *self.image_shape), tf.uint8)
            self._run = tf.function(
                lambda x: self._network(x, training=False), input_signature=[spec]
            )
        features = np.empty((len(pixels), self.num_features), np.float32)
        logits = np.empty((len(pixels), self.num_classes), np.float32)
        for start in range(0, len(pixels), _BATCH_SIZE):
            batch = resize(pixels[start : start + _BATCH_SIZE], self.image_shape[:2])
            count = len(batch)
            fill = ((0, _BATCH_SIZE - count), (0, 0), (0, 0), (0, 0))
            outputs = self._run(np.pad(batch, fill))
            features[start : start + count] = outputs[0][:count]
            logits[start : start + count] = outputs[1][:count]
        return features, logits

    def _identity(self) -> dict[str, Any]:
        values = (ARCHITECTURE, list(self.image_shape), self.class_names)
        return dict(zip(_IDENTITY, values, strict=True))

    def _weights(self) -> bytes:
        arrays = {
            f"{index:03d}": value
            for index, value in enumerate(self._network.get_weights())
        }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # NumPy stamps 1980 on it: same bytes every time
        return buffer.getvalue()


_IDENTITY = ("architecture", "image_shape", "class_names")


def build_network(
    image_shape: tuple[int, ...], num_classes: int, *, seed: int = 0
) -> Any:
    """Untrained network from uint8 images to `[features, logits]`.

    Convolutions (3x3, batch normalisation, ReLU) halve the maps until they are at
    most 8x8; a linear layer gives the features, GELU and another one the logits. The
    features are normalised to variance 1 each over the training images, so that
    distances between them have a known scale: a KID is not cubed by an accident of
    the weights.

    Args:
        image_shape: `(height, width, channels)`.
        num_classes: number of logits.
        seed: seed of the initial weights.

    Returns:
        A `keras.Model`, float32 whatever the global policy.
    """
    import keras

    layers, dtype = keras.layers, "float32"

    def kernel(index: int) -> Any:
        return keras.initializers.HeNormal(seed=seed * 1009 + index)

    def convolve(x: Any, filters: int, index: int) -> Any:
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            use_bias=False,
            kernel_initializer=kernel(index),
            dtype=dtype,
        )(x)
        x = layers.BatchNormalization(momentum=0.9, dtype=dtype)(x)
        return layers.ReLU(dtype=dtype)(x)

    images = keras.Input(image_shape, dtype="uint8")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, dtype=dtype)(images)
    x = convolve(x, 32, 0)
    index = 1
    while max(x.shape[1:3]) > _LARGEST_MAP:
        x = layers.MaxPooling2D(2, padding="same", dtype=dtype)(x)
        x = convolve(x, 64, index)
        index += 1
    x = layers.Flatten(dtype=dtype)(x)
    x = layers.Dense(
        NUM_FEATURES, use_bias=False, kernel_initializer=kernel(index), dtype=dtype
    )(x)
    features = layers.BatchNormalization(
        momentum=0.9, center=False, scale=False, name="features", dtype=dtype
    )(x)
    x = layers.Activation("gelu", dtype=dtype)(features)
    logits = layers.Dense(
        num_classes, kernel_initializer=kernel(index + 1), name="logits", dtype=dtype
    )(x)
    return keras.Model(images, [features, logits], name="extractor")


def _digest(identity: dict[str, Any], weights: bytes) -> str:
    head = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(head.encode("utf-8") + b"\0" + weights).hexdigest()
