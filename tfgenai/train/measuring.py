"""What is measured when a run ends: losses, log-likelihood, figures of samples."""

import inspect
from pathlib import Path
from typing import Any

from tfgenai.core.errors import CheckpointError, ConfigError
from tfgenai.core.model import GenerativeModel
from tfgenai.data import load_arrays
from tfgenai.evaluate import Extractor, evaluate_samples, fit_extractor
from tfgenai.evaluate.features.lookup import default_name, resolve_extractor
from tfgenai.evaluate.nll import evaluate_nll
from tfgenai.train.building import sample_arguments
from tfgenai.train.recipe import NLLSection, Recipe
from tfgenai.train.run_data import RunData
from tfgenai.train.run_folder import EXTRACTOR, PAGE

_AUTO = "auto"


def needs_features(recipe: Recipe) -> bool:
    """Whether a recipe measures samples, while it trains or at the end."""
    return recipe.sample_metrics is not None or recipe.evaluate.samples is not None


def run_features(recipe: Recipe, data: RunData, folder: Path, *, verbose: bool) -> Any:
    """The feature extractor of a run.

    With `features: auto` it is the one in the run folder, else the data set's own that
    `tfgenai evaluate fit-extractor` made, else one that is trained now and kept in the
    run folder.

    Args:
        recipe: the recipe.
        data: its data.
        folder: the run folder.
        verbose: whether to show a progress bar.

    Raises:
        CheckpointError: if the extractor that is named is not there.
        ConfigError: if one must be trained and the data have no labels.
    """
    if recipe.evaluate.features != _AUTO:
        return resolve_extractor(recipe.evaluate.features)
    if (folder / EXTRACTOR).is_dir():
        return Extractor.load(folder / EXTRACTOR)
    try:
        return resolve_extractor(default_name(recipe.data.name))
    except CheckpointError:
        if data.num_classes is None:
            raise ConfigError(
                "A feature extractor was expected. Received: evaluate.features='auto' "
                "with data without labels, on which none can be trained. Name one in "
                "evaluate.features, or leave out what is measured on samples."
            ) from None
    arrays = [
        load_arrays(recipe.data.name, split=split, image_size=recipe.data.image_size)
        for split in ("train", "test")
    ]
    return fit_extractor(tuple(arrays), output=folder / EXTRACTOR, verbose=verbose)


def measure(
    recipe: Recipe,
    model: GenerativeModel,
    data: RunData,
    folder: Path,
    *,
    features: Any,
    verbose: bool,
) -> dict[str, Any]:
    """Measures a trained model on the test split and writes the page of its samples.

    Args:
        recipe: what is measured stands in its `evaluate`.
        model: the trained and compiled model.
        data: the data of the run.
        folder: the run folder.
        features: the extractor, or None where none is needed.
        verbose: whether to show progress bars.

    Returns:
        Figures by name: those of the evaluation as JSON objects with their interval,
        losses as `test_<loss>`, or `validation_<loss>` of text without a test split,
        with value and number of images or tokens.
    """
    asked = recipe.evaluate
    results: dict[str, Any] = {}
    if asked.loss and data.test is not None:
        losses = model.evaluate(data.test, verbose=0, return_dict=True)
        unit = "images" if data.text is None else "tokens"
        for name, value in losses.items():
            results[f"{data.measured}_{name}"] = {
                "value": float(value),
                "n": getattr(data.test, f"num_{unit}", data.test.num_examples),
                "seed": recipe.seed,
                "method": f"Mean over the {data.measured} {unit}, averaged weights.",
            }
    if asked.nll is not None:
        nll = evaluate_nll(
            model,
            recipe.data.name,
            num_images=asked.nll.num_images,
            binarize=asked.nll.binarize,
            seed=recipe.seed,
            **_estimate_arguments(model, asked.nll),
        )
        results["nll"] = nll.to_json()
    if asked.samples is not None:
        report = evaluate_samples(
            model,
            recipe.data.name,
            num_samples=asked.samples.num_samples,
            seed=recipe.seed,
            metrics=asked.samples.metrics,
            features=features,
            verbose=verbose,
            **sample_arguments(recipe),
        )
        report.save(folder / PAGE)
        results |= {name: value.to_json() for name, value in report.items()}
    return results


def _estimate_arguments(model: Any, asked: NLLSection) -> dict[str, Any]:
    """The number of samples, where the likelihood is an estimate and not exact."""
    known = inspect.signature(model.log_likelihood).parameters
    return {"num_samples": asked.num_samples} if "num_samples" in known else {}
