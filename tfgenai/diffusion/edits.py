"""Edits of given data as pure functions of rows, safe inside a graph and an export."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfgenai.diffusion.guidance import Guidance
from tfgenai.diffusion.levels import add_noise, expand
from tfgenai.diffusion.samplers.sampler import Sampler, initial_noise, level_at
from tfgenai.diffusion.sampling import NUM_STEPS


def image_to_image(
    model: Any,
    sampler: Sampler,
    guidance: Guidance,
    seeds: tf.Tensor,
    rows: Mapping[str, tf.Tensor],
    x: tf.Tensor,
    strength: tf.Tensor,
) -> tf.Tensor:
    """Noise is added to data up to a level in between, and taken out again.

    Meng et al. 2022, "SDEdit: Guided Image Synthesis and Editing with Stochastic
    Differential Equations", arXiv:2108.01073, algorithm 1.

    Args:
        model: the diffusion model.
        sampler: the sampler.
        guidance: the guidance.
        seeds: int64 `(batch,)`.
        rows: conditions and knobs by name, `num_steps` among them.
        x: float32 `(batch, ...)`, data as a caller gives them.
        strength: float32 `(batch,)` in [0, 1], share of the steps that are run.

    Returns:
        float32 `(batch, ...)`; `x` itself where no step is run.
    """
    num_steps = rows[NUM_STEPS]
    taken = tf.round(strength * tf.cast(num_steps, tf.float32))
    start = num_steps - tf.cast(taken, tf.int32)
    noisy = add_noise(
        model.encode_data(x, rows),
        initial_noise(seeds, model.data_shape),
        level_at(sampler, model.schedule, start, num_steps),
    )
    result = model.sample_with(sampler, guidance, seeds, rows, x=noisy, start=start)
    return tf.where(expand(taken == 0.0, x), x, result)


def inpaint(
    model: Any,
    sampler: Sampler,
    guidance: Guidance,
    seeds: tf.Tensor,
    rows: Mapping[str, tf.Tensor],
    x: tf.Tensor,
    mask: tf.Tensor,
) -> tf.Tensor:
    """Makes a part of the data anew; the known part is put into every data estimate.

    With a deterministic sampler it then goes its true way, alpha x + sigma noise: the
    replacement of Song et al. 2021, arXiv:2011.13456, appendix I.2, on the estimate.

    Args:
        model: the diffusion model, of the data themselves and not of a code.
        sampler: the sampler.
        guidance: the guidance.
        seeds: int64 `(batch,)`.
        rows: conditions and knobs by name, `num_steps` among them.
        x: float32 `(batch, *data_shape)`; what is masked is ignored.
        mask: float32 in [0, 1], of a shape that broadcasts against `x`: 1 is made anew,
            0 is kept, between the two are blended.

    Returns:
        float32 `(batch, *data_shape)`, equal to `x` where the mask is 0.
    """
    num_steps = rows[NUM_STEPS]
    # At 0 and 1 both products are exact.
    known = (1.0 - mask) * x
    first = level_at(sampler, model.schedule, tf.zeros_like(num_steps), num_steps)
    noise = model.initial_x(sampler, seeds, num_steps)
    result = model.sample_with(
        sampler,
        guidance,
        seeds,
        rows,
        x=expand(first.alpha, x) * known + noise,
        project=lambda x0: mask * x0 + known,
    )
    # A sampler whose last step is not its data estimate leaves rounding behind.
    return tf.where(mask == 0.0, x, result)
