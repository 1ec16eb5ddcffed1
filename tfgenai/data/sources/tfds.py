"""Any set of images that TensorFlow Datasets (TFDS) knows, by its name."""

import os
import weakref
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core.errors import DataError
from tfgenai.data.content import Content
from tfgenai.data.images import resize
from tfgenai.data.sources.source import SOURCES, Records, Source
from tfgenai.data.tfds_builders import get_builder, prepare, quiet

_READ_BATCH = 512
# Splits that a dataset in use has read: training and validation slices share them.
_in_use: weakref.WeakValueDictionary[Any, Records] = weakref.WeakValueDictionary()
# TFDS records no licence for these; their authors state it on the homepage.
_LICENCES = {
    "binarized_mnist": "CC BY-SA 3.0",
    "fashion_mnist": "MIT",
    "kmnist": "CC BY-SA 4.0",
    "mnist": "CC BY-SA 3.0",
}
# Written signs: a mirrored one is another sign, or none.
_WRITTEN = frozenset(
    (
        "binarized_mnist",
        "cmaterdb",
        "emnist",
        "kmnist",
        "mnist",
        "mnist_corrupted",
        "omniglot",
        "quickdraw_bitmap",
        "svhn_cropped",
    )
)


@SOURCES.register("tfds")
class TFDS(Source):
    """A TFDS set with one image in each record, and a class if it has one.

    Args:
        name: TFDS name, for example "mnist" or "cifar10:3.0.2".
        data_dir: folder of prepared sets; None for TFDS's own.
    """

    def __init__(self, name: str, *, data_dir: Any = None) -> None:
        import tensorflow_datasets as tfds

        self.name = name
        self._builder = get_builder(name, data_dir)
        info = self._builder.info
        self.origin = (
            f"TensorFlow Datasets {tfds.__version__}, builder {info.full_name}"
        )
        self.homepage = info.homepage or ""
        recorded = getattr(info.redistribution_info, "license", "")
        self.licence = (
            recorded
            or _LICENCES.get(self._builder.name)
            or f"not recorded by TFDS; see {self.homepage or 'the authors'}"
        )
        self._image_key, self._label_key = _keys(info, name)
        if self._label_key is not None:
            self.class_names = list(info.features[self._label_key].names)
        self.mirror_changes_meaning = self._builder.name in _WRITTEN or None

    def split_names(self) -> list[str]:
        """See `Source.split_names`; prepares the set."""
        prepare(self._builder)
        return list(self._builder.info.splits)

    def read(
        self,
        split: str,
        *,
        image_size: tuple[int, int] | None = None,
        memory_limit: int | None = None,
    ) -> Records:
        """See `Source.read`."""
        self.require_split(split)
        if memory_limit is None:  # whoever asks for arrays may change them
            return self._read(split, image_size, memory_limit)
        key = (os.fspath(self._builder.data_dir), split, image_size, memory_limit)
        records = _in_use.get(key)
        if records is None:
            records = _in_use[key] = self._read(split, image_size, memory_limit)
        return records

    def _read(
        self, split: str, image_size: tuple[int, int] | None, memory_limit: int | None
    ) -> Records:
        n = self._builder.info.splits[split].num_examples
        if not n:
            raise DataError(
                f"Examples were expected. Received: split={split!r} of {self.name!r}, "
                "which is empty. Use another split."
            )
        shape = self._image_shape(image_size)
        dataset = self._decoded(split, image_size)
        in_memory = memory_limit is None or n * int(np.prod(shape)) <= memory_limit
        images = np.empty((n, *shape), np.uint8) if in_memory else None
        found = np.full(n, -1, np.int64)
        contents, done = [], 0
        try:
            for element in dataset.batch(_READ_BATCH).as_numpy_iterator():
                batch = element["image"]
                rows = slice(done, done + len(batch))
                contents.append(Content.of(batch))
                if images is not None:
                    images[rows] = batch
                if self._label_key is not None:
                    found[rows] = element["label"]
                done += len(batch)
        except (tf.errors.OpError, ValueError) as error:
            raise DataError(
                f"Readable records were expected. Received: {self.name!r}, split "
                f"{split!r}, broken after example {done} "
                f"({str(error).splitlines()[0]}). Remove "
                f"{os.fspath(self._builder.data_dir)!r} and prepare the set again."
            ) from error
        ids = [f"{split}/{i}" for i in range(n)]
        labels = None
        # Some sets mark the examples of an unlabelled split by -1.
        if self._label_key is not None and (found != -1).any():
            labels = self.check_labels(found, ids)
        stream = None
        if images is None:
            stream = dataset.map(lambda element: element["image"]).enumerate()
        return Records(
            shape, labels, ids, Content.join(contents), images=images, stream=stream
        )

    def _image_shape(self, image_size: tuple[int, int] | None) -> tuple[int, int, int]:
        height, width, channels = self._builder.info.features[self._image_key].shape
        if image_size is not None:
            height, width = image_size
        if height is None or width is None:
            raise DataError(
                f"image_size was expected, because the images of {self.name!r} differ "
                "in size. Received: image_size=None. Give (height, width) in pixels."
            )
        return height, width, channels

    def _decoded(
        self, split: str, image_size: tuple[int, int] | None
    ) -> tf.data.Dataset:
        """Records as `{"image", "label"}`, in the order in which they are stored."""
        import tensorflow_datasets as tfds

        keys = {key for key in (self._image_key, self._label_key) if key is not None}
        options = tf.data.Options()
        options.autotune.enabled = False
        options.deterministic = True
        with quiet():
            dataset = self._builder.as_dataset(
                split=split,
                shuffle_files=False,
                decoders=tfds.decode.PartialDecoding(keys),
                read_config=tfds.ReadConfig(
                    options=options,
                    try_autocache=False,
                    interleave_cycle_length=1,
                    num_parallel_calls_for_decode=2,
                ),
            )

        def select(record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            image = record[self._image_key]
            element = {
                "image": image if image_size is None else resize(image, image_size)
            }
            if self._label_key is not None:
                element["label"] = record[self._label_key]
            return element

        return dataset.map(select, num_parallel_calls=2, deterministic=True)


def _keys(info: Any, name: str) -> tuple[str, str | None]:
    """Names of the image and of the class in a record."""
    import tensorflow_datasets as tfds

    features = dict(info.features.items()) if hasattr(info.features, "items") else {}
    images = [key for key, f in features.items() if type(f) is tfds.features.Image]
    classes = [
        key for key, f in features.items() if isinstance(f, tfds.features.ClassLabel)
    ]
    supervised = info.supervised_keys
    if supervised and len(supervised) == 2:
        image, label = supervised
        if isinstance(image, str) and image in images:
            images = [image]
        if isinstance(label, str):
            classes = [label] if label in classes else []
    if len(images) != 1 or features[images[0]].np_dtype != np.uint8:
        raise DataError(
            "A set with one uint8 image in each record was expected. Received: "
            f"name={name!r} with the features {sorted(features)}, of which {images} "
            "are images. Choose another set."
        )
    return images[0], classes[0] if len(classes) == 1 else None
