import keras
import numpy as np
import pytest

import tfgenai as tg
from tfgenai.core import random
from tfgenai.finetune.freeze import count_trainable, freeze, unfreeze
from tfgenai.layers.layer_tree import base_variables


def _gpt(**kwargs):
    return tg.GPT(
        11, max_sequence_length=8, num_layers=2, num_heads=2, hidden_dim=8, **kwargs
    )


def _tokens():
    return random.numpy_generator(0).integers(0, 11, (8, 9)).astype(np.int32)


def _values(model):
    return {path: variable.numpy() for path, variable in base_variables(model)}


def test_what_is_frozen_does_not_move_and_the_rest_does(capsys):
    model = _gpt()
    count = freeze(model, "block_0", "*_embedding")
    assert capsys.readouterr().err == f"{count}\n"
    model.compile(keras.optimizers.AdamW(0.01, weight_decay=0.5))
    before = _values(model)
    model.fit(_tokens(), epochs=2, verbose=0)
    moved = {path for path, v in _values(model).items() if (v != before[path]).any()}
    expected = {p for p in before if "block_1" in p or "final_norm" in p}
    # No query can tell keys apart by an offset that all of them have.
    assert expected - moved <= {"decoder/block_1/attention/key/bias"}
    assert moved <= expected
    assert count.trainable == sum(before[path].size for path in expected)
    assert count.total == sum(each.size for each in before.values())


def test_fit_after_freezing_asks_for_compile():
    model = _gpt()
    model.compile()
    model.fit(_tokens(), verbose=0)
    before = _values(model)
    freeze(model, "*", verbose=False)
    unfreeze(model, "final_norm", verbose=False)
    with pytest.raises(ValueError, match="compile"):
        model.fit(_tokens(), verbose=0)
    model.compile()
    model.fit(_tokens(), verbose=0)
    moved = {path for path, v in _values(model).items() if (v != before[path]).any()}
    assert moved == {"decoder/final_norm/gamma", "decoder/final_norm/beta"}


def test_the_average_is_what_is_frozen():
    model = _gpt(ema_decay=0.5)
    model.compile(keras.optimizers.SGD(0.5))
    model.fit(_tokens(), epochs=2, verbose=0)
    with model.ema.applied():
        averaged = _values(model)
        logits = model(_tokens()[:, :8]).numpy()
    freeze(model, "decoder", verbose=False)
    for path, value in _values(model).items():
        np.testing.assert_array_equal(value, averaged[path])
    np.testing.assert_array_equal(model(_tokens()[:, :8]), logits)


def test_batch_normalisation_is_frozen_with_its_statistics():
    layer = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(1)])
    x = random.numpy_generator(0).standard_normal((32, 3)).astype(np.float32) + 5
    freeze(model, "batch_normalization*", verbose=False)
    model.compile("sgd", "mse")
    before = [v.numpy() for v in layer.weights]
    model.fit(x, x[:, :1], verbose=0)
    for variable, value in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    unfreeze(model, "*", verbose=False)
    model.compile("sgd", "mse")
    model.fit(x, x[:, :1], verbose=0)
    assert (layer.moving_mean.numpy() != before[2]).all()
    assert not layer.moving_mean.trainable


def test_a_file_remembers_what_is_frozen(tmp_path):
    model = _gpt()
    freeze(model, "feed_forward", verbose=False)
    model.save(tmp_path / "model.keras")
    loaded = tg.load_model(tmp_path / "model.keras")
    assert count_trainable(loaded) == count_trainable(model)
    frozen = {path for path, v in base_variables(loaded) if not v.trainable}
    assert frozen == {path for path in _values(model) if "/feed_forward/" in path}
    unfreeze(loaded, "*", verbose=False)
    assert count_trainable(loaded).trainable == count_trainable(model).total


def test_patterns_that_match_nothing_are_refused_with_near_names():
    model = _gpt()
    with pytest.raises(ValueError, match=r"pattern='quer'.*query") as error:
        freeze(model, "block_0", "quer")
    assert "'query'" in str(error.value)
    assert count_trainable(model).trainable == count_trainable(model).total
    with pytest.raises(ValueError, match="Received: none"):
        unfreeze(model)


def test_any_keras_model_can_be_frozen():
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, name="body"), keras.layers.Dense(2)]
    )
    assert freeze(model, "body", verbose=False).trainable == 10
    assert not model.get_layer("body").trainable_variables
