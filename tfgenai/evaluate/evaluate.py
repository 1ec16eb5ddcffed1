"""Evaluation of a model, or of images, against the real images of a data set."""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from tfgenai.evaluate.descriptions import (
    describe_condition,
    describe_extractor,
    describe_model,
    notes_on,
)
from tfgenai.evaluate.features.image_set import (
    FeatureExtractor,
    ImageClassifier,
    ImageSet,
)
from tfgenai.evaluate.features.lookup import default_name, resolve_extractor
from tfgenai.evaluate.generation import generate_uint8, labels_to_ask
from tfgenai.evaluate.metrics import METRICS, Metric, RealImages
from tfgenai.evaluate.pixels import to_uint8
from tfgenai.evaluate.real_images import RealData, load_real_data
from tfgenai.evaluate.report import Report
from tfgenai.evaluate.statistics import generator

_SHOWN = 400  # generated images that the report keeps


def evaluate_samples(
    model_or_images: Any,
    data: Any,
    *,
    num_samples: int = 10_000,
    seed: int = 0,
    metrics: Sequence[str | Metric] | None = None,
    features: Any = None,
    splits: tuple[str, str] = ("train", "test"),
    labels: Any = None,
    batch_size: int | None = None,
    verbose: bool = False,
    **conditions: Any,
) -> Report:
    """Measures how close generated images come to the test images of a data set.

    Everything that can be refused is refused before the first image is generated.

    Args:
        model_or_images: a model with `generate`, or images
            `(n, height, width, channels)`, uint8 or float in [-1, 1].
        data: the real images: a name or folder that `tfgenai.data.load_arrays` takes;
            a pair `(train, test)` of `ImageArrays` or datasets; or the test images
            alone, without which there is no floor and no `nearest`. Named sets are
            loaded at the samples' height and width.
        num_samples: images to generate; given images are all used.
        seed: seed of the samples and of all that the metrics draw.
        metrics: names or `Metric` objects; by default all that can be measured.
        features: extractor: a name, a folder, or an object (see `FeatureExtractor`).
            By default the one that `fit_extractor(data)` made for a named set.
        splits: splits, or slices, of named data to train and to test on.
        labels: labels to generate, int `(num_samples,)`; of given images, the labels
            asked for. By default, or with `"balanced"`, a model that takes labels is
            asked for all classes equally often.
        batch_size: images generated at a time; the model's default if None.
        verbose: whether to show a progress bar on standard error.
        **conditions: further conditions and arguments of `model.generate`, such as
            `guidance_scale`, `num_steps` and `sampler`; kept in the report.

    Returns:
        A `Report`; `report["fid"].value` is a figure, `report.save("report.html")`.

    Raises:
        ValueError: if an argument does not fit, images are too few, or pixels are
            not finite.
        CheckpointError: if the extractor is not there or was changed.
    """
    is_model = hasattr(model_or_images, "generate")
    if is_model and not hasattr(model_or_images, "image_shape"):
        raise TypeError(
            "A model of images was expected. Received: "
            f"{type(model_or_images).__name__}, which has no image_shape."
        )
    images = None if is_model else _check_given(model_or_images)
    count = num_samples if images is None else len(images)
    if count < 1:
        raise ValueError(
            f"num_samples >= 1 was expected. Received: num_samples={num_samples}."
        )
    if conditions and not is_model:
        raise TypeError(
            "Conditions of a model were not expected with given images. Received: "
            f"{sorted(conditions)}."
        )
    chosen = _create_metrics(metrics)
    extractor = _find_extractor(features, data, chosen)
    labels = labels_to_ask(model_or_images if is_model else None, labels, count)
    shape = model_or_images.image_shape if images is None else images.shape[1:]
    real = load_real_data(data, splits=splits, image_size=tuple(shape[:2]))
    if tuple(shape) != real.test_images.shape[1:]:
        raise ValueError(
            "Generated and real images of one shape were expected. Received: "
            f"{tuple(shape)} and {real.test_images.shape[1:]}. Load the data at the "
            "model's size (image_size)."
        )
    _refuse_seen_images(extractor, real)
    given = {"train": real.train_images, "labels": labels}
    have = {name for name, value in given.items() if value is not None}
    have |= {"features"} if extractor is not None else set()
    have |= {"probabilities"} if isinstance(extractor, ImageClassifier) else set()
    if chosen is None:
        chosen = [METRICS.create(n) for n in METRICS if METRICS.get(n).needs <= have]
    _require(chosen, have, count, len(real.test_images), extractor)

    with tqdm(total=len(chosen) + 1, file=sys.stderr, disable=not verbose) as bar:
        bar.set_description("generate")
        if images is None:
            images = generate_uint8(
                model_or_images,
                count,
                seed=seed,
                labels=labels,
                batch_size=batch_size,
                conditions=conditions,
            )
        bar.update()
        samples = ImageSet(images, labels, extractor=extractor)
        references = _references(real, extractor, count, seed)
        values = {}
        for metric in chosen:
            bar.set_description(metric.name)
            values[metric.name] = metric(samples, references, seed=seed)
            bar.update()
    return Report(
        metrics=values,
        settings={
            "model": type(model_or_images).__name__ if is_model else "given images",
            "num_samples": count,
            "seed": seed,
            "labels": "none" if labels is None else "one a sample",
            **{key: describe_condition(value) for key, value in conditions.items()},
        },
        model=describe_model(model_or_images) if is_model else {},
        data=real.description,
        extractor=describe_extractor(extractor),
        notes=notes_on(real, values, extractor),
        images=images[:_SHOWN],
        labels=None if labels is None else labels[:_SHOWN],
        class_names=real.class_names,
    )


def _check_given(images: Any) -> np.ndarray:
    images = np.asarray(images)
    if images.dtype != np.uint8 and images.size and images.min() >= 0:
        raise ValueError(
            "Float images in [-1, 1] were expected. Received: images in "
            f"[{images.min():.4g}, {images.max():.4g}], which looks like [0, 1]. Pass "
            "2 * images - 1, or uint8."
        )
    return to_uint8(images)


def _create_metrics(metrics: Sequence[str | Metric] | None) -> list[Metric] | None:
    if metrics is None:
        return None
    if isinstance(metrics, str) or not metrics:
        raise ValueError(
            "A list of one metric or more was expected. Received: "
            f"metrics={metrics!r}. Pass for example ['fid', 'kid']."
        )
    created = [METRICS.create(metric) for metric in metrics]
    names = [metric.name for metric in created]
    if len(set(names)) < len(names):
        raise ValueError(
            f"Each metric once was expected. Received: metrics={names}. Evaluate "
            "twice to compare settings."
        )
    return created


def _find_extractor(
    features: Any, data: Any, metrics: Iterable[Metric] | None
) -> FeatureExtractor | None:
    if features is not None:
        return resolve_extractor(features)
    if metrics is not None and not any("features" in m.needs for m in metrics):
        return None
    if isinstance(data, str | os.PathLike):
        return resolve_extractor(default_name(data))
    raise ValueError(
        "A feature extractor was expected. Received: features=None. Pass the name or "
        "folder of one that `tfgenai evaluate fit-extractor DATA` made, or an object "
        "with features(images), num_features and sha256."
    )


def _refuse_seen_images(extractor: Any, real: RealData) -> None:
    """Features of images that the extractor was fitted to are not those of others."""
    fitted_to = getattr(extractor, "provenance", {}).get("train_sha256")
    if fitted_to is not None and fitted_to == real.test_sha256:
        raise ValueError(
            "An extractor that has not seen the test images was expected. Received: "
            "features fitted to these very images. Test on another split, or fit an "
            "extractor to another."
        )


def _require(
    metrics: Iterable[Metric],
    have: set[str],
    num_samples: int,
    num_test: int,
    extractor: FeatureExtractor | None,
) -> None:
    words = {
        "features": "a feature extractor (features=...)",
        "probabilities": "an extractor that is a classifier",
        "train": "the training images: data by name or as (train, test)",
        "labels": "labels, or a model that takes them",
    }
    for metric in metrics:
        for need in sorted(metric.needs - have):
            raise ValueError(
                f"The metric {metric.name!r} needs {words[need]}. Received: none. "
                f"Give it, or leave {metric.name!r} out."
            )
        metric.require(
            num_samples=num_samples,
            num_test=num_test,
            num_features=0 if extractor is None else extractor.num_features,
        )


def _references(
    real: RealData, extractor: FeatureExtractor | None, count: int, seed: int
) -> RealImages:
    test = ImageSet(real.test_images, real.test_labels, extractor=extractor)
    if real.train_images is None:
        return RealImages(test)
    train = ImageSet(real.train_images, real.train_labels, extractor=extractor)
    # As many as there are samples, so that the floor carries the same bias as the
    # figure: with the default number and MNIST that is test against equally many.
    number = min(count, len(train))
    rows = generator(seed, "floor").choice(len(train), number, replace=False)
    return RealImages(test, train, train.take(np.sort(rows)))
