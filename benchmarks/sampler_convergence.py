"""Measures the order of every deterministic sampler on Gaussian data; draws a figure.

For data N(mean, std²) the best estimate and the probability flow are known, so that the
distance of a run to its exact end is the sampler's own error:

    python benchmarks/sampler_convergence.py        writes docs/convergence.png
"""

from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from tfgenai.diffusion import (
    DDIM,
    DPMPP2M,
    Cosine,
    Euler,
    FlowEuler,
    FlowHeun,
    Heun,
    Karras,
    RectifiedFlow,
    Sampler,
    UniPC,
)
from tfgenai.diffusion.levels import Level, expand
from tfgenai.diffusion.samplers.sampler import level_at, run_sampler
from tfgenai.diffusion.schedules import NoiseSchedule

FIGURE = Path(__file__).parent.parent / "docs" / "convergence.png"
STEPS = np.array([8, 16, 32, 64, 128])
FITTED = STEPS >= 16  # fewer are not yet in the regime where an order shows
MEAN, STD = np.float32([0.3, -0.6]), np.float32([0.5, 1.2])
Z = np.float32([[-1.5, 0.7], [0.4, -1.1], [1.3, 1.8]])
PANELS = {
    "cosine": (Cosine(), (DDIM, Euler, Heun, DPMPP2M, UniPC)),
    "Karras": (Karras(), (DDIM, Euler, Heun, DPMPP2M, UniPC)),
    "rectified flow": (
        RectifiedFlow(),
        (DDIM, Euler, FlowEuler, Heun, FlowHeun, DPMPP2M, UniPC),
    ),
}
MARKERS = "osv^Dx+"


def best_estimate(x: tf.Tensor, level: Level, previous: tf.Tensor) -> tf.Tensor:
    """E[x_0 | x_t]."""
    alpha, sigma = expand(level.alpha, x), expand(level.sigma, x)
    gain = alpha * STD**2 / (alpha**2 * STD**2 + sigma**2)
    return MEAN + gain * (x - alpha * MEAN)


def errors(sampler: Sampler, schedule: NoiseSchedule) -> np.ndarray:
    """Root mean squared distance to mean + std z, the exact end, by steps."""
    n = tf.constant(np.repeat(STEPS, len(Z)), tf.int32)
    z = tf.constant(np.tile(Z, (len(STEPS), 1)))
    first = level_at(sampler, schedule, tf.zeros_like(n), n)
    alpha, sigma = expand(first.alpha, z), expand(first.sigma, z)
    x = alpha * MEAN + tf.sqrt(alpha**2 * STD**2 + sigma**2) * z
    seeds = tf.zeros_like(n, tf.int64)
    x0 = tf.function(run_sampler, autograph=False)(
        sampler, schedule, best_estimate, x, seeds, n
    )
    distance = x0.numpy().reshape(len(STEPS), *Z.shape) - (MEAN + STD * Z)
    return np.sqrt(np.mean(distance**2, axis=(1, 2)))


def main() -> None:
    figure, axes = plt.subplots(1, len(PANELS), figsize=(13, 4.2), sharey=True)
    for axis, (title, (schedule, kinds)) in zip(axes, PANELS.items(), strict=True):
        for kind, marker in zip(kinds, MARKERS, strict=False):
            found = errors(kind(spacing="karras"), schedule)
            x, y = np.log(STEPS[FITTED]), np.log(found[FITTED])
            order = -np.polyfit(x, y, 1)[0]
            print(f"{title:15} {kind.__name__:10} order {order:.2f}  {found}")
            label = f"{kind.__name__}, order {order:.2f}"
            # Methods that are the same lie on each other.
            axis.loglog(
                STEPS, found, marker=marker, fillstyle="none", alpha=0.8, label=label
            )
        axis.set_title(title)
        axis.set_xlabel("steps")
        axis.set_xticks(STEPS, [str(n) for n in STEPS])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    axes[0].set_ylabel("distance to the exact end of the flow")
    figure.suptitle(
        "Deterministic samplers on Gaussian data, levels of Karras et al. 2022, eq. 5"
    )
    figure.tight_layout()
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=110)
    print(f"wrote {FIGURE.name}")


if __name__ == "__main__":
    main()
