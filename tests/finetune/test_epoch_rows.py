import numpy as np

from tfgenai.finetune.epoch_rows import EpochRows


def _epochs(rows, first, last):
    return [batch["x"].numpy().tolist() for batch in rows.for_epochs(first, last)]


def test_each_epoch_has_every_row_once_in_an_order_of_its_own():
    rows = EpochRows({"x": np.arange(7)}, batch_size=3, seed=1)
    every = _epochs(rows, 0, 3)
    assert [len(batch) for batch in every] == [3, 3, 1] * 3
    epochs = [[*every[i], *every[i + 1], *every[i + 2]] for i in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    # Epoch 2 is epoch 2, whether one came before it or not.
    assert _epochs(rows, 2, 3) == every[6:]
    assert _epochs(rows, 3, 3) == []
    assert _epochs(EpochRows({"x": np.arange(7)}, batch_size=3, seed=2), 0, 3) != every


def test_validation_keeps_the_order():
    rows = EpochRows((np.arange(5), np.arange(5) * 2), batch_size=2, seed=0)
    assert [y.numpy().tolist() for _, y in rows.batches()] == [[0, 2], [4, 6], [8]]
