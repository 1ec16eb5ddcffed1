"""Networks by name, and a caller's own held against the data."""

import keras
import pytest
import tensorflow as tf

from tfgenai.diffusion import MLP, NETWORKS, DiT, UNet
from tfgenai.diffusion.networks import make_network


def make(network, shape=(8, 8, 1), options=None, **more):
    arguments = {
        "out_channels": shape[-1],
        "condition_dim": None,
        "context_dim": None,
        "context_tokens": None,
        "output_shape": shape,
        "seed": 0,
        "dtype": None,
        **more,
    }
    return make_network(network, shape, options or {}, **arguments)


class Own(keras.layers.Layer):
    """A network of the user's: the interface is `call`."""

    def __init__(self, channels=1):
        super().__init__()
        self.dense = keras.layers.Dense(channels)
        self.saw = None

    def call(self, x, time, condition=None, context=None, training=False):
        self.saw = (condition, context)
        return self.dense(x)


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("mlp", MLP, {"hidden_dim": 8, "num_blocks": 1}),
        (
            "dit",
            DiT,
            {"hidden_dim": 16, "num_heads": 2, "num_layers": 1, "patch_size": 4},
        ),
        ("unet", UNet, {"channels": (8, 8)}),
    ],
)
def test_a_name_makes_a_network(name, kind, options):
    network = make(name, options=options)
    assert type(network) is kind
    assert network(tf.zeros((3, 8, 8, 1)), tf.zeros((3,))).shape == (3, 8, 8, 1)
    assert sorted(NETWORKS) == ["dit", "mlp", "unet"]


def test_a_network_of_ones_own_is_built_with_its_conditions():
    own = Own()
    assert make(own, condition_dim=6, context_dim=5, context_tokens=4) is own
    assert own.dense.built
    condition, context = own.saw
    assert condition.shape == (1, 6)
    assert context.shape == (1, 4, 5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'unet'"):
        make("unett")
    with pytest.raises(TypeError, match="type function"):
        make(lambda x, time: x)
    with pytest.raises(ValueError, match=r"\(8, 8, 3\)"):
        make(Own(channels=3))
    with pytest.raises(ValueError, match="network_options"):
        make(Own(), options={"channels": 3})
    with pytest.raises(TypeError, match="depth"):
        make("mlp", options={"depth": 3})
