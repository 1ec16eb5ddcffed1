"""GAN: a generator and a discriminator that learn from each other."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition
from tfgenai.core.model import GenerativeModel
from tfgenai.gan import checks
from tfgenai.gan.game import (
    Game,
    extra_losses,
    flat_layers,
    unchanged_state,
)
from tfgenai.gan.losses import ADVERSARIAL_LOSSES, AdversarialLoss, WassersteinLoss
from tfgenai.gan.pair import make_networks
from tfgenai.gan.penalties import PENALTIES, GradientPenalty


@keras.saving.register_keras_serializable("tfgenai")
class GAN(GenerativeModel):
    """Generative adversarial network for images, with or without labels.

    Goodfellow et al. 2014, "Generative Adversarial Nets", arXiv:1406.2661.

    One training step takes one batch of real images x and their labels y:

    1. `num_discriminator_steps` times: fresh latents z ~ N(0, I), one per real image,
       and the generator's images G(z, y) without a gradient to the generator. The
       discriminator sees x and G(z, y) in two separate forward passes and takes one
       optimizer step. Every one of these steps sees **the same real batch**, with fresh
       latents and fresh dropout: Keras hands a step one batch. For fresh real images
       in each, as in algorithm 1 of Arjovsky et al. 2017, pass more, smaller batches.
    2. Once: the generator takes one optimizer step on what the discriminator, as it is
       now, says of the images of the **last** discriminator step.

    Generated images carry the labels of the batch, so labels occur as in the data. Each
    half moves its own variables only; statistics of BatchNormalization in the
    generator move once per training step, and those of a custom discriminator do not
    move in the generator's half.

    Logs, means over the images of an epoch: `loss` (what the generator minimises, its
    L2 penalty included), `discriminator_loss` (adversarial part), `penalty` (weighted;
    the discriminator minimises the sum of both), `real_accuracy` and `fake_accuracy`
    (share of images that the discriminator judges rightly, 0.5 is even); those of the
    discriminator are means over its steps. `evaluate` gives the same figures for the
    averaged generator, without a step.

    Args:
        image_shape: (height, width, channels). None takes it from the custom networks.
        latent_dim: length of z.
        generator: Keras model from z `(batch, latent_dim)` to images in [-1, 1]; with
            `num_classes`, from `[z, labels]`. None builds one of the package's.
        discriminator: Keras model from images to one logit each, without a sigmoid;
            with `num_classes`, from `[images, labels]`. None builds one.
        network: `"dcgan"` or `"mlp"`: what is built where no network is given.
        adversarial_loss: name in `ADVERSARIAL_LOSSES` or an `AdversarialLoss`.
        penalty: None, name in `PENALTIES`, or a `GradientPenalty` such as `R1(10.0)`.
        num_discriminator_steps: discriminator steps per training step, 1 or more.
        generator_l2: factor of the sum of squares of the generator's kernels (its
            weights of two or more axes) in the generator's loss; 0.0 switches it off.
        num_classes: number of labels for a class-conditional model, or None.
        dropout: share of units dropped in the discriminator that is built.
        ema_decay: decay of the averaged generator weights, or None; usually 0.999.
        seed: seed of the initial weights and of all noise.
        name: name of the model.
        dtype: dtype policy; losses and penalties are float32 in any case.

    Raises:
        ValueError: if an argument is out of range or a custom network does not fit.
        TypeError: if an argument is of the wrong kind.

    Example:
        >>> gan = GAN(image_shape=(8, 8, 1), latent_dim=4, num_classes=10)
        >>> gan.generate(2, labels=[3, 7], seed=1).shape
        (2, 8, 8, 1)
    """

    loss_names = (
        "loss",
        "discriminator_loss",
        "penalty",
        "real_accuracy",
        "fake_accuracy",
    )
    optimizer_names = ("optimizer", "discriminator_optimizer")

    def __init__(
        self,
        image_shape: Sequence[int] | None = None,
        latent_dim: int = 100,
        *,
        generator: keras.layers.Layer | None = None,
        discriminator: keras.layers.Layer | None = None,
        network: str = "dcgan",
        adversarial_loss: str | AdversarialLoss = "non_saturating",
        penalty: str | GradientPenalty | None = None,
        num_discriminator_steps: int = 1,
        generator_l2: float = 0.0,
        num_classes: int | None = None,
        dropout: float = 0.0,
        ema_decay: float | None = None,
        seed: int = 0,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        checks.check_arguments(
            latent_dim=latent_dim,
            num_discriminator_steps=num_discriminator_steps,
            num_classes=num_classes,
            generator_l2=generator_l2,
            dropout=dropout,
            network=network,
        )
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.latent_dim = latent_dim
        self.network = network
        self.adversarial_loss = checks.one_of(
            ADVERSARIAL_LOSSES, adversarial_loss, AdversarialLoss
        )
        self.penalty = (
            None
            if penalty is None
            else checks.one_of(PENALTIES, penalty, GradientPenalty)
        )
        self.num_discriminator_steps = num_discriminator_steps
        self.generator_l2 = float(generator_l2)
        self.num_classes = num_classes
        self.dropout = dropout
        self._custom = (generator is not None, discriminator is not None)
        self.generator, self.discriminator, self.image_shape = make_networks(
            image_shape,
            generator,
            discriminator,
            latent_dim=latent_dim,
            network=network,
            adversarial_loss=self.adversarial_loss,
            penalty=self.penalty,
            num_classes=num_classes,
            dropout=dropout,
            seed=self.seed,
            dtype=self.dtype_policy,
        )
        self._game = Game(
            self.generator,
            self.discriminator,
            latent_dim=latent_dim,
            adversarial_loss=self.adversarial_loss,
            penalty=self.penalty,
            generator_l2=self.generator_l2,
        )
        self.gradient_norms = self.add_weight(
            name="gradient_norms",
            shape=(2,),
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.finish_init()

    def averaged_weights(self) -> list[keras.Variable]:
        """The generator's weights: the discriminator is not sampled from."""
        return self.generator.weights

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Images of latents `(batch, latent_dim)`, or of `[z, labels]`."""
        return tf.cast(self.generator(inputs, training=training), tf.float32)

    # ---- losses and training -------------------------------------------------

    def compute_losses(
        self,
        x: tf.Tensor,
        y: tf.Tensor | None,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """All losses of one batch, without a step; see the class.

        Args:
            x: float32 `(batch, height, width, channels)` in [-1, 1].
            y: labels `(batch,)`, or None without `num_classes`.
            sample_weight: float32 `(batch,)` or None; weighs an image and the
                generated image that shares its label.
            seed: int32 `(2,)`.
            training: whether layers behave as in training.

        Returns:
            float32 scalars by the names in `loss_names`, **means** over the batch.
        """
        x, labels = self._check_batch(x, y)
        fake = self._game.generate(x, labels, seed=seed, training=training)
        players = {"seed": seed, "training": training}
        losses = self._game.discriminator_losses(
            x, fake, labels, sample_weight, step=0, **players
        )
        loss = self._game.generator_loss(fake, labels, sample_weight, **players)
        return {**losses, "loss": loss}

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One training step as the class describes it; returns the logs."""
        batch, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        x, labels = self._check_batch(batch, y)
        *earlier, last = (
            random.fold(self.step_seed(), i)
            for i in range(self.num_discriminator_steps)
        )
        history = []
        for seed in earlier:
            with unchanged_state(self.generator):
                fake = self._game.generate(x, labels, seed=seed, training=True)
            history.append(self._discriminator_step(x, fake, labels, weight, seed))
        variables = self.generator.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in variables])
            fake = self._game.generate(x, labels, seed=last, training=True)
            with tape.stop_recording():
                history.append(self._discriminator_step(x, fake, labels, weight, last))
            with unchanged_state(self.discriminator):
                loss = self._game.generator_loss(
                    fake, labels, weight, seed=last, training=True
                )
            scaled = self.scaled(self.optimizer, loss, x)
        gradients = self.minimize(self.optimizer, tape, scaled, variables)
        self._note_gradient_norm(self.optimizer_names[0], gradients)
        losses = {
            name: tf.add_n([step[name] for step in history]) / len(history)
            for name in history[0]
        }
        return self.finish_step({**losses, "loss": loss}, x)

    def _discriminator_step(
        self,
        x: tf.Tensor,
        fake: tf.Tensor,
        labels: tf.Tensor | None,
        weight: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        for layer in flat_layers(self.discriminator):
            if hasattr(layer, "advance_power_iteration"):
                layer.advance_power_iteration()
        optimizer = self.discriminator_optimizer
        variables = self.discriminator.trainable_variables
        fake = tf.stop_gradient(fake)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in variables])
            losses = self._game.discriminator_losses(
                x, fake, labels, weight, seed=seed, step=self.step.value, training=True
            )
            total = losses["discriminator_loss"] + losses["penalty"]
            total += extra_losses(self.discriminator)
            scaled = self.scaled(optimizer, total, x)
        gradients = self.minimize(optimizer, tape, scaled, variables)
        self._note_gradient_norm(self.optimizer_names[1], gradients)
        return losses

    def _check_batch(self, x: Any, y: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
        return checks.check_batch(
            x, y, image_shape=self.image_shape, num_classes=self.num_classes
        )

    def _note_gradient_norm(
        self, optimizer_name: str, gradients: Sequence[tf.Tensor]
    ) -> None:
        is_this = tf.constant([name == optimizer_name for name in self.optimizer_names])
        scale = getattr(self, optimizer_name).scale_loss(tf.constant(1.0))
        norm = tf.linalg.global_norm(gradients) / scale
        self.gradient_norms.assign(tf.where(is_this, norm, self.gradient_norms.value))

    # ---- sampling ------------------------------------------------------------

    def conditions(self) -> tuple[Condition, ...]:
        """`labels` for a conditional model, and the knob `temperature`."""
        labels = (
            Condition(
                "labels",
                "int32",
                minimum=0,
                maximum=(self.num_classes or 1) - 1,
                description="class of the image",
            ),
        )
        return (
            *(labels if self.num_classes is not None else ()),
            Condition(
                "temperature",
                "float32",
                minimum=0.0,
                maximum=10.0,
                default=1.0,
                description=(
                    "standard deviation of z; below 1 trades variety for typical "
                    "images, as the truncation of Brock et al. 2018 does"
                ),
            ),
        )

    def sample(  # type: ignore[override]  # the conditions, by name
        self,
        seeds: tf.Tensor,
        *,
        labels: tf.Tensor | None = None,
        temperature: tf.Tensor | float = 1.0,
    ) -> tf.Tensor:
        """Images from seeds; a pure function of the arguments.

        Args:
            seeds: int64 `(batch,)`.
            labels: int32 `(batch,)` for a conditional model.
            temperature: float32 `(batch,)` or one number, standard deviation of z.

        Returns:
            float32 `(batch, height, width, channels)` in [-1, 1].
        """
        z = random.row_normal(seeds, (self.latent_dim,))
        z *= tf.reshape(tf.cast(temperature, tf.float32), (-1, 1))
        return self([z, labels] if self.num_classes is not None else z)

    # ---- optimizers and config -----------------------------------------------

    def optimized_variables(self, optimizer_name: str) -> list[keras.Variable]:
        """The generator's variables, or the discriminator's."""
        if optimizer_name == "discriminator_optimizer":
            return self.discriminator.trainable_variables
        return self.generator.trainable_variables

    def default_optimizers(self) -> dict[str, Any]:
        """Adam 2e-4, beta_1 0.5 for both; as Gulrajani et al. for Wasserstein."""
        settings = {"learning_rate": 2e-4, "beta_1": 0.5}
        if isinstance(self.adversarial_loss, WassersteinLoss):
            settings = {"learning_rate": 1e-4, "beta_1": 0.0, "beta_2": 0.9}
        return {
            name: keras.optimizers.Adam(**settings) for name in self.optimizer_names
        }

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        serialize = keras.saving.serialize_keras_object
        has_generator, has_discriminator = self._custom
        return {
            **super().get_config(),
            "image_shape": list(self.image_shape),
            "latent_dim": self.latent_dim,
            "generator": serialize(self.generator) if has_generator else None,
            "discriminator": (
                serialize(self.discriminator) if has_discriminator else None
            ),
            "network": self.network,
            "adversarial_loss": serialize(self.adversarial_loss),
            "penalty": None if self.penalty is None else serialize(self.penalty),
            "num_discriminator_steps": self.num_discriminator_steps,
            "generator_l2": self.generator_l2,
            "num_classes": self.num_classes,
            "dropout": self.dropout,
        }
