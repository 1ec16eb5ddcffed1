"""What a task head is given: the examples of its base, also as a server gets them."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfgenai.core.conditions import Condition, join_errors
from tfgenai.core.signatures import Signature, row_signature

_MARGIN = 1e-3  # by which rounding may take pixels out of [-1, 1]
Rows = dict[str, tf.Tensor]


def input_spec(base: Any) -> tf.TensorSpec:
    """What a model is trained on: a batch of its images or of its tokens.

    Raises:
        ValueError: if it is none of the models that have features.
    """
    shape = getattr(base, "image_shape", None) or getattr(base, "data_shape", None)
    if shape is not None:
        return tf.TensorSpec((None, *shape), tf.float32)
    if hasattr(base, "max_sequence_length"):
        return tf.TensorSpec((None, None), tf.int32)
    raise ValueError(
        "A pre-trained model of tfgenai was expected. Received: "
        f"base={type(base).__name__}. Put a layer of your own on it with "
        "keras.Sequential."
    )


def example_signature(
    base: Any, function: Callable[[tf.Tensor], Rows], description: str
) -> Signature:
    """An endpoint that takes examples: `texts`, `tokens` or `images`.

    Args:
        base: the model whose examples they are.
        function: from what the model is trained on, `(batch, ...)`, to named outputs.
        description: what it answers.
    """
    spec = input_spec(base)
    if spec.dtype == tf.float32:
        return _image_signature(spec, function, description)
    width = base.max_sequence_length
    if base.tokenizer is not None:
        return _text_signature(base.tokenizer, width, function, description)
    tokens = Condition(
        "tokens",
        "int32",
        shape=(width,),
        minimum=0,
        maximum=base.vocabulary_size - 1,
        description="token ids from the left on; those behind num_tokens do not count",
    )
    count = Condition(
        "num_tokens", "int32", minimum=1, maximum=width, description="how many count"
    )
    return row_signature(
        lambda rows: function(_without_rest(rows["tokens"], rows["num_tokens"])),
        [tokens, count],
        description,
    )


def _image_signature(
    spec: tf.TensorSpec, function: Callable[[tf.Tensor], Rows], description: str
) -> Signature:
    images = Condition(
        "images",
        "float32",
        shape=tuple(spec.shape[1:]),
        minimum=-1.0 - _MARGIN,
        maximum=1.0 + _MARGIN,
        description="examples, scaled to [-1, 1]",
    )
    return row_signature(lambda rows: function(rows["images"]), [images], description)


def _text_signature(
    tokenizer: Any,
    width: int,
    function: Callable[[tf.Tensor], Rows],
    description: str,
) -> Signature:
    known = "".join(
        piece.decode("utf-8", "ignore") for piece in tokenizer.token_bytes()
    )
    texts = Condition(
        "texts",
        "string",
        description=f"texts; of longer ones the first {width} tokens count",
        examples=tuple(t for t in (known[:8], known[1:5]) if t.strip()),
        counterexample="",
    )

    def encode(rows: Rows) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        tokens, count, error = tokenizer.encode_rows(rows["texts"], width, name="texts")
        empty = tf.where(
            count == 0,
            "texts: at least one token was expected. Received: an empty text.",
            "",
        )
        tokens = tf.ensure_shape(tokens, (None, width))
        return tokens, tf.clip_by_value(count, 1, width), join_errors([error, empty])

    def answer(rows: Rows) -> Rows:
        tokens, count, _ = encode(rows)
        return function(_without_rest(tokens, count))

    return row_signature(
        answer, [texts], description, check=lambda rows: encode(rows)[2]
    )


def _without_rest(tokens: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.sequence_mask(count, tokens.shape[1]), tokens, -1)
