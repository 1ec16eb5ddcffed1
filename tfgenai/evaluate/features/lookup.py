"""Where extractors are kept and how a name becomes one."""

import os
from pathlib import Path
from typing import Any

from tfgenai.core.errors import CheckpointError
from tfgenai.evaluate.features.cnn import Extractor
from tfgenai.evaluate.features.image_set import FeatureExtractor


def extractor_home() -> Path:
    """The folder of named extractors.

    `$TFGENAI_HOME/extractors`, or `~/.cache/tfgenai/extractors` without the variable.
    """
    home = os.environ.get("TFGENAI_HOME")
    root = Path(home) if home else Path.home() / ".cache" / "tfgenai"
    return root / "extractors"


def default_name(data: str | os.PathLike[str]) -> str:
    """Name of the extractor that belongs to a data set, e.g. `"mnist_classifier"`.

    Args:
        data: a registered name, or a folder of images, whose own name counts.

    Example:
        >>> default_name("mnist"), default_name("/tmp/flowers/")
        ('mnist_classifier', 'flowers_classifier')
    """
    # TFDS writes variants as `name/config:version`; a folder cannot be called so.
    name = Path(data).name.replace(":", "_")
    return f"{name or 'data'}_classifier"


def resolve_extractor(features: Any) -> FeatureExtractor:
    """Returns the extractor that `features` names, or is.

    Args:
        features: a path to a folder, a name below `extractor_home()`, or an object
            with `features(images)`, `num_features` and `sha256`.

    Raises:
        CheckpointError: if there is no such folder or its hash does not match.
        TypeError: if an object lacks one of the three attributes.
    """
    if isinstance(features, str | os.PathLike):
        path = Path(features)
        named = extractor_home() / path
        if path.is_dir():
            return Extractor.load(path)
        if path.name == str(path) and named.is_dir():
            return Extractor.load(named)
        raise CheckpointError(
            f"The name or folder of an extractor was expected. Received: "
            f"features={str(features)!r}, which is neither a folder nor in "
            f"{str(extractor_home())!r}. Make it with {_command(str(features))}."
        )
    if isinstance(features, FeatureExtractor):
        return features
    raise TypeError(
        "A name, a path or an object with features(images), num_features and sha256 "
        f"was expected. Received: features={features!r}."
    )


def _command(features: str) -> str:
    data = features.removesuffix("_classifier")
    if data == features or os.sep in features:
        return f"`tfgenai evaluate fit-extractor DATA --output {features}`"
    return f"`tfgenai evaluate fit-extractor {data}`"
