"""What a report says of the model, the extractor and the circumstances."""

from typing import Any

from tfgenai.evaluate.metrics import MetricValue
from tfgenai.evaluate.real_images import RealData


def describe_model(model: Any) -> dict[str, Any]:
    """Class, size, training steps and the short entries of a model's config."""
    description: dict[str, Any] = {"class": type(model).__name__}
    if hasattr(model, "count_params"):
        description["weights"] = int(model.count_params())
    if getattr(model, "step", None) is not None:
        description["training steps"] = int(model.step)
    config = model.get_config() if hasattr(model, "get_config") else {}
    for key, value in config.items():
        plain = isinstance(value, str | int | float | bool | tuple | list)
        if plain and len(str(value)) <= 100:
            description[key] = list(value) if isinstance(value, tuple) else value
    return description


def describe_condition(value: Any) -> Any:
    """What was asked of all samples: a plain value, or an object's class and config."""
    if isinstance(value, str | int | float | bool):
        return value
    if hasattr(value, "get_config"):
        given = ", ".join(f"{k}={v!r}" for k, v in value.get_config().items())
        return f"{type(value).__name__}({given})"
    is_array = hasattr(value, "__len__")
    return "one a sample" if is_array else type(value).__name__


def describe_extractor(extractor: Any) -> dict[str, Any]:
    """Hash, size and provenance of an extractor; empty for None."""
    if extractor is None:
        return {}
    return {
        "SHA-256": extractor.sha256,
        "features": extractor.num_features,
        **{
            key: value
            for key, value in getattr(extractor, "provenance", {}).items()
            if isinstance(value, str | int | float)
        },
    }


def notes_on(
    real: RealData, values: dict[str, MetricValue], extractor: Any
) -> tuple[str, ...]:
    """What a reader has to know before trusting the figures, as sentences."""
    notes = []
    if real.train_images is None:
        notes.append(
            "The training images were not given: there is no floor, and copying was "
            "not looked for."
        )
    accuracy = getattr(extractor, "provenance", {}).get("test_accuracy")
    if accuracy is not None and accuracy < 0.9:
        notes.append(
            f"The extractor is right on {accuracy:.1%} of the test images only: class "
            "figures say as much about it as about the model."
        )
    nearest = values.get("nearest")
    if nearest is not None and nearest.details["num_identical"]:
        notes.append(
            f"{nearest.details['num_identical']} of {nearest.n} generated images are "
            "identical to a training image."
        )
    return tuple(notes)
