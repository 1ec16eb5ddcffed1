"""GPTDistillation: a small language model learns from the probabilities of a larger."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.copies import frozen_copy
from tfgenai.core.model import GenerativeModel
from tfgenai.gpt import GPT
from tfgenai.gpt.objective import mean_per_token, next_token_losses


@keras.saving.register_keras_serializable("tfgenai")
class GPTDistillation(GenerativeModel):
    """Trains a student on the next token and on what its teacher expects of it.

    Hinton et al. 2015, "Distilling the Knowledge in a Neural Network",
    arXiv:1503.02531, section 2. With p and q the teacher's and the student's
    probabilities of the next token at temperature T:

        loss = (1 - alpha) cross-entropy + alpha T² KL(p || q)

    T² keeps the two in proportion when T changes. `fit` takes what the student's takes,
    with its masks and weights. The student is trained in place; keep, export and
    generate with `student`, which is a plain `GPT`. The teacher is copied, frozen and
    with its averaged weights; it is in files of this object, which hold all that a run
    needs to go on, and not in those of the student.

    Logged figures are means over the target tokens:

    - `loss`: see above;
    - `cross_entropy`: of the student, in nats per token, and `perplexity`, its
      exponential;
    - `divergence`: T² KL, in nats per token.

    Args:
        teacher: the trained model.
        student: the model to train, of any size, with the teacher's tokenizer. Its seed
            is that of dropout, its average follows.
        alpha: weight of the teacher in [0, 1]; with 0 the student trains as by itself.
        temperature: what logits are divided by, above 0.
        reverse_kl: whether KL(q || p) takes the place of KL(p || q): a student that
            cannot have all of the teacher's likely tokens then keeps to some of them,
            as Gu et al. 2023, "MiniLLM", arXiv:2306.08543, section 2.1, want it.
        name: name of the object.

    Raises:
        TypeError: if teacher or student is no `GPT`.
        ValueError: if their tokens differ, or a number is out of range.

    Example:
        >>> sizes = {"num_layers": 1, "num_heads": 2, "max_sequence_length": 8}
        >>> teacher = GPT(9, hidden_dim=16, **sizes)
        >>> distillation = GPTDistillation(teacher, GPT(9, hidden_dim=8, **sizes))
        >>> distillation.compile("adam", jit_compile=False)
        >>> history = distillation.fit(tf.zeros((4, 6), tf.int32), verbose=0)
        >>> sorted(history.history)
        ['cross_entropy', 'divergence', 'loss', 'perplexity']
    """

    loss_names = ("loss", "cross_entropy", "divergence")

    def __init__(
        self,
        teacher: GPT,
        student: GPT,
        *,
        alpha: float = 0.5,
        temperature: float = 2.0,
        reverse_kl: bool = False,
        name: str | None = None,
    ) -> None:
        _check_pair(teacher, student)
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"alpha in [0, 1] was expected. Received: {alpha=}.")
        if not 0.0 < temperature < float("inf"):
            raise ValueError(
                f"A temperature above 0 was expected. Received: {temperature=}."
            )
        super().__init__(seed=student.seed, name=name, dtype=student.dtype_policy)
        self.teacher = frozen_copy(teacher)
        self.student = student
        self.alpha = alpha
        self.temperature = temperature
        self.reverse_kl = reverse_kl
        self.finish_init()
        self.ema = student.ema

    # ---- training ------------------------------------------------------------

    # Each target token counts alike, as in the student's own training.
    train_step = GPT.train_step
    test_step = GPT.test_step
    batch_weight = GPT.batch_weight

    def check_data(self, data: Any, name: str) -> None:
        """Refuses what the student refuses."""
        self.student.check_data(data, name)

    def compute_losses(
        self,
        x: tf.Tensor,
        y: tf.Tensor | None,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """The losses of a batch; see the class and `GPT.compute_losses`."""
        x = tf.cast(x, tf.int32)
        weights = self.batch_target_weights(x, y, sample_weight)
        logits = self.student(x[:, :-1], training=training)
        expected = tf.stop_gradient(self.teacher(x[:, :-1], training=False))
        divergences = soft_divergences(
            expected, logits, self.temperature, reverse=self.reverse_kl
        )
        cross_entropy = mean_per_token(next_token_losses(logits, x[:, 1:]), weights)
        divergence = mean_per_token(divergences, weights)
        return {
            "loss": (1.0 - self.alpha) * cross_entropy + self.alpha * divergence,
            "cross_entropy": cross_entropy,
            "divergence": divergence,
        }

    def batch_target_weights(
        self, x: tf.Tensor, y: tf.Tensor | None, sample_weight: tf.Tensor | None
    ) -> tf.Tensor:
        """The student's."""
        return self.student.batch_target_weights(x, y, sample_weight)

    def step_seed(self) -> tf.Tensor:
        """The student's."""
        return self.student.step_seed()

    def finish_step(self, losses: Mapping[str, tf.Tensor], x: Any) -> dict[str, Any]:
        """As the base class, on the student's average; counts its step, too."""
        logs = super().finish_step(losses, x)
        self.student.step.assign_add(1)
        return logs

    def get_metrics_result(self) -> dict[str, Any]:
        """The logs, with the perplexity."""
        logs = super().get_metrics_result()
        return {**logs, "perplexity": tf.exp(logs["cross_entropy"])}

    def undecayed_variables(self) -> list[keras.Variable]:
        """The student's."""
        return self.student.undecayed_variables()

    def default_optimizers(self) -> dict[str, Any]:
        """The student's."""
        return self.student.default_optimizers()

    def averaged_weights(self) -> list[keras.Variable]:
        """None: the student keeps its own average."""
        return []

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "teacher": serialize(self.teacher),
            "student": serialize(self.student),
            "alpha": self.alpha,
            "temperature": self.temperature,
            "reverse_kl": self.reverse_kl,
        }


def soft_divergences(
    teacher_logits: tf.Tensor,
    student_logits: tf.Tensor,
    temperature: float,
    *,
    reverse: bool = False,
) -> tf.Tensor:
    """T² KL(teacher || student) of each token at temperature T, in nats.

    Args:
        teacher_logits: float32 `(batch, tokens, vocabulary_size)`.
        student_logits: float32 of that shape.
        temperature: T.
        reverse: whether it is KL(student || teacher).

    Returns:
        float32 `(batch, tokens)`.

    Example:
        >>> teacher, student = tf.constant([[[0.0, 0.0]]]), tf.constant([[[0.0, 2.0]]])
        >>> round(float(soft_divergences(teacher, student, 2.0)[0, 0]), 4)
        0.4805
    """
    log_p = tf.nn.log_softmax(teacher_logits / temperature)
    log_q = tf.nn.log_softmax(student_logits / temperature)
    if reverse:
        log_p, log_q = log_q, log_p
    kl = tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=-1)
    return temperature**2 * kl


def _check_pair(teacher: Any, student: Any) -> None:
    for name, model in (("teacher", teacher), ("student", student)):
        if not isinstance(model, GPT):
            raise TypeError(
                f"A GPT was expected. Received: {name} of type {type(model).__name__}."
            )
    for name in ("tokenizer", "vocabulary_size", "end_token"):
        theirs, own = getattr(teacher, name), getattr(student, name)
        if theirs != own:
            raise ValueError(
                f"The teacher's {name} was expected of the student: both see the same "
                f"tokens. Received: student with {_words(own)}, teacher with "
                f"{_words(theirs)}. Make the student with it."
            )


def _words(value: Any) -> str:
    """A tokenizer's name and size, for its text would fill a page."""
    size = getattr(value, "vocabulary_size", None)
    return repr(value) if size is None else f"{type(value).__name__} of {size} tokens"
