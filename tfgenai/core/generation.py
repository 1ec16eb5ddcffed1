"""`generate` and its serving signatures: samples from one seed a row."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition, check_conditions
from tfgenai.core.ema import WeightAverage
from tfgenai.core.signatures import (
    SEED,
    Signature,
    check_rows,
    encode_png,
    neutral_where_bad,
)

DEFAULT_BATCH_SIZE = 256

_PNG_CHANNELS = (1, 3, 4)


class Generation:
    """What a model with `sample` and `conditions` gains: `generate` and its endpoints.

    A mix-in of `GenerativeModel`; the averaged weights are applied around it.
    """

    seed: int
    ema: WeightAverage
    conditions: Callable[[], tuple[Condition, ...]]
    sample: Callable[..., tf.Tensor]

    def generate(
        self,
        n: int = 1,
        *,
        seed: int | Sequence[int] | np.ndarray | None = None,
        batch_size: int | None = None,
        jit_compile: bool = False,
        **conditions: Any,
    ) -> np.ndarray:
        """Draws samples with the averaged weights.

        The same seed gives the same sample: exactly at an equal `batch_size`, to 1e-4
        across batch sizes and under XLA, because kernels block differently.

        Args:
            n: number of samples.
            seed: an int, expanded to one seed a row by `random.row_seeds`; or the `n`
                row seeds themselves; None means the model's seed.
            batch_size: rows per call of the network; default `min(n, 256)`.
            jit_compile: whether XLA compiles the sampler.
            **conditions: the model's conditions, such as `labels`; one value for all
                rows, or one per row.

        Returns:
            float32 `(n, ...)`.

        Raises:
            ValueError: if a number is out of range or a required condition is missing.
            TypeError: if a condition is unknown or of the wrong kind.
        """
        _require_positive("n", n)
        if batch_size is not None:
            _require_positive("batch_size", batch_size)
        values = check_conditions(self.conditions(), conditions, n)
        seeds = self.check_row_seeds(seed, n)
        sampler = self.compiled_sampler("sample", self.sample, jit_compile)
        return self.run_in_batches(sampler, {"seeds": seeds, **values}, batch_size)

    def check_row_seeds(self, seed: Any, n: int) -> np.ndarray:
        """One seed a row: those given, or those of one seed, or of the model's.

        Returns:
            int64 `(n,)`.

        Raises:
            ValueError: if they are neither one seed nor `n` of them.
        """
        return _check_row_seeds(self.seed if seed is None else seed, n)

    def compiled_sampler(
        self, key: Hashable, function: Callable[..., tf.Tensor], jit_compile: bool
    ) -> Any:
        """The graph of a pure function of rows; one for each key."""
        # Kept outside of Keras's attribute tracking, which would try to save it.
        cache = self.__dict__.setdefault("_sampler_cache", {})
        if (key, jit_compile) not in cache:
            cache[key, jit_compile] = tf.function(
                function,
                jit_compile=jit_compile,
                reduce_retracing=True,
                autograph=False,
            )
        return cache[key, jit_compile]

    def run_in_batches(
        self,
        function: Callable[..., tf.Tensor],
        rows: Mapping[str, np.ndarray],
        batch_size: int | None,
    ) -> np.ndarray:
        """Calls a function of named rows on a batch at a time, with averaged weights.

        Args:
            function: takes tensors `(batch, ...)` by name.
            rows: arrays `(n, ...)` by name.
            batch_size: rows at a time; None for `min(n, 256)`.

        Returns:
            The answers as one array `(n, ...)`.
        """
        n = len(next(iter(rows.values())))
        size = batch_size or min(n, DEFAULT_BATCH_SIZE)
        with self.ema.applied():
            chunks = [
                function(
                    **{k: tf.constant(v[i : i + size]) for k, v in rows.items()}
                ).numpy()
                for i in range(0, n, size)
            ]
        return np.concatenate(chunks)

    def serving_signatures(self) -> dict[str, Signature]:
        """The endpoints of an export, by name; a family adds its own.

        Returns:
            `generate` with what a caller must say, `generate_advanced` with every knob,
            and for images of 1, 3 or 4 channels `generate_png`.
        """
        required = tuple(c for c in self.conditions() if not c.is_knob)
        knobs = tuple(c for c in self.conditions() if c.is_knob)

        def answer(seed: tf.Tensor, **values: tf.Tensor) -> dict[str, tf.Tensor]:
            rows, error = check_rows(
                (SEED, *required, *knobs), {"seed": seed, **values}
            )
            samples = self.sample(rows.pop("seed"), **rows)
            return {
                self.output_name: neutral_where_bad(samples, error),
                "error": error,
            }

        def generate(seed: tf.Tensor, **values: tf.Tensor) -> dict[str, tf.Tensor]:
            return answer(seed, **values, **_defaults(knobs, seed))

        def generate_png(seed: tf.Tensor, **values: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = generate(seed, **values)
            files = encode_png(outputs[self.output_name])
            return {
                "image_bytes": neutral_where_bad(files, outputs["error"]),
                "error": outputs["error"],
            }

        plain = {c.name: c.spec for c in (SEED, *required)}
        every = plain | {c.name: c.spec for c in knobs}
        signatures = {
            "generate": Signature(generate, plain, "Samples from seeds."),
            "generate_advanced": Signature(
                answer, every, "Samples from seeds, with every knob."
            ),
        }
        shape = getattr(self, "image_shape", None)
        if shape is not None and shape[-1] in _PNG_CHANNELS:
            signatures["generate_png"] = Signature(
                generate_png, plain, "Samples from seeds as PNG files."
            )
        return signatures

    @property
    def output_name(self) -> str:
        """Name of the samples in a signature's answer."""
        return "images" if hasattr(self, "image_shape") else "samples"


def _defaults(knobs: Sequence[Condition], seed: tf.Tensor) -> dict[str, tf.Tensor]:
    batch = tf.shape(seed)
    return {
        knob.name: tf.broadcast_to(
            tf.constant(knob.default, knob.dtype), tf.concat([batch, knob.shape], 0)
        )
        for knob in knobs
    }


def _check_row_seeds(seed: Any, n: int) -> np.ndarray:
    if isinstance(seed, (int, np.integer)):
        return random.row_seeds(int(seed), n)
    array = np.asarray(seed)
    if array.shape != (n,) or array.dtype.kind not in "iu" or (array < 0).any():
        raise ValueError(
            f"One seed, or {n} non-negative integer seeds, were expected. Received: "
            f"seed of shape {array.shape} and type {array.dtype}. Give one integer."
        )
    return array.astype(np.int64)


def _require_positive(name: str, value: Any) -> None:
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_integer or value < 1:
        raise ValueError(
            f"A positive whole number was expected. Received: {name}={value!r}."
        )
