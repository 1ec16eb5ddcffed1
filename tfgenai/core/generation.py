"""`generate` and its serving signatures: samples from one seed a row."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition, check_conditions
from tfgenai.core.ema import WeightAverage
from tfgenai.core.signatures import Signature, generation_signatures

DEFAULT_BATCH_SIZE = 256


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
        require_positive("n", n)
        if batch_size is not None:
            require_positive("batch_size", batch_size)
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
    ) -> Any:
        """Calls a function of named rows on a batch at a time, with averaged weights.

        Args:
            function: takes tensors `(batch, ...)` by name.
            rows: arrays `(n, ...)` by name.
            batch_size: rows at a time; None for `min(n, 256)`.

        Returns:
            The answers as one array `(n, ...)`, or a structure of them like the
            function's.
        """
        n = len(next(iter(rows.values())))
        size = batch_size or min(n, DEFAULT_BATCH_SIZE)
        if hasattr(function, "get_concrete_function"):
            # For any batch size, as an export is traced: with a known one TensorFlow
            # rewrites more of the graph, and the last bits of the answers differ.
            function = function.get_concrete_function(
                **{
                    name: tf.TensorSpec((None, *v.shape[1:]), tf.as_dtype(v.dtype))
                    for name, v in rows.items()
                }
            )
        with self.ema.applied():
            chunks = [
                tf.nest.map_structure(
                    lambda tensor: tensor.numpy(),
                    function(
                        **{k: tf.constant(v[i : i + size]) for k, v in rows.items()}
                    ),
                )
                for i in range(0, n, size)
            ]
        return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *chunks)

    def serving_signatures(self, **options: Any) -> dict[str, Signature]:
        """The endpoints of an export, by name; a family adds its own.

        Args:
            **options: what `serving_options` takes.

        Returns:
            `generate` with what a caller must say, `generate_advanced` with every knob,
            and for images of 1, 3 or 4 channels `generate_png`.
        """
        self.serving_options(**options)
        return generation_signatures(
            self.sample,
            self.conditions(),
            output_name=self.output_name,
            image_shape=getattr(self, "image_shape", None),
        )

    def serving_options(self, **options: Any) -> dict[str, Any]:
        """What the signatures of an export depend on besides the model; here nothing.

        Returns:
            All options, defaults filled in, of types that Keras serializes.

        Raises:
            TypeError: if an option is unknown.
            ValueError: if one does not fit.
        """
        if options:
            name, value = next(iter(options.items()))
            raise TypeError(
                f"No options of an export were expected, because {type(self).__name__} "
                f"has none. Received: {name}={value!r}. Leave it out."
            )
        return {}

    @property
    def output_name(self) -> str:
        """Name of the samples in a signature's answer."""
        return "images" if hasattr(self, "image_shape") else "samples"


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


def require_positive(name: str, value: Any) -> None:
    """Refuses what is no positive whole number.

    Raises:
        ValueError: if it is none; it is named.
    """
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_integer or value < 1:
        raise ValueError(
            f"A positive whole number was expected. Received: {name}={value!r}."
        )
