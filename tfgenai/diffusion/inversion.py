"""Inversion: from data back to the noise that a deterministic sampler makes them of."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core.generation import require_positive
from tfgenai.diffusion import checks
from tfgenai.diffusion.guidance import Guidance
from tfgenai.diffusion.samplers.ddim import DDIM
from tfgenai.diffusion.samplers.ddim_inverse import invert_ddim
from tfgenai.diffusion.samplers.sampler import Sampler, make_step
from tfgenai.diffusion.sampling import NUM_STEPS, Sampling, sampling_key
from tfgenai.diffusion.schedules import NoiseSchedule

_PROBED_STEPS = 3


class Inversion(Sampling):
    """The part of `DiffusionModel` that goes from data to noise and back."""

    def invert(
        self,
        x: Any,
        *,
        num_iterations: int = 4,
        sampler: str | Sampler | None = None,
        guidance: Guidance | None = None,
        batch_size: int | None = None,
        **conditions: Any,
    ) -> np.ndarray:
        """The noise from which DDIM makes the data given.

        Song et al. 2021, arXiv:2010.02502, section 5.4. The paper takes the data
        estimate of the less noisy level, which is exact for many small steps only. Here
        every step solves the equation of the sampler's own step by iteration, as in
        Pan et al. 2023, "Effective Real Image Editing with Accelerated Iterative
        Diffusion Inversion", arXiv:2309.04907, so that `generate_from` with the same
        arguments returns the data, as far as the model can make them. Guidance and
        thresholding make it less exact. With self-conditioning it is approximate: what
        the sampler will have estimated before a step is not known yet.

        Args:
            x: float `(n, ...)`, data in [-1, 1] for pixels.
            num_iterations: calls of the network per step; 1 is the paper's method.
            sampler: `"ddim"`, a `DDIM` without noise, or None for DDIM at the spacing
                of the model's own sampler.
            guidance: as in `generate`; a scale of 1 inverts best.
            batch_size: rows per call of the network; default `min(n, 256)`.
            **conditions: as in `generate`, `num_steps` among them.

        Returns:
            float32 `(n, ...)`, noise of unit size, for `generate_from`.

        Raises:
            ValueError: if a number is out of range or the sampler is another.
            TypeError: if data are not floats or a condition is unknown.

        Example:
            >>> from tfgenai.diffusion import DiffusionModel
            >>> model = DiffusionModel(data_shape=(2,))
            >>> noise = model.invert(np.ones((3, 2), "float32"), num_steps=10)
            >>> bool(abs(model.generate_from(noise, num_steps=10) - 1.0).max() < 0.02)
            True
        """
        x = checks.check_data(x, self.sample_shape)
        require_positive("num_iterations", num_iterations)
        chosen = self._ddim() if sampler is None else sampler
        chosen, guidance = self.resolve(chosen, guidance)
        if not isinstance(chosen, DDIM) or chosen.eta:
            raise ValueError(
                "DDIM without noise was expected. Received: "
                f"sampler={type(chosen).__name__}({chosen.get_config()}). Use "
                "sampler='ddim', also in generate_from."
            )

        def run(seeds: tf.Tensor, x: tf.Tensor, **rows: tf.Tensor) -> tf.Tensor:
            num_steps = rows[NUM_STEPS]
            noisy = invert_ddim(
                chosen,
                self.schedule,
                self.make_denoise(guidance, rows),
                self.encode_data(x, rows),
                num_steps,
                num_iterations,
            )
            # The inverse of `at_first_level`.
            return noisy / self.at_first_level(chosen, tf.ones_like(noisy), num_steps)

        return self.run_edit(
            ("invert", num_iterations),
            run,
            {"x": x},
            None,
            chosen,
            guidance,
            batch_size,
            conditions,
        )

    def generate_from(
        self,
        noise: Any,
        *,
        sampler: str | Sampler | None = None,
        guidance: Guidance | None = None,
        seed: Any = None,
        batch_size: int | None = None,
        **conditions: Any,
    ) -> np.ndarray:
        """Samples made of the noise given, by a deterministic sampler.

        Args:
            noise: float `(n, *data_shape)` of unit size, for example from `invert`.
            sampler: name or object; None for DDIM at the spacing of the model's own.
            guidance: as in `generate`.
            seed: as in `generate`; used by nothing but a guidance that draws noise.
            batch_size: rows per call of the network; default `min(n, 256)`.
            **conditions: as in `generate`, `num_steps` among them.

        Returns:
            float32 `(n, ...)`.

        Raises:
            ValueError: if a number is out of range or the sampler draws noise.
            TypeError: if the noise is not of floats or a condition is unknown.
        """
        noise = checks.check_data(noise, self.data_shape, name="noise")
        chosen, guidance = self.resolve(
            self._ddim() if sampler is None else sampler, guidance
        )
        return self.run_from(noise, chosen, guidance, seed, batch_size, conditions)

    def run_from(
        self,
        noise: np.ndarray,
        sampler: Sampler,
        guidance: Guidance,
        seed: Any,
        batch_size: int | None,
        conditions: Mapping[str, Any],
    ) -> np.ndarray:
        """Samples of noise `(n, *data_shape)`; refuses samplers that draw more."""
        if draws_noise(sampler, self.schedule):
            raise ValueError(
                "A sampler that draws no noise was expected: with others the noise to "
                f"begin with does not decide the sample. Received: sampler="
                f"{type(sampler).__name__}({sampler.get_config()}). Use "
                "sampler='ddim'."
            )

        def run(seeds: tf.Tensor, noise: tf.Tensor, **rows: tf.Tensor) -> tf.Tensor:
            x = self.at_first_level(sampler, noise, rows[NUM_STEPS])
            return self.sample_with(sampler, guidance, seeds, rows, x=x)

        return self.run_edit(
            "generate_from",
            run,
            {"noise": noise},
            seed,
            sampler,
            guidance,
            batch_size,
            conditions,
        )

    def run_edit(
        self,
        key: Any,
        function: Callable[..., tf.Tensor],
        arrays: Mapping[str, np.ndarray],
        seed: Any,
        sampler: Sampler,
        guidance: Guidance,
        batch_size: int | None,
        conditions: Mapping[str, Any],
        *,
        compiled: bool = True,
    ) -> np.ndarray:
        """Checks a call's conditions, then runs a function of rows in batches.

        Args:
            key: what tells the function apart from others with this sampler and
                guidance.
            function: takes `seeds`, the arrays and the conditions by name.
            arrays: arrays `(n, ...)` by name; none where `seed` has the `n` row seeds.
            seed: as in `generate`.
            sampler: the sampler.
            guidance: the guidance.
            batch_size: rows at a time, or None.
            conditions: the caller's.
            compiled: whether the function is one graph.
        """
        n = len(next(iter(arrays.values()), seed))
        if batch_size is not None:
            require_positive("batch_size", batch_size)
        rows = self.check_rows_of(n, sampler, guidance, conditions)
        if compiled:
            key = sampling_key(key, sampler, guidance)
            function = self.compiled_sampler(key, function, False)
        seeds = self.check_row_seeds(seed, n)
        return self.run_in_batches(
            function, {"seeds": seeds, **arrays, **rows}, batch_size
        )

    def _ddim(self) -> DDIM:
        own = self.sampler
        if isinstance(own, DDIM) and not own.eta:
            return own
        return DDIM(own.num_steps, spacing=own.spacing)


def draws_noise(sampler: Sampler, schedule: NoiseSchedule) -> bool:
    """Whether noise changes what a sampler returns; found by trying."""
    limit = schedule.num_timesteps or _PROBED_STEPS
    num_steps = tf.constant([min(_PROBED_STEPS, limit)])

    def run(noise: float) -> np.ndarray:
        x = tf.constant([[0.3, -0.7]])
        states = tuple(tf.zeros_like(x) for _ in range(sampler.num_states))
        start = tf.zeros_like(num_steps)
        for k in range(int(num_steps[0])):
            step = make_step(
                sampler,
                schedule,
                tf.constant([0], tf.int64),
                start + k,
                num_steps,
                start,
                (2,),
            )
            step = dataclasses.replace(step, noise=lambda _: tf.fill((1, 2), noise))
            x, _, states = sampler.step(lambda y, _: 0.5 * tf.tanh(y), x, states, step)
        return x.numpy()

    return not np.array_equal(run(-1.0), run(1.0))
