"""PreferenceTuner: trains a language model on which answers were liked better."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core.errors import DataError
from tfgenai.core.model import GenerativeModel
from tfgenai.core.registry import unknown_name
from tfgenai.core.storage import PathLike
from tfgenai.finetune.epoch_rows import EpochRows
from tfgenai.finetune.preferences.answers import (
    Answers,
    answer_log_probs,
    reference_log_probs,
    to_answers,
)
from tfgenai.finetune.preferences.losses import dpo_loss, ipo_loss, kto_loss
from tfgenai.finetune.preferences.records import Preference
from tfgenai.gpt import GPT

METHODS = ("dpo", "ipo", "kto")


@keras.saving.register_keras_serializable("tfgenai")
class PreferenceTuner(GenerativeModel):
    """A language model that learns from preferences, by `compile` and `fit`.

    The model is trained in place; what is frozen, as under an adapter, stays. How
    likely the reference finds the answers is computed once, before training, by `data`,
    so that no second model is kept. Logged figures are means over pairs (for KTO over
    answers):

    - `loss`: of `preferences.losses`;
    - `margin`: β times how much more the better answer gained than the other, in nats;
    - `accuracy`: share of pairs whose margin is positive;
    - `chosen_reward`, `rejected_reward`: β log p / p_reference of the answers.

    Args:
        model: a `GPT` with a tokenizer.
        method: `"dpo"`, `"ipo"` or `"kto"`.
        beta: how dear it is to leave the reference; positive.
        label_smoothing: share of pairs that may be the wrong way round, in [0, 0.5);
            DPO only.
        sft_weight: weight of the cross-entropy of the better answers in nats per token,
            which keeps them likely; 0 for none.
        seed: seed of dropout.
        name: name of the model.

    Raises:
        ValueError: if a number is out of range or the method unknown.

    Example:
        ```python
        tuner = PreferenceTuner(lm, beta=0.1)
        tuner.compile(keras.optimizers.AdamW(1e-5))
        tuner.fit(tuner.data(read_preferences("feedback.jsonl"), batch_size=16))
        ```
    """

    loss_names = ("loss", "accuracy", "margin", "chosen_reward", "rejected_reward")

    def __init__(
        self,
        model: GPT,
        *,
        method: str = "dpo",
        beta: float = 0.1,
        label_smoothing: float = 0.0,
        sft_weight: float = 0.0,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        if method not in METHODS:
            raise ValueError(unknown_name("method", method, list(METHODS)))
        for key, value, good in (
            ("beta", beta, beta > 0),
            ("label_smoothing", label_smoothing, 0 <= label_smoothing < 0.5),
            ("sft_weight", sft_weight, sft_weight >= 0),
        ):
            if not good:
                raise ValueError(
                    f"A number in range was expected. Received: {key}={value!r}."
                )
        super().__init__(seed=seed, name=name, dtype=model.dtype_policy)
        # What is tuned is what is used; from here on the model's average is the model.
        model.ema.settle(model.weights)
        self.model = model
        self.method = method
        self.beta = beta
        self.label_smoothing = label_smoothing
        self.sft_weight = sft_weight
        self.finish_init()

    # ---- data ----------------------------------------------------------------

    def data(
        self,
        preferences: Sequence[Preference],
        *,
        batch_size: int = 16,
        cache: PathLike | None = None,
    ) -> EpochRows:
        """What `fit` takes: tokens, and how likely the model finds the answers now.

        Args:
            preferences: from `read_preferences`; pairs, but for KTO.
            batch_size: pairs in a batch; for KTO answers.
            cache: folder in which the reference's figures are kept; None for none.

        Returns:
            Rows for `fit`; `rows.batches()` for `evaluate`.

        Raises:
            DataError: if one has no prompt, is no pair, or does not fit the model.
        """
        for number, each in enumerate(preferences, 1):
            if each.prompt is None or not (each.is_pair or self.method == "kto"):
                raise DataError(
                    "Prompts with two answers each were expected. Received: preference "
                    f"{number} with prompt={each.prompt!r}, chosen={each.chosen!r}, "
                    f"rejected={each.rejected!r}. Single answers need method='kto'."
                )
        rows = self._rows(preferences)
        both = [pair for row in rows for pair in (row.first, row.second)]
        places = [row.place for row in rows for _ in range(2)]
        answers = to_answers(self.model, both, places)
        reference = reference_log_probs(self.model, answers, cache=cache)
        x = {
            "tokens": answers.tokens.reshape(len(rows), 2, -1),
            "is_answer": answers.is_answer.reshape(len(rows), 2, -1),
            "reference": reference.reshape(len(rows), 2),
        }
        liked = np.array([row.is_liked for row in rows])
        weights = np.array([row.weight for row in rows], np.float32)
        return EpochRows((x, liked, weights), batch_size=batch_size, seed=self.seed)

    def _rows(self, preferences: Sequence[Preference]) -> list["_Row"]:
        if self.method != "kto":
            return [
                _Row(
                    (str(each.prompt), str(each.chosen)),
                    (str(each.prompt), str(each.rejected)),
                    True,
                    each.weight,
                    f"preference {number}",
                )
                for number, each in enumerate(preferences, 1)
            ]
        single = [
            (number, each, answer, is_liked)
            for number, each in enumerate(preferences, 1)
            for answer, is_liked in ((each.chosen, True), (each.rejected, False))
            if answer is not None
        ]
        # Ethayarajh et al. 2024, section 4.1, estimate the divergence from the
        # reference by answers to other requests.
        strangers = single[1:] + single[:1]
        return [
            _Row(
                (str(each.prompt), answer),
                (str(each.prompt), stranger),
                is_liked,
                each.weight,
                f"preference {number}",
            )
            for (number, each, answer, is_liked), (_, _, stranger, _) in zip(
                single, strangers, strict=True
            )
        ]

    # ---- training ------------------------------------------------------------

    def compute_losses(
        self,
        x: dict[str, tf.Tensor],
        y: tf.Tensor | None,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """See the class and the base class."""
        length = tf.shape(x["tokens"])[2]
        answers = Answers(
            *(tf.reshape(x[key], (-1, length)) for key in ("tokens", "is_answer"))
        )
        log_probs = answer_log_probs(self.model, *answers, training=training)
        ratios = tf.reshape(log_probs, (-1, 2)) - x["reference"]
        first, second = ratios[:, 0], ratios[:, 1]
        if self.method == "kto":
            kl = tf.maximum(tf.reduce_mean(second), 0.0)
            losses = kto_loss(first, y, kl, beta=self.beta)
            liked = tf.cast(y, tf.float32)
            margin = self.beta * (first - kl) * (2.0 * liked - 1.0)
        else:
            losses = (
                ipo_loss(first, second, beta=self.beta)
                if self.method == "ipo"
                else dpo_loss(
                    first,
                    second,
                    beta=self.beta,
                    label_smoothing=self.label_smoothing,
                )
            )
            liked = tf.ones_like(first)
            margin = self.beta * (first - second)
        if self.sft_weight:
            counts = tf.reduce_sum(tf.cast(x["is_answer"][:, 0], tf.float32), axis=-1)
            cross_entropy = -tf.reshape(log_probs, (-1, 2))[:, 0] / counts
            losses += self.sft_weight * liked * cross_entropy
        weights = tf.ones_like(first) if sample_weight is None else sample_weight
        rejected = second if self.method != "kto" else first
        disliked = 1.0 - liked if self.method == "kto" else liked
        return {
            "loss": _mean(losses, weights),
            "accuracy": _mean(tf.cast(margin > 0, tf.float32), weights),
            "margin": _mean(margin, weights),
            "chosen_reward": self.beta * _mean(first, weights * liked),
            "rejected_reward": self.beta * _mean(rejected, weights * disliked),
        }

    def finish_step(self, losses: Mapping[str, tf.Tensor], x: Any) -> dict[str, Any]:
        """Counts the step; the model's average, where there is one, goes along."""
        self.model.ema.follow(self.model.trainable_variables)
        return super().finish_step(losses, x)

    def averaged_weights(self) -> list[keras.Variable]:
        """None: the model keeps its own."""
        return []

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        return {
            "name": config["name"],
            "seed": config["seed"],
            "model": keras.saving.serialize_keras_object(self.model),
            "method": self.method,
            "beta": self.beta,
            "label_smoothing": self.label_smoothing,
            "sft_weight": self.sft_weight,
        }


class _Row(NamedTuple):
    """Two requests with answers: the better and the other, or for KTO a stranger's."""

    first: tuple[str, str]
    second: tuple[str, str]
    is_liked: bool
    weight: float
    place: str


def _mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return tf.math.divide_no_nan(
        tf.reduce_sum(values * weights), tf.reduce_sum(weights)
    )
