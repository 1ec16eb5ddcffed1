"""Freeze-D: fine-tuning a GAN whose discriminator keeps what it sees first."""

import keras

from tfgenai.finetune.freeze import freeze
from tfgenai.gan.gan import GAN


def freeze_discriminator(gan: GAN, num_layers: int) -> list[str]:
    """Freezes the layers of the discriminator that stand next to the image.

    Mo et al. 2020, "Freeze the Discriminator: a Simple Baseline for Fine-Tuning GANs",
    arXiv:2002.10964: with few pictures, a discriminator whose lower layers stay as they
    are overfits later. Only layers with weights are counted, from the image on; the
    embedding of the label belongs to the end. `tfgenai.finetune.unfreeze` undoes it.

    Args:
        gan: the model; `compile` it afterwards.
        num_layers: number of layers to freeze.

    Returns:
        Names of the frozen layers.

    Raises:
        TypeError: if `gan` is no GAN.
        ValueError: if no layer with weights would be left, or `num_layers` is below 1.

    Example:
        >>> gan = GAN(image_shape=(28, 28, 1), network="dcgan")
        >>> frozen = freeze_discriminator(gan, 1)
        >>> len(frozen), len(gan.discriminator.trainable_variables)
        (1, 4)
    """
    if not isinstance(gan, GAN):
        raise TypeError(
            f"A GAN was expected. Received: gan of type {type(gan).__name__}."
        )
    layers = [
        layer
        for layer in gan.discriminator.layers
        if layer.weights and not isinstance(layer, keras.layers.Embedding)
    ]
    is_number = isinstance(num_layers, int) and not isinstance(num_layers, bool)
    if not is_number or not 1 <= num_layers < len(layers):
        raise ValueError(
            f"A number from 1 to {len(layers) - 1} was expected, because the "
            f"discriminator has {len(layers)} layers with weights and one must train. "
            f"Received: num_layers={num_layers!r}."
        )
    names = [layer.name for layer in layers[:num_layers]]
    freeze(gan, *(f"{gan.discriminator.name}/{name}" for name in names), verbose=False)
    return names
