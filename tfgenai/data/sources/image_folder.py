"""A folder of image files, with one folder for each class or none at all."""

import collections
import concurrent.futures
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.content import Content
from tfgenai.data.image_files import EXTENSIONS, decode, shape_in_header
from tfgenai.data.images import resize
from tfgenai.data.sources.source import SOURCES, Records, Source
from tfgenai.data.split import cut, stratified_order

_SPLIT_NAMES = frozenset(("train", "test", "val", "valid", "validation"))
_TEST_SHARE = 0.1
_SPLIT_SEED = 0  # fixed, so that nobody's test split is another's training split
_LISTED = 5  # offenders that an error names
_THREADS = 4
_READ_BATCH = 256
_SYSTEM_FILES = frozenset(("thumbs.db", "desktop.ini", "__macosx"))


@SOURCES.register("folder")
class ImageFolder(Source):
    """Images in a folder.

    Laid out in one of these ways, with folders for classes or without:

        DIR/train/CLASS/*.png  DIR/test/CLASS/*.png    given splits
        DIR/CLASS/*.png                                no splits

    Without given splits, "train" is 90 % and "test" 10 %, stratified, exact copies on
    one side, chosen once and for all; "all" is both. Classes are numbered in the
    order of their sorted names. Hidden files are ignored; anything else that is not
    an image is an error, before training starts.

    Args:
        path: the folder.
        data_dir: not used.

    Raises:
        DataNotFoundError: if it does not exist.
        DataError: if it holds no images, or other things too.
    """

    def __init__(self, path: str, *, data_dir: Any = None) -> None:
        self._folder = pathlib.Path(path).expanduser()
        if not self._folder.is_dir():
            raise DataNotFoundError(
                "A folder of images that exists was expected. Received: "
                f"path={os.fspath(path)!r}. Check the path, or give the name of a set."
            )
        self.name = os.fspath(path)
        self.origin = f"folder {self._folder.resolve()}"
        inside = [entry for entry in sorted(self._folder.iterdir()) if _visible(entry)]
        self._has_splits = bool(inside) and all(
            entry.is_dir() and entry.name in _SPLIT_NAMES for entry in inside
        )
        roots = (
            {entry.name: entry for entry in inside}
            if self._has_splits
            else {"all": self._folder}
        )
        self._files = {name: _list_images(root) for name, root in roots.items()}
        names = {key for files in self._files.values() for key, _ in files}
        if None in names and len(names) > 1:
            raise DataError(
                "Either a folder for each class or none was expected. Received: "
                f"path={self.name!r}, in which images lie beside the folders "
                f"{sorted(filter(None, names))[:_LISTED]}. Move them into one."
            )
        self.class_names = None if None in names else sorted(filter(None, names))
        self._shapes: dict[pathlib.Path, tuple[int, int, int]] | None = None
        self._read: dict[Any, Records] = {}

    def split_names(self) -> list[str]:
        """See `Source.split_names`."""
        return list(self._files) if self._has_splits else ["train", "test", "all"]

    def read(
        self,
        split: str,
        *,
        image_size: tuple[int, int] | None = None,
        memory_limit: int | None = None,
    ) -> Records:
        """See `Source.read`; all files are decoded once, to find broken ones.

        Raises:
            DataError: if files are broken, or differ in size and `image_size` is None.
        """
        self.require_split(split)
        if self._has_splits:
            return self._read_files(split, image_size, memory_limit)
        key = (image_size, memory_limit)
        if key not in self._read:
            self._read = {key: self._read_files("all", image_size, memory_limit)}
        records = self._read[key]
        if split == "all":
            return records
        groups = records.content.groups()
        order = stratified_order(records.labels, groups, seed=_SPLIT_SEED)
        place = cut(order, groups, round(len(order) * (1 - _TEST_SHARE)))
        rows = np.sort(order[:place] if split == "train" else order[place:])
        if not len(rows):
            raise DataError(
                f"Examples were expected. Received: split={split!r} of {self.name!r}, "
                f"which has {len(order)} images, too few to part. Use split='all'."
            )
        return records.take(rows)

    def _read_files(
        self, split: str, image_size: tuple[int, int] | None, memory_limit: int | None
    ) -> Records:
        """Decodes all files of a split once; they are kept if the limit allows it."""
        shape = self._common_shape(image_size)
        paths = [path for _, path in self._files[split]]
        ids = [self._id(path) for path in paths]
        labels = None
        if self.class_names is not None:
            numbers = {name: i for i, name in enumerate(self.class_names)}
            labels = np.array([numbers[str(name)] for name, _ in self._files[split]])
            labels = self.check_labels(labels, ids)
        size = len(paths) * int(np.prod(shape))
        in_memory = memory_limit is None or size <= memory_limit
        images = np.empty((len(paths), *shape), np.uint8) if in_memory else None

        def read(path: pathlib.Path) -> np.ndarray | str:
            try:
                return _load(path, shape)
            except (OSError, ValueError) as error:
                return str(error)

        contents, broken = [], []
        with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
            for start in range(0, len(paths), _READ_BATCH):
                stop = start + _READ_BATCH
                found = list(pool.map(read, paths[start:stop]))
                for name, image in zip(ids[start:stop], found, strict=True):
                    if isinstance(image, str):
                        broken.append(f"{name} ({image})")
                if not broken:
                    batch = np.stack(found)
                    contents.append(Content.of(batch))
                    if images is not None:
                        images[start:stop] = batch
        self._refuse_broken(broken, len(paths))
        return Records(
            shape,
            labels,
            ids,
            Content.join(contents),
            images=images,
            fetch=None if images is not None else _fetcher(paths, shape),
        )

    def _common_shape(self, image_size: tuple[int, int] | None) -> tuple[int, int, int]:
        """The shape of all images of all splits, by the headers of their files."""

        def look(path: pathlib.Path) -> tuple[int, int, int] | str:
            try:
                return shape_in_header(path)
            except (OSError, ValueError) as error:
                return str(error)

        if self._shapes is None:
            paths = [path for files in self._files.values() for _, path in files]
            with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
                found = dict(zip(paths, pool.map(look, paths), strict=True))
            broken = [
                f"{self._id(path)} ({why})"
                for path, why in found.items()
                if isinstance(why, str)
            ]
            self._refuse_broken(broken, len(paths))
            self._shapes = {
                path: shape for path, shape in found.items() if isinstance(shape, tuple)
            }
        channels = max(shape[2] for shape in self._shapes.values())
        if image_size is not None:
            return (*image_size, channels)
        sizes = collections.Counter(shape[:2] for shape in self._shapes.values())
        height, width = sizes.most_common(1)[0][0]
        if len(sizes) > 1:
            others = [
                f"{self._id(path)} ({shape[0]}x{shape[1]})"
                for path, shape in self._shapes.items()
                if shape[:2] != (height, width)
            ]
            raise DataError(
                f"Images of one size were expected, or image_size. Received: "
                f"path={self.name!r} with {len(sizes)} sizes; most are {height}x"
                f"{width}, but not {_listing(others)}. Give image_size=(height, width) "
                "to bring them to one size."
            )
        return height, width, channels

    def _refuse_broken(self, broken: list[str], count: int) -> None:
        if broken:
            raise DataError(
                f"Whole image files were expected. Received: path={self.name!r}, in "
                f"which {len(broken)} of {count} cannot be decoded: "
                f"{_listing(broken)}. Replace or remove them."
            )

    def _id(self, path: pathlib.Path) -> str:
        return path.relative_to(self._folder).as_posix()


def _list_images(root: pathlib.Path) -> list[tuple[str | None, pathlib.Path]]:
    """Class (the first folder below `root`, or None) and path of each image."""
    images: list[tuple[str | None, pathlib.Path]] = []
    others: list[str] = []
    empty: list[str] = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if _visible(pathlib.Path(name)))
        names = sorted(name for name in names if _visible(pathlib.Path(name)))
        if not folders and not names and pathlib.Path(folder) != root:
            empty.append(pathlib.Path(folder).relative_to(root).as_posix())
        for name in names:
            path = pathlib.Path(folder, name)
            inside = path.relative_to(root)
            if path.suffix.lower() in EXTENSIONS:
                images.append(
                    (inside.parts[0] if len(inside.parts) > 1 else None, path)
                )
            else:
                others.append(inside.as_posix())
    problem = ""
    if others:
        problem = f"{len(others)} files that are not images: {_listing(others)}"
    elif empty:
        problem = f"{len(empty)} empty folders: {_listing(empty)}"
    elif not images:
        problem = "no image"
    if problem:
        raise DataError(
            "A folder that holds images and nothing else was expected. Received: "
            f"path={os.fspath(root)!r} with {problem}. Images end in "
            f"{', '.join(sorted(EXTENSIONS))}; remove or move what is not one."
        )
    return images


def _load(path: pathlib.Path, shape: tuple[int, int, int]) -> np.ndarray:
    height, width, channels = shape
    image = decode(path.read_bytes())
    if image.shape[2] < channels:
        image = np.repeat(image, channels, axis=2)
    return np.asarray(resize(image, (height, width)))


def _fetcher(
    paths: list[pathlib.Path], shape: tuple[int, int, int]
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Decodes the files of a batch while training; runs inside a graph."""

    def load(path: pathlib.Path) -> np.ndarray:
        try:
            return _load(path, shape)
        except (OSError, ValueError) as error:
            raise DataError(
                f"A whole image file was expected. Received: {str(path)!r} ({error}), "
                "which was whole when training began. Restore it and resume."
            ) from error

    def load_batch(indices: np.ndarray) -> np.ndarray:
        return np.stack([load(paths[i]) for i in indices])

    def fetch(indices: tf.Tensor) -> tf.Tensor:
        images = tf.numpy_function(load_batch, [indices], tf.uint8, stateful=False)
        return tf.ensure_shape(images, (indices.shape[0], *shape))

    return fetch


def _visible(path: pathlib.Path) -> bool:
    return not path.name.startswith(".") and path.name.lower() not in _SYSTEM_FILES


def _listing(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
