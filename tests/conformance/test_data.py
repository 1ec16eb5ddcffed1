"""Law: test data never enters training."""

import pytest

import tfgenai as tg


@pytest.mark.parametrize("name", ["digits"])
def test_no_test_example_is_in_the_training_split(name):
    train = set(tg.data.example_hashes(tg.data.load_arrays(name, split="train")))
    test = set(tg.data.example_hashes(tg.data.load_arrays(name, split="test")))
    assert train
    assert test
    assert not train & test


def test_slices_of_one_split_share_nothing_and_leave_nothing_out():
    parts = [
        set(tg.data.example_hashes(tg.data.load_arrays("digits", split=split)))
        for split in ("train[:90%]", "train[90%:]")
    ]
    whole = set(tg.data.example_hashes(tg.data.load_arrays("digits", split="train")))
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == whole
