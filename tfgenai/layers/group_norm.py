"""Group normalization, with scale and shift per sample and SiLU in the same pass."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

_CHANNELS_PER_GROUP = 4
_MAX_GROUPS = 32


def default_num_groups(channels: int) -> int:
    """Groups of at least four channels, at most 32 groups, dividing `channels`.

    Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative
    Models", arXiv:2206.00364, use `min(32, channels // 4)` in their code.

    Example:
        >>> [default_num_groups(channels) for channels in (1, 32, 96, 256)]
        [1, 8, 24, 32]
    """
    limit = min(_MAX_GROUPS, max(1, channels // _CHANNELS_PER_GROUP))
    return max(n for n in range(1, limit + 1) if channels % n == 0)


@keras.saving.register_keras_serializable("tfgenai")
class GroupNorm(keras.layers.Layer):
    """Normalizes groups of channels of each sample, then scales and shifts.

    Wu & He 2018, "Group Normalization", arXiv:1803.08494, equations 1 and 7. With
    `is_adaptive` the scale and the shift come from outside, one per sample and channel:
    norm(x) · (1 + scale) + shift (Dhariwal & Nichol 2021, "Diffusion Models Beat GANs
    on Image Synthesis", arXiv:2105.05233, section 3.1). Statistics are float32.

    Args:
        num_groups: groups of channels; divides their number. None takes
            `default_num_groups`.
        is_adaptive: whether `call` is given scale and shift; then the layer has no
            weights.
        activation: "silu", x · sigmoid(x), or None.
        epsilon: added to the variance.

    Call arguments:
        x: `(batch, ..., channels)`.
        scale: `(batch, channels)`, when adaptive.
        shift: `(batch, channels)`, when adaptive.

    Returns:
        Tensor like `x`.

    Raises:
        ValueError: if the groups do not divide the channels, the activation is not
            known, or scale and shift do not go with `is_adaptive`.

    Example:
        >>> y = GroupNorm(2)(tf.reshape(tf.range(16.0), (1, 4, 4)))
        >>> round(float(tf.reduce_mean(y[..., :2])), 4)
        0.0
    """

    def __init__(
        self,
        num_groups: int | None = None,
        *,
        is_adaptive: bool = False,
        activation: str | None = None,
        epsilon: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if activation not in (None, "silu"):
            raise ValueError(
                "The activation 'silu' or None was expected. "
                f"Received: activation={activation!r}. Leave it out and apply another "
                "one to the result."
            )
        self.num_groups = num_groups
        self.is_adaptive = is_adaptive
        self.activation = activation
        self.epsilon = epsilon

    def build(
        self, x_shape: tuple[int, ...], scale_shape: Any = None, shift_shape: Any = None
    ) -> None:
        """Checks the groups and makes the weights."""
        channels = x_shape[-1]
        self._groups = self.num_groups or default_num_groups(channels)
        if channels % self._groups:
            raise ValueError(
                "Groups that divide the channels were expected. Received: "
                f"num_groups={self.num_groups}, channels={channels}. "
                f"Use num_groups={default_num_groups(channels)}."
            )
        if not self.is_adaptive:
            self.gamma = self.add_weight(
                name="gamma", shape=(channels,), initializer="ones"
            )
            self.beta = self.add_weight(
                name="beta", shape=(channels,), initializer="zeros"
            )
        self.built = True

    def call(
        self,
        x: tf.Tensor,
        scale: tf.Tensor | None = None,
        shift: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Normalizes, scales, shifts and activates."""
        if (scale is not None, shift is not None) != (self.is_adaptive,) * 2:
            raise ValueError(
                "Scale and shift, exactly if the layer is adaptive, were expected. "
                f"Received: is_adaptive={self.is_adaptive}, scale "
                f"{'None' if scale is None else 'given'}, shift "
                f"{'None' if shift is None else 'given'}. Make the layer with "
                f"is_adaptive={not self.is_adaptive}."
            )
        if self.is_adaptive:
            gain, bias = 1.0 + tf.cast(scale, tf.float32), tf.cast(shift, tf.float32)
        else:
            gain = tf.cast(self.gamma, tf.float32)[tf.newaxis]
            bias = tf.cast(self.beta, tf.float32)[tf.newaxis]
        return group_norm(
            x,
            gain,
            bias,
            num_groups=self._groups,
            epsilon=self.epsilon,
            silu=self.activation == "silu",
        )

    def compute_output_shape(
        self, x_shape: tuple[int, ...], scale_shape: Any = None, shift_shape: Any = None
    ) -> tuple[int, ...]:
        """The input's shape."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_groups": self.num_groups,
            "is_adaptive": self.is_adaptive,
            "activation": self.activation,
            "epsilon": self.epsilon,
        }


def group_norm(
    x: tf.Tensor,
    gain: tf.Tensor,
    bias: tf.Tensor,
    *,
    num_groups: int,
    epsilon: float,
    silu: bool,
) -> tf.Tensor:
    """The normalization as a function; its gradient is written by hand.

    Autodiff would keep, and pass over, one tensor of the size of `x` for each step of
    the formula. Here everything but two multiply-adds works on `(batch, channels)`.

    Args:
        x: `(batch, ..., channels)`.
        gain: float32 `(batch or 1, channels)`, factor on the normalized values.
        bias: float32 `(batch or 1, channels)`, added to them.
        num_groups: groups of channels.
        epsilon: added to the variance.
        silu: whether z · sigmoid(z) of the result is returned.

    Returns:
        Tensor like `x`.
    """
    channels = x.shape[-1]
    shape = tf.shape(x)
    rows = tf.reshape(x, (shape[0], -1, channels))

    @tf.custom_gradient
    def normalize(rows, gain, bias):
        values = tf.cast(rows, tf.float32)
        count = tf.shape(values)[1] * (channels // num_groups)
        mean, rstd = _statistics(values, num_groups, epsilon)
        a = gain * rstd
        b = bias - mean * a
        z = values * a[:, tf.newaxis] + b[:, tf.newaxis]
        y = z * tf.sigmoid(z) if silu else z

        def gradient(dy):
            values = tf.cast(rows, tf.float32)
            dz = tf.cast(dy, tf.float32)
            if silu:
                z = values * a[:, tf.newaxis] + b[:, tf.newaxis]
                sigmoid = tf.sigmoid(z)
                dz *= sigmoid * (1.0 + z * (1.0 - sigmoid))
            sum_dz = tf.reduce_sum(dz, axis=1)
            # sum of dz · normalized values
            sum_dz_x = (tf.reduce_sum(dz * values, axis=1) - mean * sum_dz) * rstd
            n = tf.cast(count, tf.float32)
            mean_dn = _over_groups(gain * sum_dz, num_groups) / n
            mean_dn_x = _over_groups(gain * sum_dz_x, num_groups) / n
            p = -rstd * rstd * mean_dn_x
            q = -rstd * mean_dn - p * mean
            dx = dz * a[:, tf.newaxis] + (values * p[:, tf.newaxis] + q[:, tf.newaxis])
            return (
                tf.cast(dx, rows.dtype),
                _sum_like(sum_dz_x, gain),
                _sum_like(sum_dz, bias),
            )

        return tf.cast(y, rows.dtype), gradient

    y = tf.reshape(normalize(rows, gain, bias), shape)
    y.set_shape(x.shape)
    return y


def _statistics(
    values: tf.Tensor, num_groups: int, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and 1 / standard deviation of each channel's group: `(batch, channels)`."""
    mean = _over_groups(tf.reduce_mean(values, axis=1), num_groups, mean=True)
    square = _over_groups(
        tf.reduce_mean(tf.square(values), axis=1), num_groups, mean=True
    )
    variance = tf.maximum(square - tf.square(mean), 0.0)
    return mean, tf.math.rsqrt(variance + epsilon)


def _over_groups(x: tf.Tensor, num_groups: int, mean: bool = False) -> tf.Tensor:
    """Sum or mean of each group's channels, for each of its channels."""
    channels = x.shape[-1]
    size = channels // num_groups
    grouped = tf.reshape(x, (-1, num_groups, size))
    reduce: Callable = tf.reduce_mean if mean else tf.reduce_sum
    reduced = reduce(grouped, axis=2)
    return tf.repeat(reduced, size, axis=1)


def _sum_like(x: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Sums over the batch when `like` has one row for all samples."""
    return tf.reduce_sum(x, axis=0, keepdims=True) if like.shape[0] == 1 else x
