"""What makes two models the same for a checkpoint: class, config and optimizers."""

import json
from typing import Any

import keras

_SHOWN = 5


def identity_of(model: Any) -> dict[str, Any]:
    """Describes a compiled model by what its checkpoint depends on, as JSON values.

    Names that Keras counts up (`dense_3`) are replaced by their order, so that the same
    model made twice in one process is the same. Learning rates are left out.

    Args:
        model: a compiled `GenerativeModel`.
    """
    config = {key: value for key, value in model.get_config().items() if key != "name"}
    plain = json.loads(json.dumps(config, default=str))
    optimizers = {
        name: type(
            getattr(getattr(model, name), "inner_optimizer", getattr(model, name))
        ).__name__
        for name in model.optimizer_names
    }
    return {
        "class": keras.saving.get_registered_name(type(model)),
        **_without_counted_names(plain),
        **optimizers,
    }


def differences(expected: dict[str, Any], received: dict[str, Any]) -> list[str]:
    """In words, where two identities differ; empty if they are the same."""
    keys = [
        key
        for key in {**expected, **received}
        if expected.get(key) != received.get(key)
    ]
    words = [
        f"{key} ({_short(received.get(key))} there, {_short(expected.get(key))} here)"
        for key in keys[:_SHOWN]
    ]
    return words + (["and more"] if len(keys) > _SHOWN else [])


def _without_counted_names(config: Any) -> Any:
    order: dict[str, str] = {}

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            name = value.get("name")
            if isinstance(name, str):
                order.setdefault(name, f"#{len(order)}")
            for item in value.values():
                collect(item)
        elif isinstance(value, list):
            for item in value:
                collect(item)

    def replace(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replace(item) for key, item in value.items()}
        if isinstance(value, list):
            return [replace(item) for item in value]
        return order.get(value, value) if isinstance(value, str) else value

    collect(config)
    return replace(config)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
