"""The adversarial losses: what discriminator and generator minimise, from logits."""

from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.registry import Registry

ADVERSARIAL_LOSSES: Registry[Any] = Registry("adversarial_loss")


class AdversarialLoss:
    """Base of the adversarial losses: three functions of logits, per example.

    Logits are what the discriminator returns, without a sigmoid; large means real.
    Everything is computed in float32, whatever the logits are. D(x) below stands for
    sigmoid(logit), C(x) for the logit itself.

    A subclass writes `real_loss`, `fake_loss` and `generator_loss`; each takes logits
    `(batch,)` and returns float32 `(batch,)`. The discriminator minimises
    mean(real_loss) + mean(fake_loss), the generator mean(generator_loss).
    """

    def real_loss(self, real_logits: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss on real examples, float32 `(batch,)`."""
        raise NotImplementedError(f"{type(self).__name__} must define real_loss().")

    def fake_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss on generated examples, float32 `(batch,)`."""
        raise NotImplementedError(f"{type(self).__name__} must define fake_loss().")

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """The generator's loss on its own examples, float32 `(batch,)`."""
        raise NotImplementedError(
            f"{type(self).__name__} must define generator_loss()."
        )

    def discriminator_loss(
        self, real_logits: tf.Tensor, fake_logits: tf.Tensor
    ) -> tf.Tensor:
        """What the discriminator minimises, but for penalties.

        Args:
            real_logits: float `(batch,)`.
            fake_logits: float `(batch,)`.

        Returns:
            float32 scalar, **mean** over each batch, real and fake added.
        """
        return tf.reduce_mean(self.real_loss(real_logits)) + tf.reduce_mean(
            self.fake_loss(fake_logits)
        )

    def threshold(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        """The logit above which an example counts as real; float32 scalar."""
        return tf.constant(0.0)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AdversarialLoss":
        """Makes a loss from `get_config()`."""
        return cls(**config)


class _CrossEntropy(AdversarialLoss):
    """The discriminator's part that the two losses of Goodfellow et al. share."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        if not 0 <= label_smoothing < 0.5:
            raise ValueError(
                "A smoothing in [0, 0.5) was expected. Received: "
                f"label_smoothing={label_smoothing}. Usual is 0.1; 0.0 switches it off."
            )
        self.label_smoothing = label_smoothing

    def real_loss(self, real_logits: tf.Tensor) -> tf.Tensor:
        logits = _float32(real_logits)
        # -s log D - (1 - s) log(1 - D) with s = 1 - label_smoothing
        return tf.nn.softplus(-logits) + self.label_smoothing * logits

    def fake_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        return tf.nn.softplus(_float32(fake_logits))

    def get_config(self) -> dict[str, Any]:
        return {"label_smoothing": self.label_smoothing}


@ADVERSARIAL_LOSSES.register("non_saturating")
@keras.saving.register_keras_serializable("tfgenai")
class NonSaturatingLoss(_CrossEntropy):
    """The discriminator's cross-entropy; the generator maximises log D(G(z)).

    Goodfellow et al. 2014, "Generative Adversarial Nets", arXiv:1406.2661, section 3.

        discriminator: -log D(x) - log(1 - D(G(z)))
        generator:     -log D(G(z))

    At D = 1/2 everywhere, the optimum, the discriminator's loss is log 4 = 1.386 nats
    and the generator's log 2. In nats per example.

    Args:
        label_smoothing: one-sided smoothing of the real label to 1 - label_smoothing
            (Salimans et al. 2016, arXiv:1606.03498, section 3.4); in [0, 0.5).

    Raises:
        ValueError: if `label_smoothing` is out of range.

    Example:
        >>> loss = NonSaturatingLoss()
        >>> round(float(loss.discriminator_loss(tf.zeros(4), tf.zeros(4))), 3)
        1.386
    """

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """The generator's loss on its own examples, float32 `(batch,)`."""
        return tf.nn.softplus(-_float32(fake_logits))


@ADVERSARIAL_LOSSES.register("minimax")
@keras.saving.register_keras_serializable("tfgenai")
class MinimaxLoss(_CrossEntropy):
    """The two-player game as it was first written: the generator minimises log(1 - D).

    Goodfellow et al. 2014, "Generative Adversarial Nets", arXiv:1406.2661, equation 1.

        discriminator: -log D(x) - log(1 - D(G(z)))
        generator:     log(1 - D(G(z)))

    The generator's gradient vanishes where the discriminator is sure; for training
    take `NonSaturatingLoss`. In nats per example.

    Args:
        label_smoothing: see `NonSaturatingLoss`.

    Raises:
        ValueError: if `label_smoothing` is out of range.
    """

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """The generator's loss on its own examples, float32 `(batch,)`."""
        return -tf.nn.softplus(_float32(fake_logits))


@ADVERSARIAL_LOSSES.register("least_squares")
@keras.saving.register_keras_serializable("tfgenai")
class LeastSquaresLoss(AdversarialLoss):
    """Squared distance of logits from 1 for real and 0 for fake.

    Mao et al. 2017, "Least Squares Generative Adversarial Networks",
    arXiv:1611.04076, equation 9 (a = 0, b = c = 1).

        discriminator: (C(x) - 1)^2 / 2 + C(G(z))^2 / 2
        generator:     (C(G(z)) - 1)^2 / 2
    """

    def real_loss(self, real_logits: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss on real examples, float32 `(batch,)`."""
        return 0.5 * tf.square(_float32(real_logits) - 1.0)

    def fake_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss on generated examples, float32 `(batch,)`."""
        return 0.5 * tf.square(_float32(fake_logits))

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """The generator's loss on its own examples, float32 `(batch,)`."""
        return 0.5 * tf.square(_float32(fake_logits) - 1.0)

    def threshold(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        """Half way between the two targets."""
        return tf.constant(0.5)


@ADVERSARIAL_LOSSES.register("hinge")
@keras.saving.register_keras_serializable("tfgenai")
class HingeLoss(AdversarialLoss):
    """Margins of 1 for the discriminator, the plain logit for the generator.

    Lim & Ye 2017, "Geometric GAN", arXiv:1705.02894, equation 13; Miyato et al. 2018,
    "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957,
    equations 16 and 17.

        discriminator: max(0, 1 - C(x)) + max(0, 1 + C(G(z)))
        generator:     -C(G(z))
    """

    def real_loss(self, real_logits: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss on real examples, float32 `(batch,)`."""
        return tf.nn.relu(1.0 - _float32(real_logits))

    def fake_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss on generated examples, float32 `(batch,)`."""
        return tf.nn.relu(1.0 + _float32(fake_logits))

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """The generator's loss on its own examples, float32 `(batch,)`."""
        return -_float32(fake_logits)


@ADVERSARIAL_LOSSES.register("wasserstein")
@keras.saving.register_keras_serializable("tfgenai")
class WassersteinLoss(AdversarialLoss):
    """The difference of mean logits, an estimate of the Wasserstein-1 distance.

    Arjovsky, Chintala & Bottou 2017, "Wasserstein GAN", arXiv:1701.07875, equation 2.
    The logits must come from a Lipschitz function: use it with a gradient penalty or
    spectral normalization.

        discriminator: C(G(z)) - C(x)
        generator:     -C(G(z))
    """

    def real_loss(self, real_logits: tf.Tensor) -> tf.Tensor:
        """The critic's loss on real examples, float32 `(batch,)`."""
        return -_float32(real_logits)

    def fake_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """The critic's loss on generated examples, float32 `(batch,)`."""
        return _float32(fake_logits)

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """The generator's loss on its own examples, float32 `(batch,)`."""
        return -_float32(fake_logits)

    def threshold(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        """Half way between the batch means: a critic is free up to a constant."""
        return 0.5 * (
            tf.reduce_mean(_float32(real_logits))
            + tf.reduce_mean(_float32(fake_logits))
        )


def _float32(logits: tf.Tensor) -> tf.Tensor:
    return tf.cast(logits, tf.float32)
