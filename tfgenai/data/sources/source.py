"""Source and Records: what every place that images come from offers."""

import abc
import dataclasses
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.core.registry import Registry
from tfgenai.data.content import Content
from tfgenai.data.preparation.prepared import is_prepared

SOURCES: Registry[Callable[..., "Source"]] = Registry("source")


@dataclasses.dataclass
class Records:
    """The examples of one split: in memory, or fetched while training.

    Exactly one of `images`, `fetch` and `stream` is set.

    Args:
        image_shape: `(height, width, channels)`.
        labels: int32 `(n,)`, or None.
        ids: a name for each example.
        content: hashes and sums of the images.
        images: uint8 `(n, height, width, channels)`.
        fetch: takes indices, int64 `(batch,)`, in a graph and returns uint8 images.
        stream: all `(index, image)` in their order, int64 and uint8.
    """

    image_shape: tuple[int, int, int]
    labels: np.ndarray | None
    ids: list[str]
    content: Content
    images: np.ndarray | None = None
    fetch: Callable[[tf.Tensor], tf.Tensor] | None = None
    stream: tf.data.Dataset | None = None
    _tensor: tf.Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def tensor(self) -> tf.Tensor:
        """The images as one tensor, which then is the only copy in memory."""
        if self._tensor is None:
            with tf.device("CPU:0"):
                self._tensor = tf.constant(self.images)
            self.images = np.asarray(memoryview(self._tensor))
        return self._tensor

    @classmethod
    def in_memory(
        cls, images: np.ndarray, labels: np.ndarray | None, ids: list[str]
    ) -> "Records":
        """Makes records of arrays."""
        return cls(images.shape[1:], labels, ids, Content.of(images), images=images)

    def take(self, rows: np.ndarray) -> "Records":
        """Some of records that are in memory or fetched by index."""
        content = Content(
            self.content.digests[rows],
            self.content.sums[rows],
            self.content.square_sums[rows],
        )
        fetch, places = self.fetch, tf.constant(rows, tf.int64)
        return dataclasses.replace(
            self,
            labels=None if self.labels is None else self.labels[rows],
            ids=[self.ids[i] for i in rows],
            content=content,
            images=None if self.images is None else self.images[rows],
            _tensor=None,
            fetch=None if fetch is None else lambda i: fetch(tf.gather(places, i)),
        )


class Source(abc.ABC):
    """A data set: its splits, and where it comes from.

    Attributes:
        name: name of the set or path of the folder.
        origin: where it comes from, with versions, for the card.
        licence: licence of the data.
        homepage: address to read more at, or "".
        class_names: name of each class, or None without labels.
        mirror_changes_meaning: whether a mirrored image may mean something else, as
            with digits; None if that is not known.
    """

    name: str
    origin: str
    licence: str = "unknown; ask whoever made the data"
    homepage: str = ""
    class_names: list[str] | None = None
    mirror_changes_meaning: bool | None = None

    @abc.abstractmethod
    def split_names(self) -> list[str]:
        """Names that `read` takes; those that overlap with others come last."""

    @abc.abstractmethod
    def read(
        self,
        split: str,
        *,
        image_size: tuple[int, int] | None = None,
        memory_limit: int | None = None,
    ) -> Records:
        """Reads the examples of a split, in an order that is always the same.

        Args:
            split: one of `split_names()`.
            image_size: `(height, width)` to bring the images to, or None.
            memory_limit: bytes of images above which they are not kept in memory;
                None keeps them in any case.
        """

    def require_split(self, split: str) -> None:
        """Raises DataError if there is no such split."""
        if split not in self.split_names():
            raise DataError(
                f"A split of {self.name!r} was expected, one of {self.split_names()}. "
                f"Received: split={split!r}."
            )

    def check_labels(self, labels: np.ndarray, ids: list[str]) -> np.ndarray:
        """Returns labels as int32 if each is the number of a class.

        Raises:
            DataError: if one is not; the first are listed.
        """
        num_classes = len(self.class_names or [])
        bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
        if len(bad):
            first = ", ".join(f"{ids[i]}: {labels[i]}" for i in bad[:5])
            raise DataError(
                f"Labels in [0, {num_classes}) were expected in {self.name!r}. "
                f"Received: {len(bad)} outside of it, the first are {first}."
            )
        return labels.astype(np.int32)


def open_source(
    name_or_path: "str | os.PathLike[str] | Source", *, data_dir: Any = None
) -> Source:
    """Finds the source that a name, a path or a `Source` stands for.

    Args:
        name_or_path: a registered name ("digits"), the name of a TFDS set ("mnist",
            "cifar10:3.0.2"), a folder that `tfgenai data prepare` made, the path of a
            folder of images, or a set or folder with "tfds:" or "folder:" before it. A
            bare name is a set before it is a folder; `./name` is always a folder.
        data_dir: folder of prepared TFDS sets; see `tfgenai.data.load`.

    Raises:
        DataNotFoundError: if there is no such set or folder; names the nearest.
    """
    if isinstance(name_or_path, Source):
        return name_or_path
    if not isinstance(name_or_path, (str, os.PathLike)) or not os.fspath(name_or_path):
        raise TypeError(
            "The name of a data set or the path of a folder was expected. Received: "
            f"name_or_path={name_or_path!r}. Give a name such as 'mnist'."
        )
    text = os.fspath(name_or_path)
    if is_prepared(text):
        from tfgenai.data.sources.prepared import PreparedImages

        return PreparedImages(text)
    kind, colon, rest = text.partition(":")
    if colon and kind in ("tfds", "folder"):
        return SOURCES.get(kind)(rest, data_dir=data_dir)
    if text in SOURCES and text not in ("tfds", "folder"):
        return SOURCES.get(text)()
    path = pathlib.Path(text).expanduser()
    is_path = isinstance(name_or_path, os.PathLike) or text[0] in "./~\\"
    if is_path or (path.is_dir() and ("/" in text or os.sep in text)):
        return SOURCES.get("folder")(text)
    from tfgenai.data.tfds_builders import is_known, nearest_names

    if path.is_dir() and not is_known(text):
        return SOURCES.get("folder")(text)
    if not is_known(text):
        own = [name for name in SOURCES if name not in ("tfds", "folder")]
        near = nearest_names(text, own)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise DataNotFoundError(
            f"A data set was expected: one of {own}, a TFDS set of images, or a folder "
            f"that exists. Received: name_or_path={text!r}.{hint}"
        )
    return SOURCES.get("tfds")(text, data_dir=data_dir)
