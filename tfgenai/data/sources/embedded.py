"""Sets that come with an installed package and need no download."""

import numpy as np

from tfgenai.data.sources.source import SOURCES, Records, Source
from tfgenai.data.split import cut, stratified_order

_NUM_TRAIN = 1500
_SPLIT_SEED = 0  # fixed, so that nobody's test split is another's training split


@SOURCES.register("digits")
class Digits(Source):
    """The 1,797 handwritten digits of scikit-learn, 8 x 8 pixels of 17 grey levels.

    The test part of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin &
    Kaynak 1998). Its 0 … 16 become 0 … 255. It has no splits of its own: 1,500 are for
    training and 297 for testing, stratified, chosen once and for all.
    """

    name = "digits"
    licence = "CC BY 4.0"
    homepage = "https://doi.org/10.24432/C50P49"
    class_names = [str(digit) for digit in range(10)]  # noqa: RUF012 - never changed
    mirror_changes_meaning = True

    def __init__(self) -> None:
        import sklearn

        self.origin = f"embedded in scikit-learn {sklearn.__version__} (load_digits)"

    def split_names(self) -> list[str]:
        """See `Source.split_names`."""
        return ["train", "test"]

    def read(
        self,
        split: str,
        *,
        image_size: tuple[int, int] | None = None,
        memory_limit: int | None = None,
    ) -> Records:
        """See `Source.read`; the images are always kept in memory."""
        from sklearn.datasets import load_digits

        self.require_split(split)
        bunch = load_digits()
        images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
        labels = bunch.target.astype(np.int32)
        ids = [f"digits/{i}" for i in range(len(images))]
        records = Records.in_memory(images, labels, ids)
        groups = records.content.groups()
        order = stratified_order(labels, groups, seed=_SPLIT_SEED)
        place = cut(order, groups, _NUM_TRAIN)
        rows = np.sort(order[:place] if split == "train" else order[place:])
        records = records.take(rows)
        if image_size is None:
            return records
        from tfgenai.data.images import resize

        resized = np.asarray(resize(records.images, image_size))
        return Records.in_memory(resized, records.labels, records.ids)
