"""One name for where a model trains: on one device, several, or several machines."""

import functools
import json
import os
from typing import Any

import tensorflow as tf

from tfgenai.core.errors import ConfigError
from tfgenai.core.registry import unknown_name

STRATEGIES = ("auto", "mirrored", "multi_worker", "one")


def strategy(name: str = "auto") -> tf.distribute.Strategy:
    """Returns the strategy of that name; models are made and compiled in its scope.

    Args:
        name: one of

            - `"one"`: TensorFlow's default, one device;
            - `"mirrored"`: a copy of the model on each GPU, or on each logical CPU
              where there is no GPU; the batch is split between them;
            - `"multi_worker"`: copies on all machines that the environment variable
              `TF_CONFIG` lists; it must be the first thing that uses TensorFlow;
            - `"auto"`: several workers if `TF_CONFIG` lists more than one, mirrored
              if there are several GPUs, otherwise one device.

    Returns:
        A `tf.distribute.Strategy`.

        The same one for the same devices: two in one process would mix up their
        collective operations.

    Raises:
        ConfigError: if the name is unknown, or `TF_CONFIG` is missing or unreadable
            where it is needed.

    Example:
        >>> with strategy("one").scope():
        ...     tf.distribute.get_strategy().num_replicas_in_sync
        1
    """
    if name not in STRATEGIES:
        raise ConfigError(unknown_name("strategy", name, list(STRATEGIES)))
    num_workers = len(_workers())
    if name == "multi_worker" and not num_workers:
        raise ConfigError(
            "The list of workers was expected in the environment variable TF_CONFIG. "
            "Received: strategy='multi_worker' without it. Set TF_CONFIG on every "
            "machine, or use strategy='mirrored'."
        )
    if name == "multi_worker" or (name == "auto" and num_workers > 1):
        return _multi_worker()
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
        return _mirrored(tuple(gpus or cpus))
    return tf.distribute.get_strategy()


def is_chief() -> bool:
    """Whether this process is the one that writes files.

    With several workers that is the task `chief`, or worker 0; otherwise always.
    """
    task = _tf_config().get("task", {})
    if len(_workers()) < 2 or task.get("type") == "chief":
        return True
    has_chief = "chief" in _tf_config().get("cluster", {})
    return not has_chief and int(task.get("index", 0)) == 0


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _multi_worker() -> tf.distribute.Strategy:
    return tf.distribute.MultiWorkerMirroredStrategy()


def _workers() -> list[str]:
    cluster = _tf_config().get("cluster", {})
    return [*cluster.get("chief", []), *cluster.get("worker", [])]


def _tf_config() -> dict[str, Any]:
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ConfigError(
            f"JSON was expected in the environment variable TF_CONFIG. Received: "
            f"{text[:80]!r} ({error}). Correct or unset it."
        ) from error
    return config if isinstance(config, dict) else {}
