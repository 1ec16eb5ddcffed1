"""The base model: steps, seeds, averages, optimizers, files, and what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from toy_models import ToyModel, toy_data

from tfgenai.core import random
from tfgenai.core.errors import CheckpointError, NonFiniteLossError


def states(model):
    return [v.numpy() for v in [*model.weights, *model.optimizer.variables]]


def assert_same(a, b):
    assert len(a) == len(b) > 0
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left, right)


class Epochs:
    """The protocol of `tfgenai.data` datasets, with an order that we can watch."""

    steps_per_epoch = 4

    def for_epochs(self, initial_epoch, epochs):
        parts = [toy_data(seed=e) for e in range(initial_epoch, epochs)]
        dataset = parts[0]
        for part in parts[1:]:
            dataset = dataset.concatenate(part)
        return dataset


def test_a_model_is_built_when_its_constructor_returns():
    model = ToyModel(ema_decay=0.9)
    assert model.built
    assert len(model.weights) == 4 + 4 + 4  # network, counters, averages


def test_the_compiled_loop_takes_the_same_steps_as_single_plain_steps():
    results = []
    for options in (
        {"jit_compile": False, "steps_per_execution": 1},
        {"jit_compile": True, "steps_per_execution": 1},
        {"jit_compile": True, "steps_per_execution": 3},
        {"jit_compile": False, "steps_per_execution": 2},
    ):
        model = ToyModel(rate=0.3, ema_decay=0.9)
        model.compile(keras.optimizers.Adam(1e-2), **options)
        history = model.fit(Epochs(), epochs=2, verbose=0)
        results.append([*states(model), history.history["loss"][-1]])
        assert int(model.step.numpy()) == 8
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("steps_per_execution", [3, 100])
def test_a_short_last_batch_and_a_short_last_chunk_are_counted(steps_per_execution):
    model = ToyModel()
    model.compile(steps_per_execution=steps_per_execution, jit_compile=True)
    data = toy_data(n=30, batch_size=8, drop_remainder=False)
    model.fit(data, epochs=2, verbose=0)
    assert int(model.step.numpy()) == 8
    assert float(model.trackers[0].count.numpy()) == 30  # examples of the last epoch


def test_the_logged_loss_is_the_mean_over_examples():
    model = ToyModel()
    model.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    data = toy_data(n=12, batch_size=8, drop_remainder=False)
    history = model.fit(data, verbose=0)
    expected = 0.0
    for step, x in enumerate(data):
        seed = random.step_seed(0, step)
        losses = model.compute_losses(x, None, None, seed=seed, training=True)
        expected += float(losses["loss"]) * len(x) / 12
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-6)


def test_a_family_says_how_much_a_batch_counts():
    class Weighted(ToyModel):
        def batch_weight(self, x):
            return tf.reduce_sum(tf.abs(x))

    model = Weighted()
    data = toy_data(n=12, batch_size=8, drop_remainder=False)
    model.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    history = model.fit(data, verbose=0)
    losses, weights = [], []
    for step, x in enumerate(data):
        seed = random.step_seed(0, step)
        results = model.compute_losses(x, None, None, seed=seed, training=True)
        losses.append(float(results["loss"]))
        weights.append(np.abs(x).sum())
    expected = np.average(losses, weights=weights)
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-6)
    assert abs(np.average(losses, weights=[8, 4]) - expected) > 1e-4


@keras.saving.register_keras_serializable("tests")
class Undecayed(ToyModel):
    def undecayed_variables(self):
        return [v for v in self.trainable_variables if len(v.shape) < 2]


@pytest.mark.parametrize("cls", [ToyModel, Undecayed])
@pytest.mark.parametrize("is_loaded", [False, True])
def test_what_a_family_names_does_not_decay(cls, is_loaded, tmp_path):
    def one_step(weight_decay):
        model = cls()
        for weight in model.trainable_variables:
            weight.assign(weight + 0.5)  # biases are zero
        optimizer = keras.optimizers.AdamW(0.1, weight_decay=weight_decay)
        model.compile(optimizer, jit_compile=False)
        if is_loaded:
            model.save(tmp_path / "m.keras")
            model = keras.saving.load_model(tmp_path / "m.keras")
        before = [v.numpy() for v in model.trainable_variables]
        model.fit(toy_data(n=8), verbose=0)
        return before, [v.numpy() for v in model.trainable_variables]

    before, with_decay = one_step(0.5)
    _, without = one_step(0.0)
    for start, left, right in zip(before, with_decay, without, strict=True):
        is_named = cls is Undecayed and start.ndim < 2
        expected = 0.0 if is_named else -0.1 * 0.5 * start
        np.testing.assert_allclose(left - right, expected, atol=1e-6)


def test_what_the_user_keeps_from_decay_is_kept():
    model, optimizer = Undecayed(), keras.optimizers.AdamW(weight_decay=0.1)
    kernel, bias = model.trainable_variables[:2]
    optimizer.exclude_from_weight_decay(var_list=[kernel])
    model.compile(optimizer)
    assert not optimizer._use_weight_decay(kernel)
    assert optimizer._use_weight_decay(bias)
    model.compile(optimizer)  # and again


def test_saving_in_the_middle_changes_nothing(tmp_path):
    whole = ToyModel(rate=0.3, ema_decay=0.9)
    whole.compile(keras.optimizers.Adam(1e-2))
    whole.fit(Epochs(), epochs=4, verbose=0)

    first = ToyModel(rate=0.3, ema_decay=0.9)
    first.compile(keras.optimizers.Adam(1e-2))
    first.fit(Epochs(), epochs=2, verbose=0)
    first.save(tmp_path / "m.keras")
    second = keras.saving.load_model(tmp_path / "m.keras")
    assert_same(states(first), states(second))
    second.fit(Epochs(), epochs=4, initial_epoch=2, verbose=0)
    assert_same(states(whole), states(second))


def test_a_callback_that_restores_decides_the_first_epoch():
    class Restores(keras.callbacks.Callback):
        def restore(self, model):
            return 2

    model = ToyModel()
    model.compile()
    model.fit(Epochs(), epochs=3, verbose=0, callbacks=[Restores()])
    assert int(model.step.numpy()) == 4


def test_the_average_is_what_is_sampled_and_the_raw_weights_come_back():
    model = ToyModel(ema_decay=0.9)
    model.compile()
    model.fit(toy_data(), verbose=0)
    samples = model.generate(4, seed=1, labels=0)
    for weight in model.network.weights:
        weight.assign(tf.zeros_like(weight.value))
    np.testing.assert_array_equal(samples, model.generate(4, seed=1, labels=0))
    assert all((w.numpy() == 0).all() for w in model.network.weights)


def test_the_average_follows_its_recurrence():
    model = ToyModel(ema_decay=0.5)
    model.compile(keras.optimizers.SGD(0.1), steps_per_execution=1)
    weight, shadow = model.ema.pairs[0]
    expected = weight.numpy().astype(np.float64)

    class Follow(keras.callbacks.Callback):
        works_on_chunks = True

        def on_train_batch_end(self, batch, logs=None):
            nonlocal expected
            decay = min(0.5, (1 + batch) / (10 + batch))
            expected = decay * expected + (1 - decay) * weight.numpy()

    model.fit(toy_data(), verbose=0, callbacks=[Follow()])
    np.testing.assert_allclose(shadow.numpy(), expected, rtol=1e-5)


def test_the_raw_weights_come_back_after_an_exception():
    model = ToyModel(ema_decay=0.9)
    before = [w.numpy() for w in model.network.weights]
    model.ema.pairs[0][1].assign(tf.ones_like(model.ema.pairs[0][1].value))

    def fail_inside():
        with model.ema.applied():
            assert (model.network.weights[0].numpy() == 1).all()
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail_inside()
    assert_same(before, [w.numpy() for w in model.network.weights])


def test_evaluation_repeats_itself_and_does_not_train():
    model = ToyModel(rate=0.5, ema_decay=0.9)
    model.compile()
    model.fit(toy_data(), verbose=0)
    before = states(model)
    a = model.evaluate(toy_data(), verbose=0, return_dict=True)
    b = model.evaluate(toy_data(), verbose=0, return_dict=True)
    assert a == b
    assert list(a) == ["loss", "penalty"]
    after = states(model)
    counter = [w.path for w in model.weights].index(model.evaluation_step.path)
    del before[counter], after[counter]
    assert_same(before, after)


def test_keras_own_loop_must_divide_the_epoch():
    model = ToyModel()
    model.compile(jit_compile=False, steps_per_execution=3)
    with pytest.raises(ValueError, match=r"4 steps.*steps_per_execution=3"):
        model.fit(Epochs(), verbose=0)


@pytest.mark.parametrize(
    ("steps", "compiled_loop", "expected"),
    [(468, True, 32), (100, True, 25), (890, False, 10), (937, False, 1)],
)
def test_the_automatic_chunk_fits_the_epoch(steps, compiled_loop, expected):
    from tfgenai.core.fit_options import automatic_steps_per_execution

    chunk = automatic_steps_per_execution([], steps, compiled_loop=compiled_loop)
    assert chunk == expected


def test_evaluation_before_and_after_a_fit_in_chunks_sees_every_batch():
    model = ToyModel()
    model.compile(keras.optimizers.SGD(0.0))
    before = model.evaluate(toy_data(), verbose=0, return_dict=True)
    model.fit(toy_data(), epochs=2, verbose=0)
    after = model.evaluate(toy_data(), verbose=0, return_dict=True)
    assert float(model.trackers[0].count.numpy()) == 32
    assert before["loss"] == pytest.approx(after["loss"], rel=1e-6)


def test_what_is_slower_under_xla_on_a_cpu_is_left_to_tensorflow():
    class Convolving(ToyModel):
        def finish_init(self):
            self.convolution = keras.layers.Conv2D(1, 1)
            self.convolution.build((None, 2, 2, 1))
            super().finish_init()

    class SaysSo(keras.layers.Layer):
        slower_under_xla = True

    class Wide(ToyModel):
        def finish_init(self):
            self.inner = keras.Sequential([SaysSo()])
            super().finish_init()

    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    for make, expected in ((ToyModel, True), (Convolving, has_gpu), (Wide, has_gpu)):
        model = make()
        model.compile()
        assert bool(model.jit_compile) is expected


def test_a_second_fit_does_not_compile_again():
    model = ToyModel()
    model.compile()
    model.fit(Epochs(), epochs=1, verbose=0)
    first = model.train_function
    model.fit(Epochs(), epochs=1, verbose=0)
    assert model.train_function is first


def test_the_same_seed_gives_the_same_sample_whatever_the_batch():
    model = ToyModel()
    samples = model.generate(5, seed=3, labels=[0, 1, 2, 0, 1])
    np.testing.assert_array_equal(
        samples, model.generate(5, seed=random.row_seeds(3, 5), labels=[0, 1, 2, 0, 1])
    )
    alone = model.generate(1, seed=random.row_seeds(3, 5)[4:], labels=1)
    np.testing.assert_allclose(samples[4:], alone, atol=1e-5)
    compiled = model.generate(5, seed=3, labels=[0, 1, 2, 0, 1], jit_compile=True)
    np.testing.assert_allclose(samples, compiled, atol=1e-4)
    assert (samples != model.generate(5, seed=4, labels=[0, 1, 2, 0, 1])).any()


def test_answers_of_several_batches_are_put_together_in_their_structure():
    model = ToyModel()

    def answer(a, b):
        return {"sum": a + b, "both": (a, tf.stack([a, b], axis=1))}

    rows = {"a": np.arange(7), "b": np.arange(7) * 10}
    found = model.run_in_batches(tf.function(answer), rows, 3)
    np.testing.assert_array_equal(found["sum"], 11 * np.arange(7))
    np.testing.assert_array_equal(found["both"][0], np.arange(7))
    assert found["both"][1].shape == (7, 2)


def test_signatures_answer_as_generate_and_name_the_bad_row():
    model = ToyModel()
    signatures = model.serving_signatures()
    assert list(signatures) == ["generate", "generate_advanced", "generate_png"]
    seeds = tf.constant(random.row_seeds(1, 3))
    labels = tf.constant([0, 7, 2], tf.int32)
    answer = tf.function(signatures["generate"].function)(seed=seeds, labels=labels)
    direct = model.generate(3, seed=1, labels=[0, 0, 2])
    np.testing.assert_array_equal(answer["images"][0], direct[0])
    np.testing.assert_array_equal(answer["images"][2], direct[2])
    assert (answer["images"][1].numpy() == 0).all()
    errors = answer["error"].numpy()
    assert errors[0] == errors[2] == b""
    assert b"labels" in errors[1]
    advanced = tf.function(signatures["generate_advanced"].function)(
        seed=seeds, labels=labels, temperature=tf.fill((3,), np.nan)
    )
    np.testing.assert_array_equal(advanced["images"], answer["images"])
    files = tf.function(signatures["generate_png"].function)(seed=seeds, labels=labels)
    pixels = tf.io.decode_png(files["image_bytes"][0])
    expected = np.round((direct[0] + 1) * 127.5)
    np.testing.assert_allclose(pixels, expected, atol=1)
    assert files["image_bytes"][1].numpy() == b""


def test_a_loss_that_is_not_finite_stops_fit_and_says_where():
    model = ToyModel()
    model.compile(jit_compile=False)
    x = np.ones((32, 2, 2, 1), np.float32)
    x[17] = np.nan
    data = tf.data.Dataset.from_tensor_slices(x).batch(8, drop_remainder=True)

    class Keeper(keras.callbacks.Callback):
        last_checkpoint = "backup/3"

    with pytest.raises(NonFiniteLossError, match=r"loss is NaN.*step 2.*backup/3") as e:
        model.fit(data, verbose=0, callbacks=[Keeper()])
    assert e.value.step == 2
    assert e.value.loss_name == "loss"
    assert e.value.checkpoint == "backup/3"


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_losses_and_averages_in_float32(policy, tmp_path):
    model = ToyModel(dtype=policy, ema_decay=0.9)
    model.compile(jit_compile=False)
    model.fit(toy_data(), verbose=0)
    assert all(shadow.dtype == "float32" for _, shadow in model.ema.pairs)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")  # under float32
    assert loaded.network.layers[0].dtype_policy.name == policy
    assert_same(states(model), states(loaded))
    np.testing.assert_array_equal(
        model.generate(2, labels=0), loaded.generate(2, labels=0)
    )


def test_float16_wraps_and_unwraps_its_optimizer(tmp_path):
    model = ToyModel(dtype="mixed_float16")
    model.compile(keras.optimizers.Adam(1e-3))
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert model.get_compile_config()["optimizer"]["class_name"] == "Adam"


def test_presets_carry_the_averaged_weights(tmp_path):
    model = ToyModel(ema_decay=0.9)
    model.compile()
    model.fit(toy_data(), verbose=0)
    model.save_to_preset(tmp_path / "p", assets={"note.txt": b"hello"})
    again = ToyModel.from_preset(tmp_path / "p")
    np.testing.assert_array_equal(
        model.generate(3, seed=1, labels=0), again.generate(3, seed=1, labels=0)
    )
    assert (tmp_path / "p" / "assets" / "note.txt").read_bytes() == b"hello"
    weights = tmp_path / "p" / "model.weights.h5"
    weights.write_bytes(weights.read_bytes() + b"x")
    with pytest.raises(CheckpointError, match="SHA-256"):
        ToyModel.from_preset(tmp_path / "p")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"loss": "mse"}, TypeError, "loss='mse'"),
        ({"optimizer": keras.optimizers.Adam(use_ema=True)}, ValueError, "ema_decay"),
        ({"steps_per_execution": 0}, ValueError, "steps_per_execution=0"),
    ],
)
def test_compile_refuses_what_cannot_work(options, error, words):
    with pytest.raises(error, match=words):
        ToyModel().compile(**options)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "n=0"),
        ({"n": 2, "batch_size": 0}, "batch_size=0"),
        ({"n": 2, "seed": [1, 2, 3]}, r"seed of shape \(3,\)"),
        ({"n": 2, "seed": -1}, "seed=-1"),
        ({"n": 2, "labels": 5}, "labels=5"),
    ],
)
def test_generate_refuses_bad_arguments_by_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        ToyModel().generate(**{"labels": 0, **arguments})


@pytest.mark.parametrize("ema_decay", [0.0, 1.0, -1])
def test_a_decay_out_of_range_is_refused(ema_decay):
    with pytest.raises(ValueError, match="ema_decay="):
        ToyModel(ema_decay=ema_decay)


def test_data_of_more_classes_than_the_model_are_refused():
    import tfgenai as tg

    model = tg.VAE((8, 8, 1), 2, num_classes=9, likelihood="gaussian")
    model.compile()
    with pytest.raises(ValueError, match=r"9 classes.*10 classes.*num_classes=10"):
        model.fit(tg.data.load("digits"), verbose=0)


def test_a_model_under_another_strategy_is_refused():
    model = ToyModel()
    model.compile()
    import tfgenai as tg

    with (
        tg.train.strategy("mirrored").scope(),
        pytest.raises(ValueError, match="inside the scope"),
    ):
        model.fit(toy_data(), verbose=0)
