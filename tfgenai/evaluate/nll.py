"""Negative log-likelihood of test images under a model that can estimate it."""

import os
from typing import Any

import numpy as np

from tfgenai.data.dataset import static_binary
from tfgenai.evaluate.generation import label_condition
from tfgenai.evaluate.metrics.metric import MetricValue
from tfgenai.evaluate.pixels import to_uint8

_BINARIZE = (None, "static", "threshold")


def evaluate_nll(
    model: Any,
    data: Any,
    *,
    num_images: int | None = None,
    binarize: str | None = None,
    seed: int = 0,
    **arguments: Any,
) -> MetricValue:
    """Mean negative log-likelihood of the first test images, in nats per example.

    Args:
        model: a model with `log_likelihood(images, labels, *, seed, ...)`, which
            returns natural logarithms `(n,)` for float images in [-1, 1]. Where it
            takes labels, it is given those of the test images: log p(x | label).
        data: a name or folder that `tfgenai.data.load_arrays` takes (its test split
            is read, at the model's size), `ImageArrays`, or uint8 images.
        num_images: the first so many images; all if None.
        binarize: `"static"` draws each pixel once with its grey level as probability,
            seeded, as `tfgenai.data.load` does; `"threshold"` cuts at half; None
            leaves the grey levels. The likelihood of a Bernoulli model is one for
            binary pixels only.
        seed: seed of the binarisation and of the model's estimate.
        **arguments: passed on to `log_likelihood`, for example `num_samples=5000`
            or `batch_size=50`.

    Returns:
        The mean in nats per example, with a 95 % interval over images (1.96 standard
        errors of the mean); `artifacts["per_image"]` holds each image's value.

    Raises:
        TypeError: if the model cannot estimate a likelihood.
        ValueError: if an argument does not fit, or a likelihood is not finite.
    """
    if not hasattr(model, "log_likelihood"):
        raise TypeError(
            "A model with log_likelihood() was expected, such as a VAE. Received: "
            f"model={type(model).__name__}. Use evaluate_samples for others."
        )
    if binarize not in _BINARIZE:
        raise ValueError(
            f"One of {_BINARIZE} was expected. Received: binarize={binarize!r}."
        )
    if num_images is not None and num_images < 2:
        raise ValueError(
            f"num_images >= 2 was expected. Received: num_images={num_images}."
        )
    images, labels = _test_images(model, data, num_images)
    x = _scaled(images, binarize, seed)
    nats = -np.asarray(
        model.log_likelihood(x, labels, seed=seed, **arguments), np.float64
    )
    if nats.shape != (len(x),) or not np.isfinite(nats).all():
        raise ValueError(
            f"One finite log-likelihood for each of {len(x)} images was expected. "
            f"Received: shape {nats.shape}, {int((~np.isfinite(nats)).sum())} of them "
            "not finite. The model may have diverged."
        )
    mean = float(nats.mean())
    error = float(nats.std(ddof=1) / np.sqrt(len(nats)))
    how = {
        None: "grey levels as they are",
        "static": f"pixels binarised once with seed {seed}",
        "threshold": "pixels cut at half",
    }[binarize]
    return MetricValue(
        name="nll",
        title="Negative log-likelihood",
        value=mean,
        unit="nats per example",
        better="lower",
        n=len(x),
        seed=seed,
        interval=(mean - 1.96 * error, mean + 1.96 * error),
        floor=None,
        extractor_hash=None,
        method=f"First {len(x)} test images, {how}; 1.96 standard errors of the mean.",
        details={
            "binarize": binarize,
            "standard_error": error,
            "conditional": labels is not None,
            **arguments,
        },
        artifacts={"per_image": nats},
    )


def _test_images(
    model: Any, data: Any, num_images: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    if isinstance(data, str | os.PathLike):
        from tfgenai.data import load_arrays

        size = tuple(model.image_shape[:2]) if hasattr(model, "image_shape") else None
        data = load_arrays(data, split="test", image_size=size)
    images = to_uint8(getattr(data, "images", data), name="data")
    if num_images is not None and num_images > len(images):
        raise ValueError(
            f"At most {len(images)}, the number of test images, was expected. "
            f"Received: num_images={num_images}."
        )
    if label_condition(model) is None:
        return images[:num_images], None
    labels = getattr(data, "labels", None)
    if labels is None:
        raise ValueError(
            "Labelled test images were expected for a model that takes labels. "
            "Received: labels=None. Pass the data's name or ImageArrays with labels."
        )
    return images[:num_images], labels[:num_images]


def _scaled(images: np.ndarray, binarize: str | None, seed: int) -> np.ndarray:
    """Images as the model takes them: float32 in [-1, 1], or -1 and 1 only."""
    if binarize is None:
        return images.astype(np.float32) / 127.5 - 1.0
    if binarize == "static":
        images = static_binary(images, seed)
    return np.where(images > 127, np.float32(1), np.float32(-1))
