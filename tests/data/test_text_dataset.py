"""Windows of a stream: what is predicted, in which order, and that it can go on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgenai.data import DatasetCard
from tfgenai.data.split import Slice
from tfgenai.data.text_dataset import TextDataset, TextPlan, stream_of
from tfgenai.data.text_parts import TextPart
from tfgenai.data.tokenizers import ByteTokenizer

CARD = DatasetCard("x", "memory", "CC0", "", "", None, {})
PART = TextPart("train", Slice("train"), ("text",), range(4), True)


def dataset(num_tokens=50, sequence_length=4, batch_size=3, **changes):
    options = {
        "shuffle": True,
        "drop_remainder": True,
        "random_steps": None,
        "seed": 5,
    } | changes
    plan = TextPlan(
        stream=np.arange(num_tokens, dtype=np.uint16),
        sequence_length=sequence_length,
        batch_size=batch_size,
        **options,
    )
    return TextDataset(plan, CARD, ByteTokenizer(), PART)


def rows(batches):
    """All rows of batches, but for those that only fill up the last one."""
    batches = [batch.numpy() for batch in batches]
    assert len({batch.shape for batch in batches}) == 1
    found = np.concatenate(batches)
    is_padding = (found == -1).all(axis=1)
    assert is_padding.sum() < len(batches[-1])
    assert not is_padding[: len(found) - is_padding.sum()].any()
    return found[~is_padding]


@settings(max_examples=25)
@given(
    num_tokens=st.integers(2, 60),
    sequence_length=st.integers(1, 12),
    batch_size=st.integers(1, 7),
)
def test_in_order_every_token_but_the_first_is_a_target_once(
    num_tokens, sequence_length, batch_size
):
    data = dataset(
        num_tokens, sequence_length, batch_size, shuffle=False, drop_remainder=False
    )
    found = rows(data)
    assert found.shape == (data.num_examples, sequence_length + 1)
    assert len(list(data)) == data.steps_per_epoch == len(data)
    targets = found[:, 1:].ravel()
    padding = targets == -1
    assert not (np.diff(padding.astype(int)) < 0).any()  # only behind the last token
    assert targets[~padding].tolist() == list(range(1, num_tokens))
    assert data.num_tokens == num_tokens - 1
    # Each row begins with the token that its first target follows.
    assert (found[:, 0] == found[:, 1] - 1).all()


@settings(max_examples=25)
@given(
    num_tokens=st.integers(2, 60),
    sequence_length=st.integers(1, 12),
    epoch=st.integers(0, 3),
)
def test_no_token_is_a_target_twice_in_an_epoch_of_training(
    num_tokens, sequence_length, epoch
):
    sequence_length = min(sequence_length, num_tokens - 1)
    data = dataset(num_tokens, sequence_length, 2, drop_remainder=False)
    found = rows(data.for_epochs(epoch, epoch + 1))
    assert len(found) == data.num_examples
    targets = found[:, 1:]
    assert len(np.unique(targets)) == targets.size
    assert (np.diff(found, axis=1) == 1).all()
    assert targets.max() < num_tokens
    # All but what the offset may leave at both ends.
    assert targets.size >= num_tokens - 2 * sequence_length


def test_over_the_epochs_every_token_is_a_target():
    data = dataset(50, 4, 1)
    targets = rows(data.for_epochs(0, 60))[:, 1:]
    assert set(targets.ravel()) == set(range(1, 50))


def test_epochs_differ_and_depend_on_seed_and_number_alone():
    first, second = (rows(dataset().for_epochs(e, e + 1)) for e in (0, 1))
    assert (first != second).any()
    assert (rows(dataset(seed=6).for_epochs(0, 1)) != first).any()
    np.testing.assert_array_equal(rows(dataset().for_epochs(0, 2)), [*first, *second])
    data = dataset()
    np.testing.assert_array_equal(rows(data), first)
    np.testing.assert_array_equal(rows(data), second)


def test_training_batches_are_full():
    data = dataset(50, 4, 4)
    assert data.num_examples == 11  # 50 // 4 windows less one for the offset
    assert [len(batch) for batch in data] == [4, 4]
    assert data.steps_per_epoch == 2


@pytest.mark.parametrize("epoch", [0, 3])
def test_windows_may_begin_anywhere(epoch):
    data = dataset(12, 4, 500, random_steps=3)
    assert (data.steps_per_epoch, data.num_examples) == (3, 1500)
    batches = [batch.numpy() for batch in data.for_epochs(epoch, epoch + 1)]
    assert len(batches) == 3
    assert (batches[0] != batches[1]).any()
    starts = np.concatenate(batches)[:, 0]
    counts = np.bincount(starts, minlength=8)
    assert len(counts) == 8  # the last window is tokens 7 to 11
    # chi-square with 7 degrees of freedom: 24.3 is its 99.9 % quantile.
    expected = 1500 / 8
    assert (np.square(counts - expected) / expected).sum() < 24.3
    again = dataset(12, 4, 500, random_steps=3).for_epochs(epoch, epoch + 1)
    np.testing.assert_array_equal(rows(again), np.concatenate(batches))


def test_a_stream_holds_documents_between_end_tokens():
    documents = [np.array([1, 2], np.int32), np.array([3], np.int32)]
    stream = stream_of(documents, 9, ends=True)
    assert stream.tolist() == [9, 1, 2, 9, 3, 9]
    assert stream.dtype == np.uint16
    assert stream_of(documents[:1], 9, ends=False).tolist() == [9, 1, 2]
    assert stream_of(documents, 70_000, ends=True).dtype == np.int32


def test_tokens_are_int32_with_a_known_length():
    spec = dataset(50, 4, 3).element_spec
    assert spec.shape.as_list() == [3, 5]
    assert spec.dtype == "int32"
