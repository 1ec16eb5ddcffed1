"""The generators and discriminators that come with the package, as functional models.

A generator takes latents z `(batch, latent_dim)`, or `[z, labels]`, and returns images
in [-1, 1]. A discriminator takes images, or `[images, labels]`, and returns logits
`(batch,)`. `model.summary()` lists the layers of each.
"""

from collections.abc import Sequence
from typing import Any

import keras

from tfgenai.gan.ends import Initializers, check_image_shape, judged, latent_inputs
from tfgenai.gan.spectral import SpectralConv2D, SpectralDense
from tfgenai.layers import SeededDropout

NETWORKS = ("dcgan", "mlp")

_LEAK = 0.2  # Radford et al. 2015, section 3
_SMALLEST_SIDE = 4  # where Radford et al.'s generator starts
_CHANNEL_LIMIT = 8  # widest stage of their network, in units of the narrowest


def mlp_generator(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 100,
    num_classes: int | None = None,
    hidden_units: Sequence[int] = (256, 512),
    seed: int = 0,
    dtype: Any = None,
) -> keras.Model:
    """The fully connected generator: 100 → 256 → 512 → 784 for 28×28.

    Layers: [z, embedded label] → (Dense, LeakyReLU 0.2) per hidden size → Dense →
    tanh → Reshape. Glorot uniform weights.

    Args:
        image_shape: (height, width, channels).
        latent_dim: length of z.
        num_classes: number of labels, or None for no condition.
        hidden_units: units of the hidden layers.
        seed: seed of the initial weights.
        dtype: dtype policy of the layers; the images are float32.

    Returns:
        Model from z `(batch, latent_dim)` (or `[z, labels]`) to float32 images
        `(batch, height, width, channels)` in [-1, 1].

    Raises:
        ValueError: if a size is not positive.

    Example:
        >>> mlp_generator((28, 28, 1)).output_shape
        (None, 28, 28, 1)
    """
    height, width, channels = check_image_shape(image_shape)
    new = Initializers(seed)
    x, inputs = latent_inputs(latent_dim, num_classes, new, dtype)
    for units in hidden_units:
        x = keras.layers.Dense(units, kernel_initializer=new.glorot(), dtype=dtype)(x)
        x = keras.layers.LeakyReLU(_LEAK, dtype=dtype)(x)
    x = keras.layers.Dense(
        height * width * channels, kernel_initializer=new.glorot(), dtype=dtype
    )(x)
    x = keras.layers.Reshape((height, width, channels), dtype=dtype)(x)
    images = keras.layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name="generator")


def mlp_discriminator(
    image_shape: Sequence[int],
    *,
    num_classes: int | None = None,
    hidden_units: Sequence[int] = (512, 256),
    dropout: float = 0.0,
    spectral_normalization: bool = False,
    seed: int = 0,
    dtype: Any = None,
) -> keras.Model:
    """The fully connected discriminator: 784 → 512 → 256 → 1 for 28×28.

    Layers: Flatten → (Dense, LeakyReLU 0.2, dropout) per hidden size → Dense 1, plus
    the projection on the label (see `dcgan_discriminator`). Glorot uniform weights.

    Args:
        image_shape: (height, width, channels).
        num_classes: number of labels, or None for no condition.
        hidden_units: units of the hidden layers.
        dropout: share of hidden units dropped in training, usually 0.3.
        spectral_normalization: whether every kernel is divided by its norm.
        seed: seed of the initial weights.
        dtype: dtype policy of the layers; the logits are float32.

    Returns:
        Model from images (or `[images, labels]`) to float32 logits `(batch,)`.

    Raises:
        ValueError: if a size is not positive or `dropout` not in [0, 1).
    """
    new = Initializers(seed)
    dense = SpectralDense if spectral_normalization else keras.layers.Dense
    images = keras.Input(check_image_shape(image_shape), name="images")
    x = keras.layers.Flatten(dtype=dtype)(images)
    for units in hidden_units:
        x = dense(units, kernel_initializer=new.glorot(), dtype=dtype)(x)
        x = keras.layers.LeakyReLU(_LEAK, dtype=dtype)(x)
        x = _dropped(x, dropout, dtype)
    return judged(images, x, num_classes, spectral_normalization, new)


def dcgan_generator(
    image_shape: Sequence[int],
    *,
    latent_dim: int = 100,
    num_classes: int | None = None,
    base_channels: int | None = None,
    batch_normalization: bool = True,
    seed: int = 0,
    dtype: Any = None,
) -> keras.Model:
    """The deep convolutional generator.

    Radford, Metz & Chintala 2015, "Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks", arXiv:1511.06434, figure 1, with
    kernels of 4×4, which the stride of 2 divides, so that no checkerboard appears.

    The side is halved until it is odd or 4, which gives the number of stages: 28 ← 14 ←
    7; 32 ← 16 ← 8 ← 4; 64 ← 32 ← 16 ← 8 ← 4. With c = `base_channels`, k stages and
    widths w_i = min(2^i, 8) c, i = k … 1:

        [z, embedded label] → Dense(h w w_k, no bias) → Reshape (h, w, w_k) → BN → ReLU
        → (Conv2DTranspose(w_{i-1}, 4×4, stride 2, no bias) → BN → ReLU), i = k … 2
        → Conv2DTranspose(channels, 4×4, stride 2, bias) → tanh

    Kernels start at N(0, 0.02²), as in the paper. BN is BatchNormalization with
    momentum 0.9 and epsilon 1e-5. In training it sees the batch of its own replica;
    in sampling it uses moving averages, so that a sample does not depend on its batch.

    Args:
        image_shape: (height, width, channels), the sides even and at least 8.
        latent_dim: length of z.
        num_classes: number of labels, or None for no condition. The label's embedding
            (50 numbers, or `num_classes` if that is less) is appended to z.
        base_channels: c, the width of the stage next to the image. None means 64, the
            paper's, or 32 for images below 32×32, which are simpler.
        batch_normalization: False leaves BN out and gives every layer a bias.
        seed: seed of the initial weights.
        dtype: dtype policy of the layers; the images are float32.

    Returns:
        Model from z `(batch, latent_dim)` (or `[z, labels]`) to float32 images
        `(batch, height, width, channels)` in [-1, 1].

    Raises:
        ValueError: if the sides cannot be halved, or a size is not positive.
    """
    image_shape = check_image_shape(image_shape)
    num_stages = _num_stages(image_shape)
    new = Initializers(seed)

    def normalized(x: Any) -> Any:
        if batch_normalization:
            x = keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, dtype=dtype
            )(x)
        return keras.layers.ReLU(dtype=dtype)(x)

    def initializer() -> Any:
        # Without normalization, signals of 0.02 would fade on their way.
        return new.normal(0.02) if batch_normalization else new.he()

    widths = _widths(base_channels, image_shape)
    height, width = (side >> num_stages for side in image_shape[:2])
    x, inputs = latent_inputs(latent_dim, num_classes, new, dtype)
    x = keras.layers.Dense(
        height * width * widths[-1],
        use_bias=not batch_normalization,
        kernel_initializer=initializer(),
        dtype=dtype,
    )(x)
    x = normalized(keras.layers.Reshape((height, width, widths[-1]), dtype=dtype)(x))
    for channels in reversed(widths[:-1]):
        x = keras.layers.Conv2DTranspose(
            channels,
            4,
            strides=2,
            padding="same",
            use_bias=not batch_normalization,
            kernel_initializer=initializer(),
            dtype=dtype,
        )(x)
        x = normalized(x)
    x = keras.layers.Conv2DTranspose(
        image_shape[-1],
        4,
        strides=2,
        padding="same",
        kernel_initializer=new.normal(0.02),
        dtype=dtype,
    )(x)
    images = keras.layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name="generator")


def dcgan_discriminator(
    image_shape: Sequence[int],
    *,
    num_classes: int | None = None,
    base_channels: int | None = None,
    dropout: float = 0.0,
    spectral_normalization: bool = False,
    seed: int = 0,
    dtype: Any = None,
) -> keras.Model:
    """The deep convolutional discriminator, without batch statistics.

    Radford, Metz & Chintala 2015, arXiv:1511.06434, with kernels of 4×4 and without
    BatchNormalization, so that the logit of an image does not depend on what else is
    in its batch. With stages and widths as in `dcgan_generator`:

        (Conv2D(w_i, 4×4, stride 2) → LeakyReLU 0.2 → dropout), i = 1 … k
        → Flatten = h → Dense 1

    With labels y the logit is w·h + b + v_y·h, v the embedding of the label: Miyato &
    Koyama 2018, "cGANs with Projection Discriminator", arXiv:1802.05637, equation 3
    (with h flattened where they sum over positions).

    Args:
        image_shape: (height, width, channels), the sides even and at least 8.
        num_classes: number of labels, or None for no condition.
        base_channels: width of the stage next to the image; see `dcgan_generator`.
        dropout: share of units dropped after every stage in training.
        spectral_normalization: whether every kernel is divided by its norm.
        seed: seed of the initial weights.
        dtype: dtype policy of the layers; the logits are float32.

    Returns:
        Model from images (or `[images, labels]`) to float32 logits `(batch,)`.

    Raises:
        ValueError: if the sides cannot be halved, or a number is out of range.
    """
    image_shape = check_image_shape(image_shape)
    new = Initializers(seed)
    convolution = SpectralConv2D if spectral_normalization else keras.layers.Conv2D
    images = x = keras.Input(image_shape, name="images")
    for channels in _widths(base_channels, image_shape):
        x = convolution(
            channels,
            4,
            strides=2,
            padding="same",
            kernel_initializer=new.he(),
            dtype=dtype,
        )(x)
        x = keras.layers.LeakyReLU(_LEAK, dtype=dtype)(x)
        x = _dropped(x, dropout, dtype)
    x = keras.layers.Flatten(dtype=dtype)(x)
    return judged(images, x, num_classes, spectral_normalization, new)


def _num_stages(image_shape: Sequence[int]) -> int:
    height, width = image_shape[:2]
    stages = 0
    while min(height, width) >= 2 * _SMALLEST_SIDE and not (height % 2 or width % 2):
        height, width, stages = height // 2, width // 2, stages + 1
    if not stages:
        raise ValueError(
            "Even sides of at least 8 were expected for a DCGAN. Received: "
            f"image_shape={tuple(image_shape)}. Resize the images, for example to "
            "32×32, or use network='mlp'."
        )
    return stages


def _widths(base_channels: int | None, image_shape: Sequence[int]) -> list[int]:
    if base_channels is None:
        base_channels = 32 if min(image_shape[:2]) < 32 else 64
    stages = range(_num_stages(image_shape))
    return [base_channels * min(2**i, _CHANNEL_LIMIT) for i in stages]


def _dropped(x: Any, dropout: float, dtype: Any) -> Any:
    return SeededDropout(dropout, dtype=dtype)(x) if dropout else x
