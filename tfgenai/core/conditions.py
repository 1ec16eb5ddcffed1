"""What a caller may say of each sample: checked in Python, and per row in a graph."""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Condition:
    """One value per row that `generate` takes.

    Args:
        name: lower snake case; the argument's and the signature input's name.
        dtype: `"int32"`, `"int64"`, `"float32"` or `"string"`.
        shape: shape of one row's value.
        minimum: smallest allowed value, or None.
        maximum: largest allowed value, or None.
        default: value used when the caller says nothing; None means required. On the
            wire -1 (integers), NaN (floats) or an empty string stands for it.
        description: what it does, with its unit; goes into the model card.
        examples: values of single rows, for text, of which nobody knows what fits.
        counterexample: a text that is refused, or None.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = dataclasses.field(default=(), kw_only=True)
    minimum: float | None = dataclasses.field(default=None, kw_only=True)
    maximum: float | None = dataclasses.field(default=None, kw_only=True)
    default: Any = dataclasses.field(default=None, kw_only=True)
    description: str = dataclasses.field(default="", kw_only=True)
    examples: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)
    counterexample: str | None = dataclasses.field(default=None, kw_only=True)

    @property
    def is_knob(self) -> bool:
        """Whether it has a default, so that `generate` may go without it."""
        return self.default is not None

    @property
    def spec(self) -> tf.TensorSpec:
        """The signature input: unknown batch first."""
        return tf.TensorSpec((None, *self.shape), self.dtype, name=self.name)

    @property
    def range_text(self) -> str:
        """The allowed range in words; empty when there is none."""
        if self.minimum is None and self.maximum is None:
            return ""
        low = "-inf" if self.minimum is None else f"{self.minimum:g}"
        high = "inf" if self.maximum is None else f"{self.maximum:g}"
        return f"[{low}, {high}]"

    def to_array(self, value: Any, n: int) -> np.ndarray:
        """Checks a caller's value and returns it with one entry per row.

        Args:
            value: one value for all rows, or `n` of them.
            n: number of rows.

        Returns:
            Array `(n, *shape)` of this condition's dtype.

        Raises:
            ValueError: if shape or range do not fit.
            TypeError: if the kind of value does not fit.
        """
        array = np.asarray(value)
        expected_kind = {"i": "iu", "f": "iuf", "s": "OSU"}[self.dtype[0]]
        if array.size and array.dtype.kind not in expected_kind:
            raise TypeError(
                f"Values of type {self.dtype} were expected. Received: "
                f"{self.name}={_short(value)}. Convert them first."
            )
        if array.shape == self.shape:
            array = np.broadcast_to(array, (n, *self.shape))
        if array.shape != (n, *self.shape):
            raise ValueError(
                f"One value for all or {n} of them, shape {(n, *self.shape)}, were "
                f"expected. Received: {self.name} of shape {array.shape}. Give as "
                "many values as rows."
            )
        if self.dtype == "string":
            return array.astype(object)
        bad = ~np.isfinite(array)
        if self.minimum is not None:
            bad |= array < self.minimum
        if self.maximum is not None:
            bad |= array > self.maximum
        if bad.any():
            raise ValueError(
                f"Values in {self.range_text or 'the finite numbers'} were expected. "
                f"Received: {self.name}={array[bad].ravel()[0]}. Change that value."
            )
        return array.astype(self.dtype)

    def check_rows(self, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Fills in defaults and finds bad rows, inside a graph.

        Args:
            values: tensor `(batch, *shape)`, with sentinels for the default.

        Returns:
            The values with defaults filled in and bad rows made neutral, and a
            string tensor `(batch,)` that is empty where a row is fine.
        """
        batch = tf.shape(values)[0]
        no_error = tf.fill((batch,), "")
        if self.dtype == "string":
            if self.is_knob:
                values = tf.where(values == "", tf.constant(self.default), values)
            return values, no_error
        if self.is_knob:
            unset = tf.math.is_nan(values) if self.dtype[0] == "f" else values == -1
            values = tf.where(unset, tf.cast(self.default, values.dtype), values)
        good = tf.ones_like(values, tf.bool)
        if self.dtype[0] == "f":
            good &= tf.math.is_finite(values)
        if self.minimum is not None:
            good &= values >= tf.cast(self.minimum, values.dtype)
        if self.maximum is not None:
            good &= values <= tf.cast(self.maximum, values.dtype)
        row_good = tf.reduce_all(tf.reshape(good, (batch, -1)), axis=1)
        text = f"{self.name}: a value in {self.range_text or 'the finite numbers'} "
        if not self.shape:
            received = tf.strings.join(
                [text, "was expected. Received: ", tf.strings.as_string(values)]
            )
        else:
            received = tf.fill((batch,), text + "was expected.")
        neutral = 0 if self.minimum is None else self.minimum
        if self.is_knob:
            neutral = self.default
        keep = tf.reshape(row_good, (-1,) + (1,) * len(self.shape))
        values = tf.where(keep, values, tf.cast(neutral, values.dtype))
        return values, tf.where(row_good, no_error, received)


def check_conditions(
    conditions: Sequence[Condition], given: Mapping[str, Any], n: int
) -> dict[str, np.ndarray]:
    """Checks what a caller gave to `generate` against what a model takes.

    Args:
        conditions: what the model takes.
        given: the caller's values by name.
        n: number of rows.

    Returns:
        One array `(n, ...)` for every condition, knobs filled with their default.

    Raises:
        TypeError: if a name is unknown or a value is of the wrong kind.
        ValueError: if a required one is missing or a value does not fit.
    """
    known = {c.name: c for c in conditions}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise TypeError(
                f"One of the conditions {sorted(known)} was expected. Received: "
                f"{name}={_short(given[name])}.{hint}"
            )
    arrays = {}
    for name, condition in known.items():
        value = given.get(name)
        if value is None:
            if not condition.is_knob:
                raise ValueError(
                    f"This model needs a value for {name!r} "
                    f"({condition.description or condition.dtype}). Received: "
                    f"{name}=None. Give one value, or one per row."
                )
            value = condition.default
        arrays[name] = condition.to_array(value, n)
    return arrays


def join_errors(errors: Sequence[tf.Tensor]) -> tf.Tensor:
    """The first non-empty text of each row; string `(batch,)`."""
    joined = errors[0]
    for more in errors[1:]:
        joined = tf.where(joined == "", more, joined)
    return joined


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
