"""DecoderHead: an image, a mask or the tokens' classes, from a model's features."""

import inspect
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core.errors import ConfigError, DataError
from tfgenai.core.likelihoods import LIKELIHOODS, Likelihood
from tfgenai.core.model import GenerativeModel
from tfgenai.core.signatures import Signature
from tfgenai.finetune.heads.class_counts import ClassCounts
from tfgenai.finetune.heads.class_target import ClassTarget
from tfgenai.finetune.heads.decoder_arguments import (
    check_arguments,
    check_target_shape,
)
from tfgenai.finetune.heads.feature_decoders import image_decoder, token_decoder
from tfgenai.finetune.heads.features import Features
from tfgenai.finetune.heads.head import TaskHead
from tfgenai.finetune.heads.image_target import ImageTarget
from tfgenai.finetune.heads.inputs import example_signature, input_spec
from tfgenai.gpt import GPT
from tfgenai.vae.checks import check_network


@keras.saving.register_keras_serializable("tfgenai")
class DecoderHead(TaskHead):
    """A new decoder on the features of a pre-trained model.

    Trained by `fit` on pairs (x, y), x as the base takes it. `loss` is -log p(y | x) in
    nats per example: summed over pixels or tokens, averaged over the batch.

    - `target="image"`: y is float `(batch, height, width, channels)` in [-1, 1], of any
      size and channels. Also logged: `squared_error`, a mean over values, and `psnr`,
      in dB, a mean over images, at most 106.
    - `target="mask"`: y is int `(batch, height, width)`, a class for each pixel. Also
      logged: `accuracy` over pixels and `mean_iou`, both over the whole epoch.
    - `target="tokens"`: y is int `(batch, tokens)`, a class for each token of a GPT.
      Also logged: `accuracy` over tokens. A GPT's token has seen those before it alone.

    Classes of -1 do not count, neither do tokens of -1 in x.

    Args:
        base: a pre-trained model; it is frozen.
        target: `"image"`, `"mask"` or `"tokens"`.
        target_shape: (height, width, channels) of images, (height, width) of masks;
            None for those of the base's images.
        num_classes: number of classes of masks and tokens.
        class_names: their names, for answers; None for none.
        class_weights: how much a place of each class counts in the loss; None for all
            alike.
        likelihood: of images: `"gaussian"`, `"bernoulli"`, `"discretized_logistic"`,
            `"categorical"` or a `Likelihood`; None for `"gaussian"`. Masks and tokens
            are categorical over their classes.
        decoder: Keras model or layer of your own, from the features of an example to
            the parameters of each place; None for convolutions, or for dense layers on
            tokens.
        features: which of the base's vectors are used; None for those of every place,
            or of a GPT under an image their mean.
        hidden_dim: channels of the convolutions, or units of the tokens' hidden layer;
            None for a linear decoder.
        dropout: share of the features set to zero in training, in [0, 1).
        seed: seed of the initial weights and of dropout.
        name: name of the model.

    Raises:
        ConfigError: if arguments do not go together, or a number is out of range.
        ValueError: if the base has no features, or `decoder` has other outputs.

    Example:
        >>> import tfgenai as tg
        >>> base = tg.VAE((8, 8, 1), 4)
        >>> head = DecoderHead(base, "mask", num_classes=3, target_shape=(16, 16))
        >>> head(tf.zeros((2, 8, 8, 1))).shape
        TensorShape([2, 16, 16, 3])
        >>> head.predict_targets(np.zeros((2, 8, 8, 1), np.float32)).shape
        (2, 16, 16)
    """

    def __init__(
        self,
        base: GenerativeModel,
        target: str = "image",
        *,
        target_shape: Sequence[int] | None = None,
        num_classes: int | None = None,
        class_names: Sequence[str] | None = None,
        class_weights: Sequence[float] | None = None,
        likelihood: str | Likelihood | None = None,
        decoder: keras.layers.Layer | None = None,
        features: Features | None = None,
        hidden_dim: int | None = 64,
        dropout: float = 0.0,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        check_arguments(target, num_classes, class_names, class_weights, likelihood)
        super().__init__(
            base,
            features=features,
            hidden_dim=hidden_dim,
            dropout=dropout,
            seed=seed,
            name=name,
        )
        if features is None and not (isinstance(self.base, GPT) and target != "tokens"):
            self.features = Features(pool="none")
        is_text = isinstance(self.base, GPT) and self.features.pool == "none"
        if (target == "tokens") != is_text:
            raise ConfigError(
                "Tokens of a GPT by Features(pool='none'), images and masks by any "
                f"other features were expected. Received: target={target!r}, "
                f"base={type(self.base).__name__}, features={self.features}."
            )
        self.target = target
        self.target_shape = check_target_shape(target, target_shape, self.base)
        self.num_classes = num_classes
        self.class_names = None if class_names is None else list(class_names)
        self.class_weights = None if class_weights is None else list(class_weights)
        self.likelihood = None
        self.class_counts = None
        self._kind: ImageTarget | ClassTarget
        if target == "image":
            self.likelihood = LIKELIHOODS.create(likelihood or "gaussian")
            self._kind = ImageTarget(self.target_shape or (), self.likelihood)
        else:
            self._kind = ClassTarget(
                self.target_shape, num_classes or 0, class_names, class_weights
            )
            self.class_counts = ClassCounts(num_classes or 0, with_iou=target == "mask")
        self.loss_names = self._kind.loss_names
        self._make_decoder(decoder)
        self.finish_init()

    def _make_decoder(self, decoder: keras.layers.Layer | None) -> None:
        shape, number = self.start_layers(), self._kind.num_parameters
        size: Any = (None,) if self.target_shape is None else self.target_shape[:2]
        self._is_given = decoder is not None
        if decoder is None and self.target == "tokens":
            decoder = token_decoder(
                int(shape[-1] or 0), number, hidden_dim=self.hidden_dim, seed=self.seed
            )
        elif decoder is None:
            spec = input_spec(self.base).shape[1:]
            decoder = image_decoder(
                [int(side or 0) for side in shape],
                size,
                number,
                base_size=(spec[0], spec[1]) if spec.rank == 3 else None,
                hidden_dim=self.hidden_dim,
                seed=self.seed,
            )
        hint = f"It is given features of shape {shape}."
        inputs: Any = (shape, None)
        check_network(decoder, "decoder", inputs, (*size, number), hint)
        self.decoder = decoder

    def read_out(self, hidden: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The parameters of each place, float32 `(batch, ..., num_parameters)`."""
        hidden = self.feature_dropout(hidden, training=training)
        return tf.cast(self.decoder(hidden, training=training), tf.float32)

    def compute_losses(
        self,
        x: Any,
        y: tf.Tensor | None,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """`loss` in nats per example, and figures; see the class and the base class."""
        if y is None:
            raise DataError(
                "Batches of (x, y) were expected. Received: y=None. Give the targets."
            )
        y = tf.convert_to_tensor(y)
        self._kind.check_kind(y.shape, np.dtype(y.dtype.as_numpy_dtype).kind)
        if sample_weight is not None and len(sample_weight.shape) != 1:
            raise DataError(
                "A weight for each example was expected. Received: sample_weight of "
                f"shape {sample_weight.shape}. Write -1 into y for what does not count."
            )
        outputs = self(x, training=training)
        return self._kind.losses(y, outputs, x, sample_weight)

    def check_targets(self, y: Any, x: Any = None) -> None:
        """Refuses an array of targets of which one makes no sense."""
        y = np.asarray(y)
        self._kind.check_kind(y.shape, y.dtype.kind)
        if not len(y):
            raise DataError(
                f"One example or more was expected. Received: y of shape {y.shape}."
            )
        self._kind.check_values(y, x)

    def check_data(self, data: Any, name: str) -> None:
        """Refuses arrays to validate on that make no sense; see the base class."""
        if isinstance(data, tuple) and len(data) > 1:
            self.check_targets(data[1], data[0])

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """See the base class.

        Raises:
            DataError: if the targets are an array of which some make no sense.
        """
        bound = inspect.signature(keras.Model.evaluate).bind(self, *args, **kwargs)
        if bound.arguments.get("y") is not None:
            self.check_targets(bound.arguments["y"], bound.arguments.get("x"))
        return super().evaluate(*args, **kwargs)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The trackers, and the counts of classes where there are some."""
        counts = [] if self.class_counts is None else [self.class_counts]
        return [*super().metrics, *counts]

    def _update_trackers(self, losses: Any, x: Any) -> dict[str, Any]:
        if self.class_counts is not None:
            self.class_counts.update_state(losses["counts"])
        return super()._update_trackers(losses, x)

    def predict_targets(self, x: Any, *, batch_size: int = 256) -> np.ndarray:
        """Expected images, or the likeliest class of each place.

        Args:
            x: array `(n, ...)` of what the base is trained on.
            batch_size: examples at a time.

        Returns:
            float32 `(n, height, width, channels)` in [-1, 1]; or int32 `(n, height,
            width)` or `(n, tokens)`, -1 where `x` has no token.

        Raises:
            DataError: if there are no examples.
        """
        name = "images" if self.target == "image" else "labels"
        return self._on_rows("targets", lambda x: self._answers(x)[name], x, batch_size)

    def answer(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """`images`; or `labels`, `probabilities`, and `class_names` if there are."""
        return self._kind.answer(outputs)

    def _answers(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        answers = self.answer(self(x))
        if self.target == "tokens":
            answers["labels"] = tf.where(x >= 0, answers["labels"], -1)
            if "class_names" in answers:
                answers["class_names"] = tf.where(x >= 0, answers["class_names"], "")
            answers["tokens"] = x
        return answers

    def serving_signatures(self, **options: Any) -> dict[str, Signature]:
        """One endpoint, `predict`; of texts with `tokens`, -1 behind the end."""
        self.serving_options(**options)
        return {
            "predict": example_signature(self.base, self._answers, "The new decoder's.")
        }

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "target": self.target,
            "target_shape": self.target_shape and list(self.target_shape),
            "num_classes": self.num_classes,
            "class_names": self.class_names,
            "class_weights": self.class_weights,
            "likelihood": self.likelihood and serialize(self.likelihood),
            "decoder": serialize(self.decoder) if self._is_given else None,
        }
