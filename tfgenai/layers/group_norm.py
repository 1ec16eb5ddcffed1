"""Group normalization, with scale and shift per sample and SiLU in the same pass."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

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
    size = channels // num_groups
    shape = tf.shape(x)
    rows = tf.reshape(x, (shape[0], -1, channels))
    positions = x.shape[1:-1].num_elements()
    if positions is None:
        share = 1.0 / tf.cast(tf.shape(rows)[1] * size, tf.float32)
    else:
        # As a number: whether TensorFlow turns a quotient into a product depends on
        # what it knows of the batch, and then an export would differ in the last bit.
        share = tf.constant(1.0 / (positions * size))

    def grouped(t: tf.Tensor) -> tf.Tensor:
        return tf.reshape(t, (-1, num_groups, size))

    def group_mean(sums: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(grouped(sums), axis=2, keepdims=True) * share

    def per_channel(t: tf.Tensor) -> tf.Tensor:
        t = tf.broadcast_to(t, (tf.shape(t)[0], num_groups, size))
        return tf.reshape(t, (-1, 1, channels))

    @tf.custom_gradient
    def normalize(rows: tf.Tensor, gain: tf.Tensor, bias: tf.Tensor) -> Any:
        values = tf.cast(rows, tf.float32)
        centred = values - per_channel(group_mean(tf.reduce_sum(values, axis=1)))
        # Of centred values: E[x²] - E[x]² loses all digits where the mean is large.
        variance = group_mean(tf.reduce_sum(tf.square(centred), axis=1))
        rstd = tf.math.rsqrt(variance + epsilon)
        factor = grouped(gain) * rstd
        # z · sigmoid(z) = h · (1 + tanh(h)) with h = z / 2: tanh is twice as fast.
        half = 0.5 if silu else 1.0
        h = centred * per_channel(half * factor) + half * bias[:, tf.newaxis]
        if silu:
            tanh = tf.tanh(h)
            one_plus_tanh = 1.0 + tanh
            y = h * one_plus_tanh
        else:
            y = h

        def gradient(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            dh = tf.cast(dy, tf.float32)
            if silu:
                # (h · (1 + tanh h))' = 1 + tanh h + h · (1 - tanh² h), whose last term
                # TanhGrad makes in one pass.
                dh *= one_plus_tanh + tf.raw_ops.TanhGrad(y=tanh, dy=h)
            dbias = half * tf.reduce_sum(dh, axis=1)
            dgain = half * grouped(tf.reduce_sum(dh * centred, axis=1)) * rstd
            # Wu & He, equation 1, backwards: the gradient loses its mean and its
            # share along the normalized values.
            mean_1 = group_mean(grouped(gain) * grouped(dbias))
            mean_2 = group_mean(grouped(gain) * dgain)
            dx = dh * per_channel(half * factor) - (
                centred * per_channel(rstd * rstd * mean_2) + per_channel(rstd * mean_1)
            )
            return (
                tf.cast(dx, rows.dtype),
                _sum_like(tf.reshape(dgain, (-1, channels)), gain),
                _sum_like(dbias, bias),
            )

        return tf.cast(y, rows.dtype), gradient

    y = tf.reshape(normalize(rows, gain, bias), shape)
    y.set_shape(x.shape)
    return y


def _sum_like(x: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Sums over the batch when `like` has one row for all samples."""
    return tf.reduce_sum(x, axis=0, keepdims=True) if like.shape[0] == 1 else x
