"""A generator and a discriminator that fit: built here, or brought and checked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from tfgenai.gan import checks, networks
from tfgenai.gan.ends import check_image_shape
from tfgenai.gan.losses import AdversarialLoss, WassersteinLoss
from tfgenai.gan.penalties import GradientPenalty

_GENERATORS: Mapping[str, Callable[..., keras.Model]] = {
    "dcgan": networks.dcgan_generator,
    "mlp": networks.mlp_generator,
}
_DISCRIMINATORS: Mapping[str, Callable[..., keras.Model]] = {
    "dcgan": networks.dcgan_discriminator,
    "mlp": networks.mlp_discriminator,
}


def make_networks(
    image_shape: Sequence[int] | None,
    generator: keras.layers.Layer | None,
    discriminator: keras.layers.Layer | None,
    *,
    latent_dim: int,
    network: str,
    adversarial_loss: AdversarialLoss,
    penalty: GradientPenalty | None,
    num_classes: int | None,
    dropout: float,
    seed: int,
    dtype: Any,
) -> tuple[keras.layers.Layer, keras.layers.Layer, tuple[int, int, int]]:
    """Builds what is None and checks what is given; for the arguments see `GAN`.

    Returns:
        Generator, discriminator and the shape of their images.

    Raises:
        TypeError: if a given network is not a Keras layer.
        ValueError: if the networks do not fit each other or the arguments.
    """
    if image_shape is not None:
        image_shape = check_image_shape(image_shape)
    if generator is not None:
        image_shape = checks.check_generator(
            generator, image_shape, latent_dim=latent_dim, num_classes=num_classes
        )
        checks.warn_of_unseeded_layers(generator)
    if image_shape is None:
        image_shape = _image_shape_of(discriminator)
    common = {"num_classes": num_classes, "seed": seed, "dtype": dtype}
    if generator is None:
        generator = _GENERATORS[network](image_shape, latent_dim=latent_dim, **common)
    if discriminator is None:
        if penalty is None and isinstance(adversarial_loss, WassersteinLoss):
            raise ValueError(
                "A Lipschitz constraint on the critic was expected. Received: "
                "adversarial_loss='wasserstein' with penalty=None. Use "
                "penalty='wgan_gp', or a discriminator with "
                "spectral_normalization=True."
            )
        discriminator = _DISCRIMINATORS[network](image_shape, dropout=dropout, **common)
    elif dropout:
        raise ValueError(
            "Dropout is for the discriminator that is built here. Received: "
            f"dropout={dropout} and a discriminator. Put tfgenai.layers.SeededDropout "
            "into that one."
        )
    else:
        checks.check_discriminator(
            discriminator, image_shape, num_classes=num_classes, penalty=penalty
        )
        checks.warn_of_unseeded_layers(discriminator)
    return generator, discriminator, image_shape


def _image_shape_of(discriminator: Any) -> tuple[int, int, int]:
    inputs = getattr(discriminator, "inputs", None)
    if not inputs:
        raise ValueError(
            "The shape of the images was expected. Received: image_shape=None and no "
            "network to take it from. Give image_shape, for example (28, 28, 1)."
        )
    return check_image_shape(list(inputs[0].shape[1:]))
