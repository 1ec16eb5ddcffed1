"""What an autoregressive model does with given images: measure and complete them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.autoregressive.checks import check_known, check_support
from tfgenai.core.conditions import Condition, check_conditions
from tfgenai.core.generation import Generation, require_positive
from tfgenai.core.image_checks import check_images
from tfgenai.core.likelihoods import Likelihood

_DEFAULT_BATCH_SIZE = 64
_ANY_VALUE = -1.0  # a level of every likelihood


class ImageCompletion(Generation):
    """Mixin of models that draw pixel by pixel: exact likelihoods, and completion.

    Every method checks its arguments first, works in batches with the averaged weights
    and returns NumPy arrays.
    """

    image_shape: tuple[int, int, int]
    likelihood: Likelihood
    label_conditions: Callable[[], tuple[Condition, ...]]
    log_prob: Callable[..., tf.Tensor]
    complete_rows: Callable[..., tf.Tensor]

    def log_likelihood(
        self,
        x: Any,
        labels: Any = None,
        *,
        seed: int = 0,
        batch_size: int | None = None,
    ) -> np.ndarray:
        """Log p(x), or log p(x | label): exact, the sum over pixels.

        Args:
            x: float `(n, height, width, channels)` in the likelihood's support.
            labels: one label for all or `n` of them, where the model is conditional.
            seed: nothing is drawn; it is there because estimates of other models, which
                `tfgenai.evaluate.evaluate_nll` treats alike, depend on one.
            batch_size: images at a time; default `min(n, 64)`.

        Returns:
            float32 `(n,)`, nats per example; see `core.likelihoods.bits_per_dim`.

        Raises:
            TypeError: if an argument is of the wrong kind.
            ValueError: if a shape, range or label does not fit, or if an image lies
                outside of the likelihood's support.
        """
        x = check_images(x, self.image_shape)
        check_support(x, self.likelihood)
        rows = self._label_rows(labels, len(x))
        return self.run_in_batches(
            self.compiled_sampler("log_prob", self.log_prob, False),
            {"x": x, **rows},
            _size(batch_size, len(x)),
        )

    def complete(
        self,
        images: Any,
        *,
        mask: Any = None,
        num_rows: int | None = None,
        labels: Any = None,
        temperature: Any = 1.0,
        seed: Any = None,
        batch_size: int | None = None,
    ) -> np.ndarray:
        """Keeps the known pixels of images and draws the others.

        Pixels are drawn in raster order, each given all before it, known and drawn
        alike. So a completion of the lower part is exact; known pixels that come later
        than a drawn one are kept, but did not steer it: a hole that is filled may not
        fit what stands below it.

        Args:
            images: float `(n, height, width, channels)` in [-1, 1]; known pixels must
                be in the likelihood's support, the others are ignored.
            mask: bool `(height, width)` or `(n, height, width)`, True where a pixel is
                known; or `num_rows`.
            num_rows: number of rows from the top that are known.
            labels: one label for all or `n` of them, where the model is conditional.
            temperature: one for all or `n` of them; see `sample`.
            seed: see `generate`.
            batch_size: images at a time; default `min(n, 64)`.

        Returns:
            float32 `(n, height, width, channels)` in [-1, 1].

        Raises:
            TypeError: if an argument is of the wrong kind, or neither or both of
                `mask` and `num_rows` are given.
            ValueError: if a shape, range or label does not fit.

        Example:
            >>> import tfgenai
            >>> model = tfgenai.PixelCNN((8, 8, 1), num_filters=4, num_blocks=1)
            >>> images = np.ones((2, 8, 8, 1), np.float32)
            >>> bool((model.complete(images, num_rows=4)[:, :4] == 1).all())
            True
        """
        images = check_images(images, self.image_shape, name="images")
        n = len(images)
        known = check_known(mask, num_rows, n, self.image_shape)
        check_support(hide_unknown(images, known), self.likelihood, name="images")
        given = {"temperature": temperature}
        rows = check_conditions(
            [c for c in self.conditions() if c.name == "temperature"], given, n
        )
        return self.run_in_batches(
            self.compiled_sampler("complete", self.complete_rows, False),
            {
                "seeds": self.check_row_seeds(seed, n),
                "images": images,
                "is_known": known,
                **rows,
                **self._label_rows(labels, n),
            },
            _size(batch_size, n),
        )

    def _label_rows(self, labels: Any, n: int) -> Mapping[str, np.ndarray]:
        given = {} if labels is None else {"labels": labels}
        return check_conditions(self.label_conditions(), given, n)


def hide_unknown(images: Any, known: Any) -> Any:
    """Images whose unknown pixels are in every support; of arrays or of tensors.

    Args:
        images: float32 `(n, height, width, channels)`.
        known: bool `(n, height, width)`.
    """
    if isinstance(images, np.ndarray):
        return np.where(known[..., np.newaxis], images, np.float32(_ANY_VALUE))
    return tf.where(known[..., tf.newaxis], images, _ANY_VALUE)


def _size(batch_size: int | None, n: int) -> int:
    if batch_size is not None:
        require_positive("batch_size", batch_size)
    return batch_size or min(n, _DEFAULT_BATCH_SIZE)
