"""Serving: a server that answers as TensorFlow Serving does, and clients of both.

Names are loaded when they are first used: the clients never import TensorFlow.
"""

import importlib
from typing import Any

_NAMES = {
    "AsyncClient": "tfgenai.serving.async_client",
    "Client": "tfgenai.serving.client",
    "ModelConfig": "tfgenai.serving.config",
    "Retry": "tfgenai.serving.retry",
    "Server": "tfgenai.serving.server",
    "Settings": "tfgenai.serving.config",
    "VersionPolicy": "tfgenai.serving.config",
}

__all__ = [
    "AsyncClient",
    "Client",
    "ModelConfig",
    "Retry",
    "Server",
    "Settings",
    "VersionPolicy",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'tfgenai.serving' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
