"""PreferenceTuner: trains a language model on which answers were liked better."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core.generation import require_positive
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
from tfgenai.finetune.preferences.rows import compared_rows
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
    - `chosen_reward`, `rejected_reward`: β log p / p_reference of the answers;
    - `kl`: for KTO its z, the divergence of the model from the reference in nats an
      answer, estimated on answers to other requests; else the mean of log p_reference
      / p over all answers, which for answers that the reference wrote estimates the
      divergence of the reference from the model.

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

    loss_names = (
        "loss",
        "accuracy",
        "margin",
        "chosen_reward",
        "rejected_reward",
        "kl",
    )

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
            ("beta", beta, 0 < beta < math.inf),
            ("label_smoothing", label_smoothing, 0 <= label_smoothing < 0.5),
            ("sft_weight", sft_weight, 0 <= sft_weight < math.inf),
        ):
            if not good:
                raise ValueError(
                    f"A number in range was expected. Received: {key}={value!r}."
                )
        if label_smoothing and method != "dpo":
            raise ValueError(
                "label_smoothing belongs to DPO. Received: label_smoothing="
                f"{label_smoothing!r} with method={method!r}. Leave it out."
            )
        model.require_tokenizer("Preference tuning")
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
        truncate: bool = False,
        cache: PathLike | None = None,
    ) -> EpochRows:
        """What `fit` takes: tokens, and how likely the model finds the answers now.

        Args:
            preferences: from `read_preferences`; pairs, but for KTO. Their weights
                count in relation to each other.
            batch_size: pairs in a batch; for KTO answers.
            truncate: whether a prompt that is too long with its answer loses its
                beginning; else it is refused.
            cache: folder in which the reference's figures are kept; None for none.

        Returns:
            Rows for `fit`; `rows.batches()` for `evaluate`.

        Raises:
            DataError: if one has no prompt, is no pair, or does not fit the model.
        """
        require_positive("batch_size", batch_size)
        rows = compared_rows(preferences, self.method)
        both = [pair for row in rows for pair in (row.first, row.second)]
        places = [row.place for row in rows for _ in range(2)]
        # A stranger's answer may be longer than the request has room for.
        cuts = [truncate, truncate or self.method == "kto"] * len(rows)
        answers = to_answers(self.model, both, places, truncate=cuts)
        reference = reference_log_probs(self.model, answers, cache=cache)
        x = {
            "tokens": answers.tokens.reshape(len(rows), 2, -1),
            "is_answer": answers.is_answer.reshape(len(rows), 2, -1),
            "reference": reference.reshape(len(rows), 2),
        }
        liked = np.array([row.is_liked for row in rows])
        weights = np.array([row.weight for row in rows])
        weights = (weights / weights.mean()).astype(np.float32)
        return EpochRows((x, liked, weights), batch_size=batch_size, seed=self.seed)

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
            chosen, rejected, disliked = first, first, 1.0 - liked
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
            liked = disliked = tf.ones_like(first)
            margin = self.beta * (first - second)
            chosen, rejected = first, second
            kl = -tf.reduce_mean(ratios)
        if self.sft_weight:
            counts = tf.reduce_sum(tf.cast(x["is_answer"][:, 0], tf.float32), axis=-1)
            cross_entropy = -tf.reshape(log_probs, (-1, 2))[:, 0] / counts
            losses += self.sft_weight * liked * cross_entropy
        weights = tf.ones_like(first) if sample_weight is None else sample_weight
        return {
            # Not divided by the batch's own weights, or a batch of one has none.
            "loss": tf.reduce_mean(losses * weights),
            "accuracy": _mean(tf.cast(margin > 0, tf.float32), weights),
            "margin": _mean(margin, weights),
            "chosen_reward": self.beta * _mean(chosen, weights * liked),
            "rejected_reward": self.beta * _mean(rejected, weights * disliked),
            "kl": kl,
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


def _mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return tf.math.divide_no_nan(
        tf.reduce_sum(values * weights), tf.reduce_sum(weights)
    )
