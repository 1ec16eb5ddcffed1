"""What a pre-trained model of any family sees in an example, as one vector."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.autoregressive import ImageGPT, PixelCNN
from tfgenai.core import random
from tfgenai.diffusion import DiffusionModel
from tfgenai.diffusion.levels import add_noise
from tfgenai.finetune.heads.tap import find_layer, tapped
from tfgenai.gan import GAN
from tfgenai.gpt import GPT
from tfgenai.layers.layer_tree import named_layers
from tfgenai.vae import VAE, VQVAE

POOLS = ("mean", "last", "flatten", "none")
_NOISE_STREAM = 31


@keras.saving.register_keras_serializable("tfgenai")
@dataclasses.dataclass(frozen=True)
class Features:
    """Which vectors of a model are its features.

    By family, where `layer` is None:

    - GPT: the vectors behind the logits, a mean over the text's tokens;
    - VAE: the posterior's mean; VQVAE: the vectors of the codes;
    - GAN: what the discriminator's last layer is given (Radford et al. 2016, "DCGAN",
      arXiv:1511.06434, section 5.1);
    - diffusion: the middle of the network, of the example with noise on it (Baranchuk
      et al. 2022, "Label-Efficient Semantic Segmentation with Diffusion Models",
      arXiv:2112.03126; Xiang et al. 2023, "Denoising Diffusion Autoencoders are Unified
      Self-supervised Learners", arXiv:2303.09769). The noise is the same for every
      example, and no condition is given;
    - ImageGPT: the middle block (Chen et al. 2020, "Generative Pretraining from
      Pixels", section 4.1); PixelCNN: the layer before the pixels' parameters.

    Args:
        layer: path, or end of a path, of the layer whose outputs are taken; None for
            the family's own.
        pool: `"mean"` over places or tokens; `"last"`, the last token of a text, which
            has seen all others (Radford et al. 2018, "GPT", section 3.2); `"flatten"`,
            which keeps the places of what is no text; or `"none"`, a vector for each
            place or token, for a `DecoderHead`.
        time: noise level of a diffusion model, in [0, 1].

    Raises:
        ValueError: if `pool` is unknown or `time` out of range.

    Example:
        >>> Features(layer="middle_1", time=0.1).pool
        'mean'
    """

    layer: str | None = None
    pool: str = "mean"
    time: float = 0.1

    def __post_init__(self) -> None:
        if self.pool not in POOLS:
            raise ValueError(
                f"One of {list(POOLS)} was expected. Received: pool={self.pool!r}."
            )
        if not 0.0 <= self.time <= 1.0:
            raise ValueError(
                f"A time in [0, 1] was expected. Received: time={self.time!r}."
            )

    def of(self, model: Any, x: tf.Tensor, *, training: bool = False) -> tf.Tensor:
        """The features of a batch, each row's by itself.

        Args:
            model: a model of this package.
            x: what it is trained on: images, or int32 tokens `(batch, tokens)` with
                negative ones as padding.
            training: whether layers behave as in training.

        Returns:
            float32 `(batch, dim)`; `(batch, ..., dim)` if they are not pooled.

        Raises:
            ValueError: if the model has no features, or not pooled in this way.
        """
        run = _runner(model)
        if run is None:
            raise ValueError(
                "A GPT, VAE, VQVAE, GAN, DiffusionModel, ImageGPT or PixelCNN was "
                f"expected. Received: base={type(model).__name__}. Put a layer of your "
                "own on its outputs with keras.Sequential."
            )
        x = tf.convert_to_tensor(x)
        if self.pool in (("flatten",) if isinstance(model, GPT) else ("last",)):
            raise ValueError(
                "'mean' or 'last' of a GPT, 'mean' or 'flatten' of other models was "
                f"expected. Received: pool={self.pool!r}, base={type(model).__name__}."
            )
        hidden = run(model, x, self, training)
        return tf.cast(self._pooled(hidden, x, model), tf.float32)

    def _pooled(self, hidden: tf.Tensor, x: tf.Tensor, model: Any) -> tf.Tensor:
        if hidden.shape.rank == 2 or self.pool == "none":
            return hidden
        if isinstance(model, GPT):
            inside = tf.cast(x >= 0, hidden.dtype)[..., tf.newaxis]
            if self.pool == "last":
                behind = tf.cumsum(inside, 1, exclusive=True, reverse=True)
                inside *= tf.cast(behind == 0.0, hidden.dtype)
            return tf.math.divide_no_nan(
                tf.reduce_sum(hidden * inside, 1), tf.reduce_sum(inside, 1)
            )
        if self.pool == "flatten":
            return tf.reshape(hidden, (-1, int(np.prod(hidden.shape[1:]))))
        return tf.reduce_mean(hidden, list(range(1, hidden.shape.rank - 1)))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Features":
        """Makes one from `get_config()`."""
        return cls(**config)


_Run = Callable[[Any, tf.Tensor, Features, bool], tf.Tensor]


def _runner(model: Any) -> _Run | None:
    for kind, run in _RUNNERS.items():
        if isinstance(model, kind):
            return run
    return None


def _of_gpt(model: GPT, x: tf.Tensor, how: Features, training: bool) -> tf.Tensor:
    if how.layer is None:
        return model.hidden_states(x, training=training)
    return _outputs(model, how.layer, lambda: model.hidden_states(x, training=training))


def _of_vae(model: VAE, x: tf.Tensor, how: Features, training: bool) -> tf.Tensor:
    if model.num_classes is not None:
        raise ValueError(
            "A VAE without labels was expected, because its encoder is given them. "
            f"Received: base.num_classes={model.num_classes}. Train it without."
        )
    if how.layer is None:
        return model.posterior(x, training=training)[0]
    return _outputs(model, how.layer, lambda: model.posterior(x, training=training))


def _of_vq_vae(model: VQVAE, x: tf.Tensor, how: Features, training: bool) -> tf.Tensor:
    if how.layer is None:
        return model.quantizer(model.encoder(x, training=training))
    return _outputs(model, how.layer, lambda: model.encoder(x, training=training))


def _of_gan(model: GAN, x: tf.Tensor, how: Features, training: bool) -> tf.Tensor:
    network = model.discriminator
    inputs = x if model.num_classes is None else [x, _no_labels(x)]

    def run() -> tf.Tensor:
        return network(inputs, training=training)

    if how.layer is not None:
        return _outputs(network, how.layer, run)
    last = [
        layer
        for _, layer in named_layers(network)
        if isinstance(layer, keras.layers.Dense) and layer.units == 1
    ]
    if not last:
        raise ValueError(
            "A discriminator that ends with a Dense layer of one unit was expected. "
            f"Received: base.discriminator={network.name!r}. Name the layer whose "
            "outputs are the features: Features(layer=...)."
        )
    with tapped(last[-1]) as tap:
        run()
    return tap.inputs


def _of_diffusion(
    model: DiffusionModel, x: tf.Tensor, how: Features, training: bool
) -> tf.Tensor:
    conditions = model.data_conditions()
    size = tf.shape(x)[:1]
    rows = {
        each.name: tf.zeros(tf.concat([size, each.shape], 0), each.dtype)
        for each in conditions
    }
    single = len(conditions) == 1
    nothing = (rows[conditions[0].name] if single else rows) if conditions else None
    data, _ = model.diffused_batch(x, nothing)
    noise = random.numpy_generator(0, _NOISE_STREAM).standard_normal(data.shape[1:])
    noise = tf.broadcast_to(tf.constant(noise, tf.float32), tf.shape(data))
    level = model.schedule.level(tf.fill(size, how.time))
    noisy = add_noise(data, noise, level)
    nobody = tf.zeros(size, tf.bool)

    def run() -> tf.Tensor:
        return model.predict_output(
            noisy, level, rows, nobody, tf.zeros_like(data), training=training
        )

    blocks = [path for path, _ in named_layers(model.network)]
    return _outputs(model, how.layer or _middle(blocks), run)


def _middle(paths: list[str]) -> str:
    """The middle of a diffusion network: of a U-Net, a transformer or an MLP."""
    for prefix in ("middle_", "block_", "outer_"):
        found = [path for path in paths if path.startswith(prefix) and "/" not in path]
        if found:
            return found[-1] if prefix == "middle_" else found[(len(found) - 1) // 2]
    raise ValueError(
        "A network whose middle is known was expected. Received: one of layers "
        f"{paths[:12]}. Name the layer: Features(layer=...)."
    )


def _of_image_gpt(
    model: ImageGPT, x: tf.Tensor, how: Features, training: bool
) -> tf.Tensor:
    blocks = len(model.decoder.blocks)
    layer = how.layer or f"decoder/block_{(blocks - 1) // 2}"
    return _outputs(model, layer, lambda: _called(model, x, training))


def _of_pixel_cnn(
    model: PixelCNN, x: tf.Tensor, how: Features, training: bool
) -> tf.Tensor:
    layer = how.layer or "network/head"
    return _outputs(model, layer, lambda: _called(model, x, training))


def _called(model: Any, x: tf.Tensor, training: bool) -> tf.Tensor:
    inputs = x if model.num_classes is None else [x, _no_labels(x)]
    return model(inputs, training=training)


def _no_labels(x: tf.Tensor) -> tf.Tensor:
    return tf.zeros(tf.shape(x)[:1], tf.int32)


def _outputs(model: Any, layer: str, run: Callable[[], Any]) -> tf.Tensor:
    with tapped(find_layer(model, layer)) as tap:
        run()
    if tap.outputs is None or not hasattr(tap.outputs, "shape"):
        raise ValueError(
            "A layer that answers with one tensor when examples are seen was expected. "
            f"Received: layer={layer!r}. Name another."
        )
    return tap.outputs


_RUNNERS: dict[type, _Run] = {
    GPT: _of_gpt,
    VAE: _of_vae,
    VQVAE: _of_vq_vae,
    GAN: _of_gan,
    DiffusionModel: _of_diffusion,
    ImageGPT: _of_image_gpt,
    PixelCNN: _of_pixel_cnn,
}
