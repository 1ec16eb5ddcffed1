"""Serving signatures: functions of named tensors with one row per request."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from tfgenai.core.conditions import Condition, join_errors

SEED = Condition(
    "seed",
    "int64",
    minimum=0,
    description="seed of the row; the same seed gives the same sample",
)


_PNG_CHANNELS = (1, 3, 4)


@dataclasses.dataclass(frozen=True)
class Signature:
    """One endpoint of an export.

    Args:
        function: takes the inputs as keyword arguments, each with the batch first,
            and returns a dict of tensors, each with the batch first, among them
            `error`: string `(batch,)`, empty where the row is fine.
        inputs: specs by name, with an unknown batch as first axis.
        description: what it answers, for the model card.
        conditions: range, default and meaning of inputs where they are not those of
            the model's conditions of that name.
    """

    function: Callable[..., dict[str, tf.Tensor]]
    inputs: Mapping[str, tf.TensorSpec]
    description: str = ""
    conditions: tuple[Condition, ...] = ()


def row_signature(
    function: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]],
    conditions: Sequence[Condition],
    description: str,
    *,
    left_out: Sequence[Condition] = (),
    check: Callable[[dict[str, tf.Tensor]], tf.Tensor] | None = None,
) -> Signature:
    """A signature whose bad rows get their own error and neutral values.

    Args:
        function: takes checked values by name and returns outputs by name.
        conditions: the inputs.
        description: what it answers, for the model card.
        left_out: knobs that are no inputs and take their default.
        check: takes the checked values and returns further errors, string `(batch,)`.
    """

    def answer(**values: tf.Tensor) -> dict[str, tf.Tensor]:
        size = tf.shape(next(iter(values.values())))[0]
        values |= {knob.name: _default_of(knob, size) for knob in left_out}
        rows, error = check_rows((*conditions, *left_out), values)
        if check is not None:
            error = join_errors([error, check(rows)])
        outputs = {
            name: neutral_where_bad(value, error)
            for name, value in function(rows).items()
        }
        return {**outputs, "error": error}

    return Signature(
        answer,
        {condition.name: condition.spec for condition in conditions},
        description,
        tuple(conditions),
    )


def generation_signatures(
    sample: Callable[..., tf.Tensor],
    conditions: Sequence[Condition],
    *,
    output_name: str,
    image_shape: Sequence[int] | None,
) -> dict[str, Signature]:
    """`generate`, `generate_advanced`, and `generate_png` for images that PNG can hold.

    Args:
        sample: `sample(seeds, **conditions)`, a pure function of rows.
        conditions: what it takes.
        output_name: name of the samples.
        image_shape: (height, width, channels), or None where samples are no images.

    Returns:
        Signatures by name, the main one first.
    """
    required = [SEED, *(c for c in conditions if not c.is_knob)]
    knobs = [c for c in conditions if c.is_knob]

    def generate(rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {output_name: sample(rows.pop(SEED.name), **rows)}

    def generate_png(rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"image_bytes": encode_png(generate(rows)[output_name])}

    signatures = {
        "generate": row_signature(
            generate, required, "Samples from seeds.", left_out=knobs
        ),
        "generate_advanced": row_signature(
            generate, [*required, *knobs], "Samples from seeds, with every knob."
        ),
    }
    if image_shape is not None and image_shape[-1] in _PNG_CHANNELS:
        signatures["generate_png"] = row_signature(
            generate_png, required, "Samples from seeds as PNG files.", left_out=knobs
        )
    return signatures


def check_rows(
    conditions: tuple[Condition, ...], values: Mapping[str, tf.Tensor]
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Checks all inputs of a request row by row, inside a graph.

    Args:
        conditions: what each input must be; knobs take their sentinel as default.
        values: tensors by name, each `(batch, ...)`.

    Returns:
        The values, neutral where a row is bad, and string `(batch,)` errors.
    """
    checked, errors = {}, []
    for condition in conditions:
        value, error = condition.check_rows(values[condition.name])
        checked[condition.name] = value
        errors.append(error)
    return checked, join_errors(errors)


def neutral_where_bad(values: tf.Tensor, error: tf.Tensor) -> tf.Tensor:
    """Zeros (or empty strings) in the rows that have an error.

    Args:
        values: tensor `(batch, ...)`.
        error: string `(batch,)`, empty where the row is fine.

    Returns:
        Tensor like `values`.
    """
    good = tf.reshape(error == "", (-1,) + (1,) * (values.shape.rank - 1))
    return tf.where(good, values, tf.zeros((), values.dtype))


def encode_png(images: tf.Tensor) -> tf.Tensor:
    """PNG files of images in [-1, 1].

    Args:
        images: float32 `(batch, height, width, channels)`, 1, 3 or 4 channels.

    Returns:
        string `(batch,)`.
    """
    pixels = tf.cast(
        tf.round((tf.clip_by_value(images, -1.0, 1.0) + 1.0) * 127.5), tf.uint8
    )
    return tf.io.encode_png(pixels)


def _default_of(knob: Condition, size: tf.Tensor) -> tf.Tensor:
    return tf.broadcast_to(
        tf.constant(knob.default, knob.dtype), tf.stack([size, *knob.shape])
    )
