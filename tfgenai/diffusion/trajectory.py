"""Trajectory: how noise becomes a sample, frame by frame."""

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfgenai.core.generation import require_positive
from tfgenai.diffusion.guidance import Guidance
from tfgenai.diffusion.inversion import Inversion
from tfgenai.diffusion.samplers.sampler import Sampler, advance, level_at
from tfgenai.diffusion.sampling import NUM_STEPS, sampling_key


class Trajectory(NamedTuple):
    """What a sampler went through, one frame after the other.

    Args:
        estimates: float32 `(num_frames, n, ...)`, the data estimates of the steps.
        states: float32 `(num_frames, n, *data_shape)`, the noisy data after them; the
            last are the samples.
        times: float32 `(num_frames, n)`, the time of each state, from 1, noise, to 0.
    """

    estimates: np.ndarray
    states: np.ndarray
    times: np.ndarray


class Watching(Inversion):
    """The part of `DiffusionModel` that keeps the states of a sampler."""

    def trajectory(
        self,
        n: int = 1,
        *,
        num_frames: int = 10,
        sampler: str | Sampler | None = None,
        guidance: Guidance | None = None,
        seed: Any = None,
        batch_size: int | None = None,
        **conditions: Any,
    ) -> Trajectory:
        """The way from noise to the samples of `generate(n, seed=seed)`.

        Memory grows with `num_frames`: twice the samples for each.

        Args:
            n: number of samples.
            num_frames: states that are kept, evenly spaced over the steps, the last
                included.
            sampler: as in `generate`.
            guidance: as in `generate`.
            seed: as in `generate`.
            batch_size: rows per call of the network; default `min(n, 256)`.
            **conditions: as in `generate`; rows that take fewer steps stand still at
                the end.

        Returns:
            A `Trajectory`.

        Raises:
            ValueError: if a number is out of range, or there are more frames than
                steps.
            TypeError: if a condition is unknown.

        Example:
            >>> from tfgenai.diffusion import DiffusionModel
            >>> model = DiffusionModel(data_shape=(2,))
            >>> frames = model.trajectory(3, num_frames=4, num_steps=8)
            >>> frames.states.shape, frames.times[:, 0].tolist()
            ((4, 3, 2), [0.75, 0.5, 0.25, 0.0])
        """
        require_positive("n", n)
        require_positive("num_frames", num_frames)
        chosen, guidance = self.resolve(sampler, guidance)
        rows = self.check_rows_of(n, chosen, guidance, conditions)
        last = int(rows[NUM_STEPS].max())
        if num_frames > last:
            raise ValueError(
                f"At most one frame per step, {last}, was expected. Received: "
                f"num_frames={num_frames}. Take fewer, or raise num_steps."
            )
        # The end of each of num_frames equal parts, as numbers of steps.
        kept = np.round(np.arange(1, num_frames + 1) * last / num_frames).astype(int)
        key = sampling_key("trajectory", chosen, guidance)
        step = self.compiled_sampler(key, self._step_of(chosen, guidance), False)

        def run(seeds: tf.Tensor, **rows: tf.Tensor) -> tf.Tensor:
            x = self.initial_x(chosen, seeds, rows[NUM_STEPS])
            zeros = tf.zeros_like(x)
            carried: Any = (x, zeros, (zeros,) * chosen.num_states)
            frames = []
            for k in range(last):
                carried, frame = step(tf.constant(k), carried, seeds, rows)
                if k + 1 in kept:
                    frames.append(frame)
            return tf.stack(frames, axis=1)

        frames = self.run_edit(
            None,
            run,
            {},
            self.check_row_seeds(seed, n),
            chosen,
            guidance,
            batch_size,
            conditions,
            compiled=False,
        )
        frames = np.swapaxes(frames, 0, 1)
        end = math.prod(self.data_shape)
        return Trajectory(
            frames[..., end:-1].reshape(num_frames, n, *self.sample_shape),
            frames[..., :end].reshape(num_frames, n, *self.data_shape),
            frames[..., -1],
        )

    def _step_of(self, sampler: Sampler, guidance: Guidance) -> Any:
        """One step of a sampler, and its frame as one row of numbers."""

        def step(
            k: tf.Tensor, carried: Any, seeds: tf.Tensor, rows: dict[str, tf.Tensor]
        ) -> tuple[Any, tf.Tensor]:
            num_steps = rows[NUM_STEPS]
            carried = advance(
                sampler,
                self.schedule,
                self.make_denoise(guidance, rows),
                carried,
                seeds,
                k,
                num_steps,
                tf.zeros_like(num_steps),
            )
            x, x0, _ = carried
            level = level_at(sampler, self.schedule, k + 1 + 0 * num_steps, num_steps)
            parts = [x, self.decode_samples(x0, rows), level.time]
            flat = [tf.reshape(part, (tf.shape(x)[0], -1)) for part in parts]
            return carried, tf.concat(flat, axis=1)

        return step
