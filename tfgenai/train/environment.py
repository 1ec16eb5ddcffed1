"""What a run was made with: versions and kinds of devices, and no names of machines."""

import importlib.metadata
import os
import platform
from typing import Any

import tensorflow as tf

import tfgenai

_DISTRIBUTIONS = (
    "keras",
    "numpy",
    "protobuf",
    "scikit-learn",
    "scipy",
    "tensorflow",
    "tensorflow-datasets",
)


def describe_environment() -> dict[str, Any]:
    """Versions, processor cores and accelerators, as JSON values.

    Example:
        >>> sorted(describe_environment())
        ['devices', 'num_cores', 'platform', 'python', 'versions']
    """
    versions = {"tfgenai": tfgenai.__version__}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "num_cores": os.cpu_count(),
        "devices": [
            tf.config.experimental.get_device_details(device).get("device_name")
            or device.device_type
            for device in tf.config.list_physical_devices()
        ],
        "versions": versions,
    }
