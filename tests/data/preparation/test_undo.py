"""What was dropped can be had back, because raw data are never changed."""

import pytest
from fake_source import FakeSource, pictures, renamed, tree

from tfgenai.core.errors import DataError
from tfgenai.data.preparation.undo import undo


@pytest.fixture
def prepared(prepare_source):
    examples = pictures(40)
    copies = [renamed(examples[i], f"copy-{i}") for i in range(3)]
    return prepare_source(FakeSource([*examples, *copies]))


def fates(prepared):
    return {row["id"]: row["fate"] for row in prepared.ledger().to_pylist()}


def test_an_example_comes_back(prepared, tmp_path):
    before = tree(prepared.path)
    again = undo(prepared, tmp_path / "again", ids=["copy-1"])
    changed = {name: fate for name, fate in fates(again).items() if fate == "dropped"}
    assert set(changed) == {"copy-0", "copy-2"}
    assert tree(prepared.path) == before
    # And what was taken back before stays so.
    third = undo(again, tmp_path / "third", ids=["copy-2"], rules=["exact_duplicate"])
    assert [n for n, fate in fates(third).items() if fate == "dropped"] == ["copy-0"]


def test_a_rule_is_taken_back_in_place(prepared):
    again = undo(prepared, rules=["exact_duplicate"], replace=True)
    assert again.path == prepared.path
    assert "dropped" not in fates(again).values()


def test_what_the_ledger_does_not_know_cannot_be_taken_back(prepared, tmp_path):
    with pytest.raises(DataError, match=r"ids=\['copy-9'\]"):
        undo(prepared, tmp_path / "again", ids=["copy-9"])
    with pytest.raises(DataError, match=r"rules=\['constant'\]"):
        undo(prepared, tmp_path / "again", rules=["constant"])
