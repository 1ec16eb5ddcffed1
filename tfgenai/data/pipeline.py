"""`load`: from the name of a set to a dataset of batches."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.core.registry import unknown_name
from tfgenai.data.augment import AUGMENTATIONS, Augmentation, SoundAugmentation
from tfgenai.data.balance import balanced_rows
from tfgenai.data.dataset import ImageDataset, Plan
from tfgenai.data.reading import MEMORY_LIMIT, ImageSize, NameOrPath, Part, read
from tfgenai.data.sources import Source, is_sound, is_text

if TYPE_CHECKING:
    from tfgenai.data.tokenizers import Tokenizer

_BINARIZE = ("dynamic", "static", "threshold")
_TRAINING = ("train", "all")
_OWN_ARGUMENTS = {
    "text": "tokenizer, sequence_length and steps_per_epoch",
    "sound": "sample_rate, num_samples and channels",
}


def load(
    name_or_path: NameOrPath,
    *,
    split: str | Sequence[str] = "train",
    batch_size: int = 128,
    image_size: ImageSize | None = None,
    shuffle: bool | None = None,
    augment: Sequence[str | Augmentation | SoundAugmentation] = (),
    binarize: str | None = None,
    drop_remainder: bool | None = None,
    seed: int = 0,
    data_dir: "str | os.PathLike[str] | None" = None,
    memory_limit: int = MEMORY_LIMIT,
    tokenizer: "Tokenizer | str | Mapping[str, Any] | None" = None,
    sequence_length: int | None = None,
    steps_per_epoch: int | None = None,
    encoding_errors: str = "strict",
    sample_rate: int | None = None,
    num_samples: int | None = None,
    channels: int | None = None,
    class_balance: Literal["oversample", "undersample"] | None = None,
) -> Any:
    """Makes a dataset of batches out of a named set, or files of images, text or sound.

    Order, augmentation and binarization of epoch `e` are a pure function of `seed` and
    `e`, also when training is resumed. Sets above `memory_limit` are read from disk
    while training: folders in any order, TFDS sets shuffled in windows
    of 10,000 examples or 256 MiB, whichever is less.

    Text becomes a stream of tokens with an end token before each document. Training
    data are windows of `sequence_length` + 1 tokens that overlap in one, from a new
    offset in each epoch and in random order. Other data are read in order: every token
    of the text is predicted exactly once.

    Sound is brought to one length: shorter sounds end with zeros; of longer ones a part
    is taken, which of training data begins at a uniformly random place in each epoch
    (unless shuffle is False), and of other data is the middle.

    Args:
        name_or_path: of images, "digits" (embedded), a TFDS name such as "mnist", or a
            folder of images with a folder for each class or none; see `ImageFolder`.
            Of text, "pydoc_topics" (embedded), a TFDS name such as "tiny_shakespeare",
            a .txt file, a pattern such as "texts/*.txt" or a folder of such files; see
            `TextFiles`. Of sound, "plucked_strings" (made on the fly), a TFDS name such
            as "spoken_digit", or a folder of .wav, .flac and .ogg files; see
            `SoundFolder`.
        split: "train", "test", or a slice such as "train[:90%]", "train[90%:]",
            "test[:1000]". Slices are stratified; with one `seed` they are disjoint and
            leave nothing out, and exact copies are never parted. One document of text
            is cut between characters: "train[:90%]" is `text[:int(0.9 * len(text))]`.
            A tuple of splits gives a tuple of datasets, of which the first alone is for
            training.
        batch_size: examples in a batch.
        image_size: `(height, width)` or one number, in pixels, to bring the images to;
            None leaves them as they are.
        shuffle: whether each epoch has its own order; None: for training data, that is
            a part of "train" or "all" that is asked for alone or first.
        augment: names ("flip", "shift", "crop", "rotate", "scale", "color", "noise",
            "cutout") or `Augmentation` objects, applied in this order, to training
            data only. Of sound: "time_shift", "gain", "background", or
            `SoundAugmentation` objects.
        binarize: None; "dynamic": each pixel is drawn anew in each epoch with its grey
            value as probability; "static": drawn once, by `seed`; "threshold": at half.
            The result is -1 or 1.
        drop_remainder: whether an incomplete last batch is left out; None: of training
            data, if that leaves a batch.
        seed: int in [0, 2**63).
        data_dir: where prepared TFDS sets are; None for `TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.
        memory_limit: bytes of uint8 images, or of float32 samples of sound, up to which
            a split is kept in memory.
        tokenizer: of text: a `Tokenizer`; "byte", the default; or "char", "bpe" or
            `{"name": "bpe", "vocabulary_size": 2048}`, which are trained on the first
            split and are then found as `dataset.tokenizer`.
        sequence_length: of text: tokens that are predicted in a row; None for 256.
        steps_per_epoch: of text: batches in an epoch of training data, whose windows
            then begin at uniformly random places; None for windows one by one.
        encoding_errors: of text: "strict", or "replace" for U+FFFD in place of bytes
            that are not UTF-8.
        sample_rate: of sound: samples a second to bring it to, Hz; None if all have
            one rate.
        num_samples: of sound: length to bring it to, samples; None if all have one.
        channels: of sound: channels to bring it to, each the mean of its own; None if
            all have as many.

        class_balance: of images, "oversample" or "undersample": the training data are
            drawn, once, so that all classes are as frequent; see `balanced_rows`. The
            card still tells of all.

    Returns:
        `ImageDataset` of `(x, y)`, or of `x` without labels: x float32 `(batch, height,
        width, channels)` in [-1, 1], y int32 `(batch,)`. `TextDataset` of x, int32
        `(batch, sequence_length + 1)`. `SoundDataset` of `(x, y)`, or of `x` without
        labels: x float32 `(batch, num_samples, channels)` in [-1, 1], y int32
        `(batch,)`. A tuple of them for a tuple.

    Raises:
        DataNotFoundError: if there is no such set, folder or network.
        DataError: if files, labels or splits are not usable.
        ValueError: if an argument is out of range.

    Example:
        >>> train, test = load("digits", split=("train", "test"), batch_size=100)
        >>> train.num_examples, test.num_examples, train.steps_per_epoch
        (1500, 297, 15)
        >>> x, y = next(iter(train))
        >>> tuple(x.shape), tuple(y.shape)
        ((100, 8, 8, 1), (100,))
        >>> text = load("pydoc_topics", tokenizer="char", sequence_length=64)
        >>> next(iter(text)).shape, text.tokenizer.decode([text.tokenizer.end_token])
        (TensorShape([128, 65]), '')
        >>> tones = load("plucked_strings", num_samples=2048, batch_size=8)
        >>> next(iter(tones))[0].shape
        TensorShape([8, 2048, 1])
    """
    text_arguments = (tokenizer, sequence_length, steps_per_epoch)
    asks_for_text = any(value is not None for value in text_arguments)
    if asks_for_text or is_text(name_or_path, data_dir=data_dir):
        _refuse(
            "text",
            image_size=image_size,
            augment=augment or None,
            binarize=binarize,
            sample_rate=sample_rate,
            num_samples=num_samples,
            channels=channels,
            class_balance=class_balance,
        )
        from tfgenai.data.text import load_text

        return load_text(
            name_or_path,
            split=split,
            batch_size=batch_size,
            tokenizer=tokenizer,
            sequence_length=sequence_length,
            steps_per_epoch=steps_per_epoch,
            shuffle=shuffle,
            drop_remainder=drop_remainder,
            encoding_errors=encoding_errors,
            seed=seed,
            data_dir=data_dir,
        )
    sound_arguments = (sample_rate, num_samples, channels)
    asks_for_sound = any(value is not None for value in sound_arguments)
    if asks_for_sound or is_sound(name_or_path, data_dir=data_dir):
        _refuse(
            "sound",
            image_size=image_size,
            binarize=binarize,
            class_balance=class_balance,
        )
        from tfgenai.data.sound import load_sound

        return load_sound(
            name_or_path,
            split=split,
            batch_size=batch_size,
            sample_rate=sample_rate,
            num_samples=num_samples,
            channels=channels,
            shuffle=shuffle,
            augment=augment,
            drop_remainder=drop_remainder,
            seed=seed,
            data_dir=data_dir,
            memory_limit=memory_limit,
        )
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)):
        raise TypeError(
            f"An integer was expected. Received: batch_size={batch_size!r}."
        )
    if batch_size < 1:
        raise ValueError(f"batch_size >= 1 was expected. Received: {batch_size=}.")
    if binarize is not None and binarize not in _BINARIZE:
        raise ValueError(unknown_name("binarize", binarize, list(_BINARIZE)))
    changes = _augmentations(augment)
    found = read(
        name_or_path,
        split,
        image_size=image_size,
        seed=seed,
        data_dir=data_dir,
        memory_limit=memory_limit,
    )
    _require_labels_stay_right(changes, found.source)
    card = found.card()
    datasets = []
    for place, name in enumerate(found.names):
        part = found.parts[name]
        trains = place == 0 and part.slice.base in _TRAINING
        if changes and place == 0 and not trains:
            raise DataError(
                "Training data were expected where augment is given. Received: "
                f"split={name!r}, augment={augment!r}. Leave augment out."
            )
        if class_balance is not None and place == 0 and not trains:
            raise DataError(
                "Training data were expected where class_balance is given. Received: "
                f"split={name!r}, {class_balance=}. Leave class_balance out."
            )
        rows = part.rows
        if class_balance is not None and trains:
            rows = _balanced(part, name, class_balance, seed)
        drop = drop_remainder
        if drop is None:
            drop = trains and len(rows) >= batch_size
        if drop and len(rows) < batch_size:
            raise DataError(
                f"At least {batch_size} examples were expected, one batch. Received: "
                f"split={name!r} with {len(rows)} and drop_remainder=True. Choose "
                "a smaller batch_size."
            )
        plan = Plan(
            records=part.records,
            rows=rows,
            batch_size=int(batch_size),
            shuffle=trains if shuffle is None else bool(shuffle),
            drop_remainder=bool(drop),
            augment=changes if trains else (),
            binarize=binarize,
            seed=seed,
        )
        datasets.append(ImageDataset(plan, card))
    return datasets[0] if isinstance(split, str) else tuple(datasets)


def _balanced(part: Part, name: str, how: Any, seed: int) -> np.ndarray:
    """The rows of a part, drawn so that all classes are as frequent."""
    records = part.records
    if records.labels is None or records.stream is not None:
        why = "has no labels" if records.labels is None else "is too large for memory"
        raise DataError(
            "Labelled data that can be read in any order were expected with "
            f"class_balance. Received: split={name!r}, which {why}. Leave it out, or "
            "use `class_weights`."
        )
    return part.rows[balanced_rows(records.labels[part.rows], how=how, seed=seed)]


def _refuse(kind: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise DataError(
                f"No {name} was expected with {kind}. Received: {name}={value!r}. "
                f"Leave {name} out; or, to load something else, {_OWN_ARGUMENTS[kind]}."
            )


def _augmentations(augment: Any) -> tuple[Augmentation, ...]:
    entries = [augment] if isinstance(augment, (str, Augmentation)) else list(augment)
    changes = tuple(AUGMENTATIONS.create(entry) for entry in entries)
    for change in changes:
        if not isinstance(change, Augmentation):
            raise TypeError(
                f"Names of {AUGMENTATIONS.names()} or Augmentation objects were "
                f"expected. Received: augment={augment!r}."
            )
    return changes


def _require_labels_stay_right(
    changes: tuple[Augmentation, ...], source: Source
) -> None:
    for change in changes:
        allowed = change.allow_mirrored_labels or not source.mirror_changes_meaning
        if change.mirrors and not allowed:
            raise DataError(
                "An augmentation that leaves labels right was expected. Received: "
                f"augment={type(change).__name__} for {source.name!r}, whose mirrored "
                "images mean something else. Leave it out, or pass "
                "tfgenai.data.augment.Flip(allow_mirrored_labels=True)."
            )
