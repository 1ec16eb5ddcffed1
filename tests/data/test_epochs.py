"""Epochs by number: what is iterated next, and that a stretch is its parts."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgenai.data import DatasetCard
from tfgenai.data.epochs import Batches, EpochDataset, finished

CARD = DatasetCard("x", "memory", "CC0", "", "", None, {})
STEPS = 3


class Numbers(Batches):
    """Batch i of epoch e is 10 e + i."""

    def batches(self, epochs, num_batches):
        dataset = epochs.flat_map(
            lambda epoch: tf.data.Dataset.range(10 * epoch, 10 * epoch + STEPS)
        )
        return finished(dataset, num_batches, prefetch=2)


def make(*, is_constant=False):
    return EpochDataset(Numbers(), CARD, steps_per_epoch=STEPS, is_constant=is_constant)


def numbers(dataset):
    return [int(number) for number in dataset]


def test_each_iteration_is_the_next_epoch():
    data = make()
    assert numbers(data) == [0, 1, 2]
    assert numbers(data) == [10, 11, 12]
    assert numbers(make()) == [0, 1, 2]  # each dataset counts for itself
    assert numbers(data.repeat(2)) == [20, 21, 22, 30, 31, 32]


def test_an_epoch_that_is_left_early_is_over():
    data = make()
    next(iter(data))
    assert numbers(data) == [10, 11, 12]


def test_constant_data_begin_anew():
    data = make(is_constant=True)
    assert numbers(data) == numbers(data) == [0, 1, 2]


def test_epochs_by_number_do_not_touch_the_count():
    data = make()
    assert numbers(data.for_epochs(4, 6)) == [40, 41, 42, 50, 51, 52]
    assert numbers(data) == [0, 1, 2]
    again = data.for_epochs(1, 2)
    assert numbers(again) == numbers(again) == [10, 11, 12]


@settings(max_examples=20)
@given(st.lists(st.integers(0, 6), min_size=3, max_size=3).map(sorted))
def test_a_stretch_is_its_parts_one_after_the_other(places):
    first, middle, last = places
    data = make()
    parts = [data.for_epochs(first, middle), data.for_epochs(middle, last)]
    whole = data.for_epochs(first, last)
    assert numbers(whole) == [n for part in parts for n in numbers(part)]
    assert len(whole) == STEPS * (last - first) == sum(map(len, parts))


def test_epochs_that_end_before_they_begin_are_none():
    assert len(make().for_epochs(5, 2)) == 0
    assert numbers(make().for_epochs(5, 2)) == []


@pytest.mark.parametrize(("first", "last"), [(-1, 2), (0, -1)])
def test_negative_numbers_are_refused(first, last):
    words = f"initial_epoch={first}, epochs={last}"
    with pytest.raises(ValueError, match=words):
        make().for_epochs(first, last)


@pytest.mark.parametrize("is_constant", [True, False])
def test_length_and_types_are_known_before_a_batch_is_read(is_constant):
    data = make(is_constant=is_constant)
    assert len(data) == data.steps_per_epoch == STEPS
    assert data.element_spec == tf.TensorSpec((), tf.int64)
    assert data.card is CARD


def test_a_dataset_made_under_a_strategy_can_be_read_outside():
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(devices)
    with strategy.scope():
        data = make()
    assert numbers(data) == [0, 1, 2]
    assert numbers(data) == [10, 11, 12]


@pytest.mark.parametrize("claimed", [2, 4])
def test_a_wrong_number_of_batches_is_found_out(claimed):
    dataset = finished(tf.data.Dataset.range(3), claimed, prefetch=1)
    assert len(dataset) == claimed
    with pytest.raises(tf.errors.FailedPreconditionError):
        numbers(dataset)


def test_finished_data_are_in_order_without_autotuning_and_sharded_by_element():
    for data in (make(), make().for_epochs(0, 1)):
        options = data.options()
        assert options.autotune.enabled is False
        assert options.deterministic is True
        assert (
            options.experimental_distribute.auto_shard_policy
            == tf.data.experimental.AutoShardPolicy.DATA
        )
