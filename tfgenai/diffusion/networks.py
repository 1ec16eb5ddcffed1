"""The networks that come with the family, by name, and how a model makes one."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.registry import Registry
from tfgenai.diffusion import checks
from tfgenai.diffusion.dit import DiT
from tfgenai.diffusion.mlp import MLP
from tfgenai.diffusion.unet import UNet

NETWORKS: Registry[Any] = Registry("network")
NETWORKS.register("dit")(DiT)
NETWORKS.register("mlp")(MLP)
NETWORKS.register("unet")(UNet)


def make_network(
    network: Any,
    input_shape: Sequence[int],
    options: Mapping[str, Any],
    *,
    out_channels: int,
    condition_dim: int | None,
    context_dim: int | None,
    context_tokens: int | None,
    output_shape: Sequence[int],
    seed: int,
    dtype: Any,
) -> keras.layers.Layer:
    """A network by name, or the caller's own, built and held against the data.

    Args:
        network: a name in `NETWORKS`, or a Keras layer.
        input_shape: shape of one input.
        options: further arguments of a network that is named.
        out_channels: length of the last axis of its output.
        condition_dim: length of the embedded condition, or None.
        context_dim: width of the context, or None.
        context_tokens: length of the context, or None.
        output_shape: shape that one output must have.
        seed: seed of the initial weights.
        dtype: dtype policy.

    Raises:
        ValueError: if the name is unknown, an option does not fit, or the output has
            another shape than the data.
        TypeError: if it is no Keras layer, or an option is unknown.
    """
    if isinstance(network, str):
        network = NETWORKS.get(network)(
            input_shape,
            out_channels=out_channels,
            condition_dim=condition_dim,
            context_dim=context_dim,
            seed=seed,
            dtype=dtype,
            **options,
        )
    elif options:
        raise ValueError(
            "Options of a network that is named were expected. Received: "
            f"network_options={dict(options)} beside a network of your own. Give them "
            "to its constructor."
        )
    checks.check_network(network, input_shape)
    condition = None if condition_dim is None else tf.zeros((1, condition_dim))
    context = (
        None if context_dim is None else tf.zeros((1, context_tokens, context_dim))
    )
    output = network(
        tf.zeros((1, *input_shape)),
        tf.zeros((1,)),
        condition=condition,
        context=context,
    )
    checks.check_output(output, output_shape)
    return network
