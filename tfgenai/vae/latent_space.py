"""The uses of a latent space: encode, decode, reconstruct, interpolate, traverse."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition
from tfgenai.core.ema import WeightAverage
from tfgenai.core.image_checks import check_images
from tfgenai.core.likelihoods import Likelihood
from tfgenai.vae.checks import check_image, check_labels, check_latents
from tfgenai.vae.importance import SAMPLES_PER_CHUNK

# A likelihood estimate decodes about this many values at once: what stays in cache.
_VALUES_PER_CALL = 1_000_000


class LatentSpace:
    """Mixin of models with an encoder and a decoder: from arrays to arrays.

    Every method checks its arguments first, works in batches with the averaged weights
    and returns NumPy arrays. A model provides the attributes below and, as pure
    functions of tensors, `encode_mean`, `decode_mean`, `reconstruct_mean` and
    `log_marginal`.
    """

    image_shape: tuple[int, ...]
    latent_dim: int
    likelihood: Likelihood
    ema: WeightAverage
    label_condition: Condition | None

    def encode(
        self, x: Any, labels: Any = None, *, batch_size: int = 256
    ) -> np.ndarray:
        """Posterior means of images.

        Args:
            x: float `(n, height, width, channels)` in [-1, 1].
            labels: one label for all or `n` of them, where the model is conditional.
            batch_size: images per call of the network.

        Returns:
            float32 `(n, latent_dim)`.

        Raises:
            TypeError: if an argument is of the wrong kind.
            ValueError: if a shape, range or label does not fit.
        """
        x = check_images(x, self.image_shape)
        labels = check_labels(labels, len(x), self.label_condition)
        return self._in_batches("encode_mean", (x, labels), batch_size)

    def decode(
        self, z: Any, labels: Any = None, *, batch_size: int = 256
    ) -> np.ndarray:
        """Expected images of latents.

        Args:
            z: float `(n, latent_dim)`.
            labels: one label for all or `n` of them, where the model is conditional.
            batch_size: latents per call of the network.

        Returns:
            float32 `(n, height, width, channels)` in [-1, 1].

        Raises:
            TypeError: if an argument is of the wrong kind.
            ValueError: if a shape or label does not fit.
        """
        z = check_latents(z, self.latent_dim)
        labels = check_labels(labels, len(z), self.label_condition)
        return self._in_batches("decode_mean", (z, labels), batch_size)

    def reconstruct(
        self, x: Any, labels: Any = None, *, batch_size: int = 256
    ) -> np.ndarray:
        """Expected images of the posterior means: `decode(encode(x))`.

        Args:
            x: float `(n, height, width, channels)` in [-1, 1].
            labels: one label for all or `n` of them, where the model is conditional.
            batch_size: images per call of the networks.

        Returns:
            float32 `(n, height, width, channels)` in [-1, 1].

        Raises:
            TypeError: if an argument is of the wrong kind.
            ValueError: if a shape, range or label does not fit.
        """
        x = check_images(x, self.image_shape)
        labels = check_labels(labels, len(x), self.label_condition)
        return self._in_batches("reconstruct_mean", (x, labels), batch_size)

    def interpolate(
        self, x0: Any, x1: Any, num_steps: int = 8, *, labels: Any = None
    ) -> np.ndarray:
        """Images on the straight line between the posterior means of two images.

        Args:
            x0: float `(height, width, channels)` in [-1, 1], where the line begins.
            x1: where it ends.
            num_steps: images, both ends (reconstructed) included.
            labels: one label for all or one per step, where the model is conditional;
                the two images are encoded with the first and the last.

        Returns:
            float32 `(num_steps, height, width, channels)` in [-1, 1].

        Raises:
            TypeError: if an argument is of the wrong kind.
            ValueError: if a shape, range or label does not fit, or there are fewer than
                two steps.
        """
        x0 = check_image(x0, self.image_shape, name="x0")
        x1 = check_image(x1, self.image_shape, name="x1")
        if isinstance(num_steps, bool) or not isinstance(num_steps, int | np.integer):
            raise TypeError(
                f"A whole number of steps was expected. Received: "
                f"num_steps={num_steps!r}."
            )
        if num_steps < 2:
            raise ValueError(
                "Two steps or more, both ends included, were expected. Received: "
                f"num_steps={num_steps}."
            )
        labels = check_labels(labels, num_steps, self.label_condition)
        ends = None if labels is None else labels[[0, -1]]
        z0, z1 = self.encode(np.concatenate([x0, x1]), ends)
        share = np.linspace(0.0, 1.0, num_steps, dtype=np.float32)[:, np.newaxis]
        return self.decode((1.0 - share) * z0 + share * z1, labels)

    def traverse(
        self, x: Any, dimension: int, values: Sequence[float], *, labels: Any = None
    ) -> np.ndarray:
        """Images along one latent dimension; the others stay as the image has them.

        Args:
            x: float `(height, width, channels)` in [-1, 1], the image to start from.
            dimension: number of the latent dimension, from 0.
            values: what it is set to; under the prior, most of it lies in [-3, 3].
            labels: one label, where the model is conditional.

        Returns:
            float32 `(len(values), height, width, channels)` in [-1, 1].

        Raises:
            TypeError: if an argument is of the wrong kind.
            ValueError: if a shape, range or label does not fit, or there is no such
                dimension.
        """
        x = check_image(x, self.image_shape)
        if not 0 <= dimension < self.latent_dim:
            raise ValueError(
                f"A dimension from 0 to {self.latent_dim - 1} was expected. Received: "
                f"dimension={dimension}."
            )
        column = np.asarray(values, np.float32)
        if column.ndim != 1 or not len(column):
            raise ValueError(
                "A list of values was expected. Received: "
                f"values of shape {column.shape}. Try np.linspace(-3, 3, 7)."
            )
        z = np.repeat(self.encode(x, labels), len(column), axis=0)
        z[:, dimension] = column
        return self.decode(z, labels)

    def log_likelihood(
        self,
        x: Any,
        labels: Any = None,
        *,
        num_samples: int = 5000,
        seed: int = 0,
        batch_size: int | None = None,
        jit_compile: bool = True,
    ) -> np.ndarray:
        """Importance-weighted estimates of log p(x), or log p(x | label).

        Burda et al. 2016, "Importance Weighted Autoencoders", arXiv:1509.00519,
        equation 8: in expectation a lower bound that tightens with `num_samples`; one
        sample gives the ELBO. Memory does not grow with `num_samples`, and the estimate
        of an image depends on its place, `seed` and `num_samples` only.

        Args:
            x: float `(n, height, width, channels)` in [-1, 1], in the likelihood's
                support: binary images for `"bernoulli"`, grey levels for
                `"discretized_logistic"`.
            labels: one label for all or `n` of them, where the model is conditional.
            num_samples: importance samples per image.
            seed: int in [0, 2**63).
            batch_size: images at a time; by default what keeps memory small.
            jit_compile: whether XLA compiles the loop.

        Returns:
            float32 `(n,)`, nats per example; see `core.likelihoods.bits_per_dim`.

        Raises:
            TypeError: if an argument is of the wrong kind.
            ValueError: if a shape, range or label does not fit, or if an image lies
                outside of the likelihood's support.
        """
        x = check_images(x, self.image_shape)
        labels = check_labels(labels, len(x), self.label_condition)
        if num_samples < 1:
            raise ValueError(
                "One importance sample or more was expected. Received: "
                f"num_samples={num_samples}. Published figures use 5000."
            )
        outside = np.flatnonzero(~self.likelihood.supports(x).numpy())
        if len(outside):
            raise ValueError(
                f"Images in the likelihood's support, {self.likelihood.support}, were "
                f"expected: for others there is no likelihood. Received: x with other "
                f"values in {len(outside)} of {len(x)} images, the first x"
                f"[{outside[0]}]. Prepare the data for it (for binary pixels, "
                "binarize= of tfgenai.data.load), or train a model with another "
                "likelihood."
            )
        if batch_size is None:
            values = math.prod(self.image_shape) * SAMPLES_PER_CHUNK
            batch_size = min(len(x), max(1, _VALUES_PER_CALL // values))
        return self._in_batches(
            "log_marginal",
            (x, labels, random.row_seeds(seed, len(x))),
            batch_size,
            constants=(tf.constant(num_samples),),
            jit_compile=jit_compile,
        )

    def _in_batches(
        self,
        name: str,
        arrays: Sequence[np.ndarray | None],
        batch_size: int,
        *,
        constants: Sequence[tf.Tensor] = (),
        jit_compile: bool = False,
    ) -> np.ndarray:
        if batch_size < 1:
            raise ValueError(
                "A positive batch size was expected. Received: "
                f"batch_size={batch_size}."
            )
        # In __dict__, so that Keras does not take it for a part of the model.
        cache = self.__dict__.setdefault("_latent_space_functions", {})
        if (name, jit_compile) not in cache:
            cache[name, jit_compile] = tf.function(
                getattr(self, name), jit_compile=jit_compile, reduce_retracing=True
            )
        function = cache[name, jit_compile]
        n = next(len(array) for array in arrays if array is not None)
        size = min(batch_size, n)
        chunks = []
        with self.ema.applied():
            for start in range(0, n, size):
                # The last batch is filled up, so that nothing is compiled anew for it.
                rows = np.arange(start, start + size) % n
                batch = [None if a is None else tf.constant(a[rows]) for a in arrays]
                chunks.append(function(*batch, *constants).numpy())
        return np.concatenate(chunks)[:n]
