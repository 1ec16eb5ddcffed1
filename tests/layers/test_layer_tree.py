import keras
import pytest

import tfgenai as tg
from tfgenai.layers.layer_tree import (
    base_variables,
    matches,
    named_layers,
    weights_made_to_train,
)


@pytest.mark.parametrize(
    ("pattern", "is_match"),
    [
        ("query", True),
        ("kernel", True),
        ("attention/query", True),
        ("decoder", True),
        ("decoder/block_0", True),
        ("block_*", True),
        ("decoder/*/query", True),
        ("block_[01]/attention", True),
        ("*", True),
        ("quer", False),
        ("ecoder", False),
        ("block_1", False),
        ("query/bias", False),
        ("attention/decoder", False),
        ("", False),
    ],
)
def test_patterns_name_a_path_its_end_or_what_is_above(pattern, is_match):
    assert matches("decoder/block_0/attention/query/kernel", [pattern]) is is_match


def test_layers_and_variables_of_a_gpt():
    gpt = tg.GPT(9, num_layers=2, num_heads=2, hidden_dim=8, ema_decay=0.9)
    paths = [path for path, _ in named_layers(gpt)]
    assert len(set(paths)) == len(paths)
    assert "decoder/block_1/feed_forward/contract" in paths
    variables = base_variables(gpt)
    # Everything that trains, and neither counters nor averages.
    assert {id(v) for _, v in variables} == {id(v) for v in gpt.trainable_variables}
    assert variables[0][0] == "decoder/token_embedding"


def test_statistics_belong_to_the_base_and_shared_layers_are_named_once():
    shared = keras.layers.Dense(3)
    model = keras.Sequential(
        [keras.Input((3,)), shared, keras.layers.BatchNormalization(), shared]
    )
    assert [layer for _, layer in named_layers(model)].count(shared) == 1
    assert len(base_variables(model)) == 2 + 4
    assert len(weights_made_to_train(model)) == 2 + 2
