"""Checks of what a GAN is given: arguments, custom networks, batches of data."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.registry import Registry, unknown_name
from tfgenai.gan.ends import check_image_shape
from tfgenai.gan.game import flat_layers
from tfgenai.gan.networks import NETWORKS

_UNSEEDED = (
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.SpatialDropout2D,
)


def check_arguments(
    *,
    latent_dim: int,
    num_discriminator_steps: int,
    num_classes: int | None,
    generator_l2: float,
    dropout: float,
    network: str,
) -> None:
    """Checks the plain arguments of a GAN.

    Raises:
        ValueError: if one is out of range; it names the argument.
    """
    counts = {
        "latent_dim": latent_dim,
        "num_discriminator_steps": num_discriminator_steps,
        "num_classes": 1 if num_classes is None else num_classes,
    }
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(
                f"A positive whole number was expected. Received: {name}={value!r}. "
                "Give 1 or more."
            )
    if not 0 <= generator_l2 < math.inf:
        raise ValueError(
            "A finite factor of 0 or more was expected. Received: "
            f"generator_l2={generator_l2!r}. 0.0 switches it off."
        )
    if not 0 <= dropout < 1:
        raise ValueError(
            f"A share in [0, 1) was expected. Received: dropout={dropout!r}. Usual "
            "is 0.3; 0.0 switches it off."
        )
    if network not in NETWORKS:
        raise ValueError(unknown_name("network", network, list(NETWORKS)))


def one_of(registry: Registry[Any], value: Any, kind: type) -> Any:
    """The object that `value` names or is.

    Args:
        registry: the names.
        value: a name, or an instance of `kind`.
        kind: the class that is expected.

    Raises:
        ValueError: if it is a name that is not known.
        TypeError: if it is something else.
    """
    made = registry.create(value)
    if not isinstance(made, kind):
        raise TypeError(
            f"A name of {registry.names()} or a {kind.__name__} was expected. "
            f"Received: {registry.kind}={value!r}. Choose one of the names."
        )
    return made


def check_generator(
    generator: Any,
    image_shape: Sequence[int] | None,
    *,
    latent_dim: int,
    num_classes: int | None,
) -> tuple[int, int, int]:
    """Runs a custom generator once on two latents and looks at what comes out.

    Args:
        generator: Keras model or layer from z (or `[z, labels]`) to images. It is built
            by the call if it was not yet.
        image_shape: (height, width, channels) that is expected; None for any.
        latent_dim: length of z.
        num_classes: number of labels, or None for no condition.

    Returns:
        The shape of its images.

    Raises:
        TypeError: if it is not a Keras layer or model.
        ValueError: if it does not take the latents or its output is no such image.
    """
    images = _call_once(
        "generator", generator, (latent_dim,), num_classes, "latent_dim or num_classes"
    )
    shape = tuple(images.shape[1:])
    if len(shape) != 3 or (image_shape is not None and shape != tuple(image_shape)):
        expected = "(height, width, channels)" if image_shape is None else image_shape
        raise ValueError(
            f"A generator of images of shape {expected} was expected. Received: "
            f"generator={generator.name!r}, whose images have the shape {shape}. "
            "Change its last layer or image_shape."
        )
    return check_image_shape(shape)


def check_discriminator(
    discriminator: Any,
    image_shape: Sequence[int],
    *,
    num_classes: int | None,
    penalty: Any,
) -> None:
    """Runs a custom discriminator once on two images and looks at what comes out.

    Args:
        discriminator: Keras model or layer from images (or `[images, labels]`) to one
            logit per image.
        image_shape: (height, width, channels).
        num_classes: number of labels, or None for no condition.
        penalty: the gradient penalty that it will be under, or None.

    Raises:
        TypeError: if it is not a Keras layer or model.
        ValueError: if it does not take the images, returns more than a logit each, or
            mixes the batch by BatchNormalization under a gradient penalty.
    """
    logits = _call_once(
        "discriminator",
        discriminator,
        tuple(image_shape),
        num_classes,
        "image_shape or num_classes",
    )
    if tuple(logits.shape) not in ((2,), (2, 1)):
        raise ValueError(
            "A discriminator with one logit per image, shape (batch,) or (batch, 1), "
            f"was expected. Received: discriminator={discriminator.name!r}, which "
            f"returns {tuple(logits.shape[1:])} per image. End it with Dense(1) "
            "without an activation."
        )
    mixing = [
        layer.name
        for layer in flat_layers(discriminator)
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    if penalty is not None and mixing:
        raise ValueError(
            "A discriminator that treats every image alone was expected, because a "
            "gradient penalty looks at each image's own gradient (Gulrajani et al. "
            f"2017, section 4). Received: penalty={type(penalty).__name__} and "
            f"BatchNormalization in {mixing}. Use LayerNormalization or spectral "
            "normalization there, or penalty=None."
        )


def warn_of_unseeded_layers(network: keras.layers.Layer) -> None:
    """Warns of layers that draw noise which a resumed run cannot repeat."""
    names = [
        layer.name for layer in flat_layers(network) if isinstance(layer, _UNSEEDED)
    ]
    if names:
        warnings.warn(
            f"Noise in {names} of {network.name!r} does not depend on the training "
            "step: a resumed run differs from an unbroken one, and all replicas draw "
            "alike. Use tfgenai.layers.SeededDropout instead.",
            stacklevel=4,
        )


def check_batch(
    x: Any, y: Any, *, image_shape: Sequence[int], num_classes: int | None
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Checks one batch of data, when the training step is traced.

    Args:
        x: images `(batch, height, width, channels)`.
        y: labels `(batch,)` or None.
        image_shape: what the model was built for.
        num_classes: number of labels, or None for a model without a condition.

    Returns:
        float32 images, and int32 labels or None. Where a label is out of range the
        image is NaN, which stops the run: XLA would take the nearest label silently.

    Raises:
        ValueError: if shape or type do not fit, or labels are missing.
    """
    shape = getattr(x, "shape", None)
    if shape is None or not shape.is_compatible_with((None, *image_shape)):
        raise ValueError(
            f"Images of shape (batch, {', '.join(map(str, image_shape))}) were "
            f"expected. Received: x of shape {shape}. Resize the images, or build the "
            "model with their image_shape."
        )
    if not x.dtype.is_floating:
        raise ValueError(
            "Float images in [-1, 1] were expected. Received: x of type "
            f"{x.dtype.name}. Convert with x / 127.5 - 1.0, or use tfgenai.data.load."
        )
    x = tf.cast(x, tf.float32)
    if num_classes is None:
        return x, None
    if y is None:
        raise ValueError(
            f"A label per image was expected, because num_classes={num_classes}. "
            "Received: y=None. Pass (x, y), or build the model with num_classes=None."
        )
    if not y.dtype.is_integer or not y.shape.is_compatible_with((None,)):
        raise ValueError(
            "Integer labels of shape (batch,) were expected. Received: y of type "
            f"{y.dtype.name} and shape {y.shape}. Convert one-hot labels with argmax."
        )
    labels = tf.cast(y, tf.int32)
    is_known = (labels >= 0) & (labels < num_classes)
    x += tf.where(is_known, 0.0, math.nan)[:, tf.newaxis, tf.newaxis, tf.newaxis]
    return x, tf.clip_by_value(labels, 0, num_classes - 1)


def _call_once(
    role: str,
    network: Any,
    shape: tuple[int, ...],
    num_classes: int | None,
    arguments: str,
) -> tf.Tensor:
    if not isinstance(network, keras.layers.Layer):
        raise TypeError(
            f"A Keras model was expected as {role}. Received: {role}={network!r}. "
            f"Build one, or leave {role}=None for the package's own."
        )
    inputs: Any = tf.zeros((2, *shape))
    words = f"inputs of shape (batch, {', '.join(map(str, shape))})"
    if num_classes is not None:
        inputs = [inputs, tf.zeros((2,), tf.int32)]
        words = f"a list of {words} and of labels (batch,)"
    taken = len(getattr(network, "inputs", None) or [])
    try:
        if taken and taken != len(keras.tree.flatten(inputs)):
            raise ValueError(f"it takes {taken}")
        outputs = network(inputs, training=False)
    except Exception as error:
        raise ValueError(
            f"A {role} that takes {words} was expected. Received: "
            f"{role}={network.name!r}, which does not ({error}). Change its inputs, "
            f"or {arguments}."
        ) from error
    if not tf.is_tensor(outputs):
        raise ValueError(
            f"A {role} with one output was expected. Received: {role}="
            f"{network.name!r}, which returns a {type(outputs).__name__}. Return a "
            "tensor."
        )
    return outputs
