"""Any set of text that TensorFlow Datasets (TFDS) knows, by its name."""

from typing import Any

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.sources.text_source import (
    TEXT_SOURCES,
    TextSource,
    decode_document,
)
from tfgenai.data.tfds_builders import get_builder, is_known, prepare, quiet

# Sets whose splits are stretches of one text, in this order.
_STRETCHES = {"tiny_shakespeare": ("train", "validation", "test")}
# TFDS records no licence for it; the plays are older than copyright.
_LICENCES = {"tiny_shakespeare": "public domain"}


@TEXT_SOURCES.register("tfds")
class TFDSText(TextSource):
    """A TFDS set with one text in each record, which is a document.

    Of "tiny_shakespeare" there is also the split "all": the whole file as one document,
    which TFDS cuts into 90 % "train", 5 % "validation" and 5 % "test".

    Args:
        name: TFDS name, for example "tiny_shakespeare" or "lm1b:1.1.0".
        data_dir: folder of prepared sets; None for TFDS's own.
        encoding_errors: "strict" or "replace".

    Raises:
        DataNotFoundError: if TFDS has no such set.
        DataError: if it has not one text in each record.
    """

    def __init__(
        self, name: str, *, data_dir: Any = None, encoding_errors: str = "strict"
    ) -> None:
        import tensorflow_datasets as tfds

        self.name = name
        self.encoding_errors = encoding_errors
        self._builder = get_builder(name, data_dir)
        info = self._builder.info
        key = _text_key(info)
        if key is None:
            raise DataError(
                "A set with one text in each record was expected. Received: "
                f"name={name!r} with the features {info.features}. Choose another set."
            )
        self._key = key
        self._stretches = _STRETCHES.get(self._builder.name)
        self.origin = (
            f"TensorFlow Datasets {tfds.__version__}, builder {info.full_name}"
        )
        self.homepage = info.homepage or ""
        self.licence = (
            getattr(info.redistribution_info, "license", "")
            or _LICENCES.get(self._builder.name)
            or f"not recorded by TFDS; see {self.homepage or 'the authors'}"
        )

    def split_names(self) -> list[str]:
        """See `TextSource.split_names`; prepares the set."""
        prepare(self._builder)
        names = list(self._builder.info.splits)
        return [*names, "all"] if self._stretches else names

    def read(self, split: str) -> list[str]:
        """See `TextSource.read`."""
        self.require_split(split)
        if split == "all" and self._stretches:
            return ["".join(t for name in self._stretches for t in self.read(name))]
        import tensorflow_datasets as tfds

        with quiet():
            records = self._builder.as_dataset(
                split=split,
                shuffle_files=False,
                decoders=tfds.decode.PartialDecoding({self._key}),
                read_config=tfds.ReadConfig(
                    try_autocache=False, interleave_cycle_length=1
                ),
            )
        return [
            decode_document(
                record[self._key],
                f"{self.name!r}, record {place} of {split!r},",
                self.encoding_errors,
            )
            for place, record in enumerate(records.as_numpy_iterator())
        ]


def is_set_of_text(name: str, data_dir: Any = None) -> bool:
    """Whether TFDS has a set of that name with texts and no images in its records."""
    if not is_known(name):
        return False
    try:
        return _text_key(get_builder(name, data_dir).info) is not None
    except DataNotFoundError:
        return False


def _text_key(info: Any) -> str | None:
    """Name of the text in a record; of several, the one that is called "text"."""
    import tensorflow_datasets as tfds

    features = dict(info.features.items()) if hasattr(info.features, "items") else {}
    if any(isinstance(feature, tfds.features.Image) for feature in features.values()):
        return None
    texts = [key for key, f in features.items() if type(f) is tfds.features.Text]
    if "text" in texts:
        return "text"
    return texts[0] if len(texts) == 1 else None
