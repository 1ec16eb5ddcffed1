"""Checks of what heads of classes are given."""

from typing import Any

from tfgenai.core.errors import ConfigError


def check_classes(num_classes: Any, class_names: Any, class_weights: Any) -> None:
    """Refuses a number of classes that is none, and entries that do not go with it.

    Args:
        num_classes: number of classes.
        class_names: one entry for each, or None.
        class_weights: one entry for each, or None.

    Raises:
        ConfigError: if one is wrong.
    """
    is_whole = isinstance(num_classes, int) and not isinstance(num_classes, bool)
    if not is_whole or num_classes < 2:
        raise ConfigError(
            f"At least two classes were expected. Received: {num_classes=}."
        )
    entries = {"class_names": class_names, "class_weights": class_weights}
    for name, value in entries.items():
        if value is not None and len(value) != num_classes:
            raise ConfigError(
                f"One entry for each of the {num_classes} classes was expected. "
                f"Received: {name} with {len(value)}."
            )
