"""Cards: on disk and back, and what is refused."""

import subprocess
import sys

import pytest

from tfgenai.core.errors import DataError, StorageError
from tfgenai.data import DatasetCard, SplitCard


@pytest.fixture
def card() -> DatasetCard:
    split = SplitCard(3, "ab" * 32, 0.25, 0.5, 1, [2, 1])
    return DatasetCard(
        name="dots",
        source="memory",
        licence="CC0",
        homepage="",
        reproduce="by hand",
        image_shape=(4, 4, 1),
        splits={"train": split, "test": SplitCard(1, "cd" * 32, 0.0, 0.0)},
        class_names=["a", "b"],
    )


def test_a_card_comes_back_from_disk(card, tmp_path):
    card.save(tmp_path / "runs" / "data_card.json")
    assert DatasetCard.load(tmp_path / "runs" / "data_card.json") == card
    assert card.num_examples == 4


def test_the_words_name_counts_classes_and_licence(card):
    words = str(card)
    for part in ("train: 3 examples", "CC0", "2: a, b", "1 exact dup", "per class 2 1"):
        assert part in words


@pytest.mark.parametrize(
    "change",
    [
        {"format": 9},
        {"splits": {"train": {"num": 3}}},
        {"image_shape": 3},
        {"value_range": None},
        {"unknown": 1},
        {"splits": None},
    ],
)
def test_what_is_not_a_card_is_refused(card, change):
    with pytest.raises(DataError, match="data card was expected"):
        DatasetCard.from_json({**card.to_json(), **change})


def test_a_list_or_a_torn_file_is_refused(tmp_path):
    with pytest.raises(DataError):
        DatasetCard.from_json([1])
    (tmp_path / "card.json").write_text('{"format": 1,')
    with pytest.raises(StorageError):
        DatasetCard.load(tmp_path / "card.json")


def test_a_card_is_read_without_tensorflow():
    code = (
        "import sys; from tfgenai.data import DatasetCard;"
        "sys.exit(bool({'tensorflow', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
