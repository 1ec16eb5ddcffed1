"""Law: a `.keras` file holds everything, optimizers, averages and step included."""

import keras
import numpy as np
import pytest
from models import assert_same_samples, assert_same_state, state

import tfgenai as tg


def test_a_round_trip_restores_every_number_and_the_samples(descriptor, tmp_path):
    model = descriptor.make(ema_decay=0.9, seed=5)
    assert model.built
    model.compile(jit_compile=False)
    model.fit(descriptor.batches(), epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = tg.load_model(tmp_path / "m.keras")
    assert int(loaded.step.numpy()) == 6
    assert_same_state(state(model), state(loaded))
    assert_same_samples(
        descriptor.generate(model, 3, seed=1), descriptor.generate(loaded, 3, seed=1)
    )
    # and both go on alike
    model.fit(descriptor.batches(), verbose=0)
    loaded.fit(descriptor.batches(), verbose=0)
    assert_same_state(state(model), state(loaded))


def test_the_config_is_the_constructors_arguments(descriptor):
    import inspect

    model = descriptor.make(seed=7, ema_decay=0.5)
    config = model.get_config()
    assert set(config) == set(inspect.signature(type(model)).parameters)
    again = type(model).from_config(config)
    assert again.get_config() == config
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_loads_under_another_policy(
    descriptor, policy, tmp_path
):
    model = descriptor.make(dtype=policy, ema_decay=0.9)
    model.compile(jit_compile=False)
    history = model.fit(descriptor.batches(), verbose=0)
    assert np.isfinite([v[-1] for v in history.history.values()]).all()
    samples = descriptor.generate(model, 2)
    assert descriptor.prompts or samples.dtype == np.float32
    model.save(tmp_path / "m.keras")
    loaded = tg.load_model(tmp_path / "m.keras")
    policies = {layer.dtype_policy.name for layer in model._flatten_layers()}
    assert {layer.dtype_policy.name for layer in loaded._flatten_layers()} == policies
    assert_same_state(state(model), state(loaded))
    keras.config.set_dtype_policy(policy)
    plain = descriptor.make(dtype="float32")
    plain.save(tmp_path / "p.keras")
    assert tg.load_model(tmp_path / "p.keras").dtype_policy.name == "float32"
