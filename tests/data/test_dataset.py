"""Order and noise of the batches: functions of seed and epoch, in memory or not."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.core.random import numpy_generator
from tfgenai.data import ArraySource, load
from tfgenai.data.dataset import static_binary

N = 50


@pytest.fixture(scope="module")
def source() -> ArraySource:
    """Image i has the label i and grey levels of its own."""
    images = numpy_generator(6).integers(0, 256, (N, 6, 6, 1)).astype(np.uint8)
    return ArraySource(images, np.arange(N))


def numbers(batches) -> list[list[int]]:
    return [y.numpy().tolist() for _, y in batches]


def flat(parts: list[list[int]]) -> list[int]:
    return list(itertools.chain.from_iterable(parts))


def pixels(batches) -> np.ndarray:
    return np.concatenate([x.numpy() for x, _ in batches])


def by_label(batches) -> np.ndarray:
    pairs = [(x.numpy(), y.numpy()) for x, y in batches]
    labels = np.concatenate([y for _, y in pairs])
    return np.concatenate([x for x, _ in pairs])[np.argsort(labels)]


def test_an_epoch_is_a_permutation_and_the_next_is_another(source):
    data = load(source, batch_size=10)
    first, second = numbers(data), numbers(data)
    assert sorted(flat(first)) == sorted(flat(second)) == list(range(N))
    assert first != second
    assert flat(first) != list(range(N))


def test_images_keep_their_labels_and_are_scaled(source):
    images = source.read("train").images
    np.testing.assert_allclose(
        by_label(load(source, batch_size=10)), images / 127.5 - 1, atol=1e-6
    )


def test_iterating_counts_the_epochs_from_0(source):
    data = load(source, batch_size=10, seed=4)
    twice = numbers(data) + numbers(data)
    assert twice == numbers(data.for_epochs(0, 2))
    assert numbers(data.repeat(2)) == numbers(data.for_epochs(2, 4))


@pytest.mark.parametrize("binarize", [None, "dynamic", "static", "threshold"])
def test_a_resumed_run_sees_what_the_unbroken_one_saw(source, binarize):
    def make():
        return load(
            source, batch_size=16, augment=("shift", "crop"), binarize=binarize, seed=1
        )

    whole = list(make().for_epochs(0, 4))
    resumed = list(make().for_epochs(2, 4))
    assert len(whole) == 12
    for (x, y), (x2, y2) in zip(whole[6:], resumed, strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)


@pytest.mark.parametrize("augment", [(), ("shift",), ("crop",), ("shift", "crop")])
@pytest.mark.parametrize("binarize", ["dynamic", "static", "threshold"])
def test_binary_pixels_stay_binary_under_augmentations(source, binarize, augment):
    data = load(source, batch_size=16, augment=augment, binarize=binarize)
    assert set(np.unique(pixels(data))) == {-1.0, 1.0}
    assert data.mixes_pixels is ("crop" in augment)


def test_the_seed_changes_order_and_noise(source):
    a, b = (load(source, batch_size=10, seed=seed) for seed in (0, 1))
    assert numbers(a.for_epochs(0, 1)) != numbers(b.for_epochs(0, 1))
    a, b = (
        load(source, batch_size=10, seed=seed, shuffle=False, augment="shift")
        for seed in (0, 1)
    )
    assert (pixels(a) != pixels(b)).any()


def test_no_epochs_are_no_batches(source):
    data = load(source, batch_size=10)
    assert list(data.for_epochs(3, 3)) == list(data.for_epochs(5, 2)) == []
    with pytest.raises(ValueError, match="initial_epoch=-1"):
        data.for_epochs(-1, 2)


def test_shapes_are_static_where_all_batches_are_equal(source):
    drop = load(source, batch_size=16, drop_remainder=True)
    assert drop.element_spec[0].shape == (16, 6, 6, 1)
    assert drop.element_spec == drop.for_epochs(0, 1).element_spec
    assert (len(drop), drop.steps_per_epoch, drop.num_examples) == (3, 3, N)
    keep = load(source, batch_size=16, drop_remainder=False)
    assert keep.element_spec[0].shape == (None, 6, 6, 1)
    assert [len(y) for _, y in keep] == [16, 16, 16, 2]
    assert len(keep) == keep.steps_per_epoch == 4
    even = load(source, batch_size=25, drop_remainder=False)
    assert even.element_spec[1].shape == (25,)
    assert even.element_spec[1].dtype == tf.int32


def test_autotune_is_off_and_data_are_sharded_by_element(source):
    for data in (load(source), load(source).for_epochs(0, 1)):
        options = data.options()
        assert options.autotune.enabled is False
        assert options.deterministic is True
        assert (
            options.experimental_distribute.auto_shard_policy
            == tf.data.experimental.AutoShardPolicy.DATA
        )


def test_dynamic_binarization_has_the_grey_value_as_its_mean(source):
    data = load(source, batch_size=N, binarize="dynamic", shuffle=False)
    epochs = np.stack([x.numpy() for x, _ in data.for_epochs(0, 400)])
    assert set(np.unique(epochs)) == {-1.0, 1.0}
    images = source.read("train").images / 255
    ones = (epochs == 1).mean(axis=0)
    # Binomial: 5 standard deviations of the worst case, p = 1/2.
    assert np.abs(ones - images).max() < 5 * 0.5 / 20


def test_static_binarization_is_drawn_once_whatever_the_slice(source):
    whole = load(source, batch_size=10, binarize="static", shuffle=False)
    first, second = pixels(whole), pixels(whole)
    np.testing.assert_array_equal(first, second)
    images = source.read("train").images
    np.testing.assert_array_equal(first, static_binary(images, 0) / 127.5 - 1)
    part = load(
        source, split="train[:40%]", batch_size=10, binarize="static", shuffle=False
    )
    rows = flat(numbers(part))
    np.testing.assert_array_equal(pixels(part), first[rows])
    other = load(source, batch_size=10, binarize="static", shuffle=False, seed=1)
    assert (pixels(other) != first).any()


def test_static_binarization_has_the_grey_value_as_its_mean():
    images = np.full((3000, 2, 2, 1), 64, np.uint8)
    drawn = static_binary(images, 3)
    assert set(np.unique(drawn)) == {0, 255}
    assert abs((drawn == 255).mean() - 64 / 255) < 5 * (0.25 / 12000) ** 0.5


def test_threshold_parts_at_the_middle(source):
    data = load(source, batch_size=10, binarize="threshold", shuffle=False)
    images = source.read("train").images
    np.testing.assert_array_equal(pixels(data), np.where(images > 127, 1.0, -1.0))


def test_without_labels_there_is_only_x():
    data = load(ArraySource(np.zeros((6, 2, 2, 1), np.uint8)), batch_size=3)
    assert data.element_spec == tf.TensorSpec((3, 2, 2, 1), tf.float32)
    assert data.card.class_names is None


def test_replicas_share_out_each_batch(source):
    strategy = tg.train.strategy("mirrored")
    with strategy.scope():
        data = load(source, batch_size=10, augment="shift", binarize="dynamic")
    seen = []
    for x, y in strategy.experimental_distribute_dataset(data.for_epochs(0, 1)):
        assert [len(part) for part in strategy.experimental_local_results(x)] == [5, 5]
        seen.extend(np.concatenate(strategy.experimental_local_results(y)).tolist())
    assert seen == flat(numbers(data.for_epochs(0, 1)))
    assert sorted(seen) == list(range(N))


def test_a_plain_keras_model_takes_it(source):
    import keras

    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(N)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    train = load(source, batch_size=10)
    valid = load(source, split="train[50%:]", batch_size=10, shuffle=False)
    history = model.fit(
        train, validation_data=valid, epochs=2, shuffle=False, verbose=0
    )
    assert len(history.history["val_loss"]) == 2


@pytest.fixture(params=["folder", "tfds"])
def on_disk(request, write_images, tmp_path_factory):
    """Arguments of `load` for a set that is also read from disk while training."""
    if request.param == "folder":
        names = [f"train/{'ab'[i % 2]}/{i:02}.png" for i in range(30)]
        return {"name_or_path": write_images(names, start=100)}
    data_dir = request.getfixturevalue("tiny_data_dir")
    return {"name_or_path": "tiny_images", "data_dir": data_dir}


def rows_of(batches) -> list[bytes]:
    return sorted(
        x.tobytes() + y.tobytes()
        for xs, ys in batches
        for x, y in zip(xs.numpy(), ys.numpy(), strict=True)
    )


@pytest.mark.parametrize("split", ["train", "train[:60%]"])
@pytest.mark.parametrize("binarize", [None, "static"])
def test_what_is_read_from_disk_is_what_is_in_memory(on_disk, split, binarize):
    arguments = {**on_disk, "split": split, "binarize": binarize, "batch_size": 7}
    arguments["drop_remainder"] = False
    memory, disk = load(**arguments), load(**arguments, memory_limit=0)
    assert disk.card == memory.card
    assert disk.element_spec == memory.element_spec
    assert rows_of(disk) == rows_of(memory)
    still = load(**arguments, memory_limit=0, shuffle=False)
    np.testing.assert_array_equal(
        pixels(still), pixels(load(**arguments, shuffle=False))
    )


def test_a_resumed_run_from_disk_sees_what_the_unbroken_one_saw(on_disk):
    data = load(
        **on_disk, batch_size=8, augment="shift", binarize="dynamic", memory_limit=0
    )
    whole, resumed = list(data.for_epochs(0, 3)), list(data.for_epochs(2, 3))
    assert len(resumed) == data.steps_per_epoch
    for (x, y), (x2, y2) in zip(whole[-len(resumed) :], resumed, strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)
    epochs = [pixels(data) for _ in range(2)]
    assert (epochs[0] != epochs[1]).any()


@pytest.fixture
def set_global_seed():
    """Sets TensorFlow's global seed; there is none again afterwards."""
    yield tf.random.set_seed  # noqa: TID251 - what users do is what is tested
    tf.random.set_seed(None)  # noqa: TID251


def test_the_order_from_disk_does_not_know_tensorflows_global_seed(
    on_disk, set_global_seed
):
    orders = []
    for seed in (1, 2):
        set_global_seed(seed)
        data = load(**on_disk, batch_size=8, memory_limit=0, drop_remainder=False)
        orders.append(pixels(data.for_epochs(0, 2)))
    np.testing.assert_array_equal(*orders)


def test_windows_mix_and_lose_nothing(tiny_data_dir, monkeypatch):
    monkeypatch.setattr("tfgenai.data.dataset.SHUFFLE_WINDOW", 8)
    arguments = {"data_dir": tiny_data_dir, "batch_size": 4, "drop_remainder": False}
    data = load("tiny_images", **arguments, memory_limit=0)
    stored = pixels(load("tiny_images", **arguments, shuffle=False))
    first, second = (pixels(data.for_epochs(e, e + 1)) for e in range(2))
    assert sorted(map(bytes, first)) == sorted(map(bytes, second))
    assert sorted(map(bytes, first)) == sorted(map(bytes, stored))
    assert (first != second).any()
    for start in range(0, len(stored), 8):
        # What is near in storage stays near: the window is all that is held.
        window = slice(start, start + 8)
        assert sorted(map(bytes, first[window])) == sorted(map(bytes, stored[window]))
