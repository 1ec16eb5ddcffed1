"""Edits of data: variants of them, parts of them anew, and samples in between."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core.conditions import Condition
from tfgenai.core.generation import require_positive
from tfgenai.diffusion import checks, edits
from tfgenai.diffusion.guidance import Guidance
from tfgenai.diffusion.samplers.sampler import Sampler, initial_noise
from tfgenai.diffusion.sampling import Sampling
from tfgenai.diffusion.trajectory import Watching

_STRENGTH = Condition("strength", "float32", minimum=0.0, maximum=1.0)


class Editing(Watching):
    """The part of `DiffusionModel` that edits: from arrays to arrays.

    Every method checks its arguments first and works in batches with the averaged
    weights, any sampler, guidance and condition, unless it says otherwise.
    """

    def image_to_image(
        self,
        x: Any,
        *,
        strength: Any = 0.6,
        sampler: str | Sampler | None = None,
        guidance: Guidance | None = None,
        seed: Any = None,
        batch_size: int | None = None,
        **conditions: Any,
    ) -> np.ndarray:
        """Variants of data: noise is added, and taken out again.

        Meng et al. 2022, "SDEdit: Guided Image Synthesis and Editing with Stochastic
        Differential Equations", arXiv:2108.01073, algorithm 1.

        Args:
            x: float `(n, ...)`, data in [-1, 1] for pixels.
            strength: share of the sampler's steps that are run, in [0, 1], one or one
                per row: 0 returns the data, 1 begins with (nearly) pure noise.
            sampler: as in `generate`.
            guidance: as in `generate`.
            seed: as in `generate`; decides the noise that is added, too.
            batch_size: rows per call of the network; default `min(n, 256)`.
            **conditions: as in `generate`.

        Returns:
            float32 `(n, ...)`.

        Raises:
            ValueError: if a number is out of range or an argument does not fit.
            TypeError: if data are not floats or a condition is unknown.

        Example:
            >>> from tfgenai.diffusion import DiffusionModel
            >>> model = DiffusionModel(data_shape=(2,))
            >>> x = np.ones((3, 2), "float32")
            >>> model.image_to_image(x, strength=[0.0, 0.5, 1.0], num_steps=4).shape
            (3, 2)
        """
        x = checks.check_data(x, self.sample_shape)
        share = _STRENGTH.to_array(strength, len(x))
        chosen, guidance = self.resolve(sampler, guidance)

        def run(
            seeds: tf.Tensor, x: tf.Tensor, strength: tf.Tensor, **rows: tf.Tensor
        ) -> tf.Tensor:
            return edits.image_to_image(
                self, chosen, guidance, seeds, rows, x, strength
            )

        return self.run_edit(
            "image_to_image",
            run,
            {"x": x, "strength": share},
            seed,
            chosen,
            guidance,
            batch_size,
            conditions,
        )

    def inpaint(
        self,
        x: Any,
        mask: Any,
        *,
        sampler: str | Sampler | None = None,
        guidance: Guidance | None = None,
        seed: Any = None,
        batch_size: int | None = None,
        **conditions: Any,
    ) -> np.ndarray:
        """Makes a part of the data anew, to fit the rest.

        The known part is put into every estimate of the data; see `edits.inpaint`. It
        is an approximation: what is made anew follows the known part a bit less than
        the data do; Lugmayr et al. 2022, "RePaint", arXiv:2201.09865, section 4.2.

        Args:
            x: float `(n, ...)`, data in [-1, 1] for pixels; what is masked is ignored.
            mask: bool, or numbers in [0, 1], of the shape of `x` or of one example; the
                last axis may be 1. 1 is made anew, 0 is kept exactly, and between the
                two are blended.
            sampler: as in `generate`.
            guidance: as in `generate`.
            seed: as in `generate`.
            batch_size: rows per call of the network; default `min(n, 256)`.
            **conditions: as in `generate`.

        Returns:
            float32 `(n, ...)`, equal to `x` where the mask is 0.

        Raises:
            ValueError: if a number is out of range, an argument does not fit, or the
                model works on a code of the data, which has no places to mask.
            TypeError: if data are not floats or a condition is unknown.

        Example:
            >>> from tfgenai.diffusion import DiffusionModel
            >>> model = DiffusionModel(data_shape=(2,))
            >>> x = np.ones((3, 2), "float32")
            >>> new = model.inpaint(x, np.array([True, False]), num_steps=4)
            >>> (new[:, 1] == 1.0).tolist()
            [True, True, True]
        """
        if type(self).encode_data is not Sampling.encode_data:
            raise ValueError(
                "A model of the data themselves was expected for inpainting. Received: "
                f"a {type(self).__name__} of codes of shape {self.data_shape}. Use "
                "image_to_image."
            )
        x = checks.check_data(x, self.sample_shape)
        mask = checks.check_mask(mask, x)
        chosen, guidance = self.resolve(sampler, guidance)

        def run(
            seeds: tf.Tensor, x: tf.Tensor, mask: tf.Tensor, **rows: tf.Tensor
        ) -> tf.Tensor:
            return edits.inpaint(self, chosen, guidance, seeds, rows, x, mask)

        return self.run_edit(
            "inpaint",
            run,
            {"x": x, "mask": mask},
            seed,
            chosen,
            guidance,
            batch_size,
            conditions,
        )

    def interpolate(
        self,
        seed0: int,
        seed1: int,
        *,
        num_frames: int = 8,
        sampler: str | Sampler | None = None,
        guidance: Guidance | None = None,
        batch_size: int | None = None,
        **conditions: Any,
    ) -> np.ndarray:
        """Samples between two samples, along the arc between their first noises.

        Song et al. 2021, arXiv:2010.02502, section 5.3 and appendix D.5.

        Args:
            seed0: seed of the first sample, `generate(1, seed=seed0)`.
            seed1: seed of the last.
            num_frames: samples, both ends included.
            sampler: as in `generate`, but deterministic.
            guidance: as in `generate`.
            batch_size: rows per call of the network; default `min(num_frames, 256)`.
            **conditions: as in `generate`, one value or one per frame.

        Returns:
            float32 `(num_frames, ...)`.

        Raises:
            ValueError: if a number is out of range or the sampler draws noise.
            TypeError: if a condition is unknown.
        """
        require_positive("num_frames", num_frames)
        if num_frames < 2:
            raise ValueError(
                "Two frames or more, both ends included, were expected. Received: "
                f"num_frames={num_frames}."
            )
        chosen, guidance = self.resolve(sampler, guidance)
        seeds = [self.check_row_seeds(seed, 1)[0] for seed in (seed0, seed1)]
        ends = initial_noise(tf.constant(seeds, tf.int64), self.data_shape).numpy()
        noise = _arc(ends[0], ends[1], num_frames)
        return self.run_from(noise, chosen, guidance, None, batch_size, conditions)


def _arc(a: np.ndarray, b: np.ndarray, num: int) -> np.ndarray:
    """Spherical interpolation, `(num, ...)`; both ends exact."""
    x, y = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    cosine = x @ y / (np.linalg.norm(x) * np.linalg.norm(y))
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    share = np.linspace(0.0, 1.0, num)
    if np.sin(angle) < 1e-6:  # the same direction: there is no arc
        first, second = 1.0 - share, share
    else:
        first = np.sin((1.0 - share) * angle) / np.sin(angle)
        second = np.sin(share * angle) / np.sin(angle)
    points = first[:, None] * x + second[:, None] * y
    return points.reshape(num, *a.shape).astype(np.float32)
