"""The two players' losses, as functions of a batch, its labels and a seed."""

import contextlib
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.reductions import weighted_mean
from tfgenai.gan.losses import AdversarialLoss
from tfgenai.gan.penalties import GradientPenalty

# What each part of a step draws: its own number is folded into the step's seed.
_LATENTS, _GENERATOR, _REAL, _FAKE, _PENALTY, _JUDGED = range(6)


class Game:
    """What generator and discriminator minimise; holds no variables of its own.

    Args:
        generator: from z `(batch, latent_dim)`, or `[z, labels]`, to images.
        discriminator: from images, or `[images, labels]`, to a logit each.
        latent_dim: length of z.
        adversarial_loss: the loss of both, from logits.
        penalty: a gradient penalty for the discriminator, or None.
        generator_l2: factor of the sum of squares of the generator's kernels.
    """

    def __init__(
        self,
        generator: keras.layers.Layer,
        discriminator: keras.layers.Layer,
        *,
        latent_dim: int,
        adversarial_loss: AdversarialLoss,
        penalty: GradientPenalty | None,
        generator_l2: float,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.latent_dim = latent_dim
        self.adversarial_loss = adversarial_loss
        self.penalty = penalty
        self.generator_l2 = generator_l2

    def generate(
        self, x: tf.Tensor, labels: tf.Tensor | None, *, seed: tf.Tensor, training: bool
    ) -> tf.Tensor:
        """Images from fresh latents, as many as there are in `x`, with its labels.

        Args:
            x: real images `(batch, height, width, channels)`.
            labels: int32 `(batch,)` or None.
            seed: int32 `(2,)`.
            training: whether layers behave as in training.

        Returns:
            float32, shaped as `x`.
        """
        batch = tf.shape(x)[0] if x.shape[0] is None else x.shape[0]
        z = random.normal(random.fold(seed, _LATENTS), (batch, self.latent_dim))
        with random.seed_scope(random.fold(seed, _GENERATOR)):
            images = self.generator(
                z if labels is None else [z, labels], training=training
            )
        return tf.cast(images, tf.float32)

    def discriminator_losses(
        self,
        x: tf.Tensor,
        fake: tf.Tensor,
        labels: tf.Tensor | None,
        weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        step: tf.Tensor | int,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """The discriminator's losses and what it gets right.

        Args:
            x: real images `(batch, height, width, channels)`.
            fake: generated images of the same shape and labels.
            labels: int32 `(batch,)` or None.
            weight: float32 `(batch,)` or None.
            seed: int32 `(2,)`.
            step: number of the training step, for penalties that are not always due.
            training: whether layers behave as in training.

        Returns:
            float32 scalars `discriminator_loss` (adversarial), `penalty` (weighted),
            `real_accuracy`, `fake_accuracy`; **means** over the batch.
        """
        # Two forward passes: with batch statistics, one mixed pass would give the
        # answer away (Chintala et al. 2016, "How to train a GAN", point 4).
        real_logits = self._logits(x, labels, random.fold(seed, _REAL), training)
        fake_logits = self._logits(fake, labels, random.fold(seed, _FAKE), training)
        loss = self.adversarial_loss
        threshold = loss.threshold(real_logits, fake_logits)
        penalty = tf.constant(0.0)
        if self.penalty is not None:
            penalty = self.penalty(
                # Dropout as for the real images: the penalty is on that function.
                lambda images: self._logits(
                    images, labels, random.fold(seed, _REAL), training
                ),
                x,
                fake,
                seed=random.fold(seed, _PENALTY),
                step=step,
            )
        return {
            "discriminator_loss": weighted_mean(loss.real_loss(real_logits), weight)
            + weighted_mean(loss.fake_loss(fake_logits), weight),
            "penalty": penalty,
            "real_accuracy": tf.reduce_mean(
                tf.cast(real_logits > threshold, tf.float32)
            ),
            "fake_accuracy": tf.reduce_mean(
                tf.cast(fake_logits < threshold, tf.float32)
            ),
        }

    def generator_loss(
        self,
        fake: tf.Tensor,
        labels: tf.Tensor | None,
        weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> tf.Tensor:
        """What the generator minimises; see `discriminator_losses` for the arguments.

        Returns:
            float32 scalar: adversarial loss, **mean** over the batch, with the L2
            penalty and what regularizers in the network add.
        """
        logits = self._logits(fake, labels, random.fold(seed, _JUDGED), training)
        loss = weighted_mean(self.adversarial_loss.generator_loss(logits), weight)
        loss += extra_losses(self.generator)
        if self.generator_l2:
            squares = [
                tf.reduce_sum(tf.square(tf.cast(v.value, tf.float32)))
                for v in self.generator.trainable_variables
                if len(v.shape) >= 2
            ]
            loss += self.generator_l2 * tf.add_n(squares)
        return loss

    def _logits(
        self,
        images: tf.Tensor,
        labels: tf.Tensor | None,
        seed: tf.Tensor,
        training: bool,
    ) -> tf.Tensor:
        with random.seed_scope(seed):
            logits = self.discriminator(
                images if labels is None else [images, labels], training=training
            )
        return tf.reshape(tf.cast(logits, tf.float32), (-1,))


def extra_losses(network: keras.layers.Layer) -> tf.Tensor:
    """What regularizers in a network add to its loss; float32 scalar."""
    return tf.add_n(
        [tf.constant(0.0), *(tf.cast(x, tf.float32) for x in network.losses)]
    )


def flat_layers(network: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The network and all layers in it, however deep."""
    inner: Callable[[], list[keras.layers.Layer]] | None = getattr(
        network, "_flatten_layers", None
    )
    return [network] if inner is None else list(inner())


@contextlib.contextmanager
def unchanged_state(network: keras.layers.Layer) -> Iterator[None]:
    """Puts the network's statistics, its non-trainable weights, back afterwards."""
    before = [(v, tf.identity(v.value)) for v in network.non_trainable_variables]
    yield
    for variable, value in before:
        variable.assign(value)
