"""Checks of what a DecoderHead is given, before any work begins."""

from collections.abc import Sequence
from typing import Any

from tfgenai.core.errors import ConfigError
from tfgenai.finetune.heads.class_arguments import check_classes
from tfgenai.finetune.heads.inputs import input_spec

_TARGETS = {"image": 3, "mask": 2, "tokens": 0}  # sides of target_shape


def check_arguments(
    target: str,
    num_classes: Any,
    class_names: Any,
    class_weights: Any,
    likelihood: Any,
) -> None:
    """Refuses arguments of `DecoderHead` that do not go together.

    Raises:
        ConfigError: if they do not; one is named.
    """
    if target not in _TARGETS:
        raise ConfigError(
            f"One of {list(_TARGETS)} was expected. Received: target={target!r}."
        )
    of_classes = {
        "num_classes": num_classes,
        "class_names": class_names,
        "class_weights": class_weights,
    }
    if target == "image":
        for name, value in of_classes.items():
            if value is not None:
                raise ConfigError(
                    "Images without classes were expected. Received: "
                    f"target='image', {name}={value!r}. Use target='mask' for a class "
                    "of each pixel."
                )
        return
    if likelihood is not None:
        raise ConfigError(
            f"No likelihood was expected, because a {target!r} target is categorical. "
            f"Received: likelihood={likelihood!r}. Leave it out."
        )
    check_classes(**of_classes)


def check_target_shape(
    target: str, shape: Sequence[int] | None, base: Any
) -> tuple[int, ...] | None:
    """The shape asked for, or that of the base's images; None for tokens.

    Raises:
        ConfigError: if it is no shape of that target.
    """
    sides = _TARGETS[target]
    if shape is None and target != "tokens":
        shape = tuple(input_spec(base).shape[1:])[:sides]
    if shape is None:
        return None
    found = tuple(shape)
    if (
        not sides
        or len(found) != sides
        or not all(isinstance(side, int) and side > 0 for side in found)
    ):
        wanted = ("None", "", "(height, width)", "(height, width, channels)")[sides]
        raise ConfigError(
            f"{wanted} was expected for target={target!r}. Received: target_shape="
            f"{found}."
        )
    return found
