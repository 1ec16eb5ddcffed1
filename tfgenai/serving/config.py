"""What a server is told: which models, which of their versions, and its limits."""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tfgenai.core.errors import ConfigError
from tfgenai.core.storage import PathLike
from tfgenai.serving.text_config import parse_text

_VERSION_FOLDER = re.compile(r"\d{1,18}")

_TENSORFLOW = "tensorflow"


@dataclasses.dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions in a model's folder are served.

    Args:
        kind: `"latest"`, `"all"` or `"specific"`.
        num_versions: how many of the latest.
        versions: the specific ones.
    """

    kind: str = "latest"
    num_versions: int = 1
    versions: tuple[int, ...] = ()

    def aspired(self, available: Iterable[int]) -> set[int]:
        """Those of the available versions that should be served.

        Example:
            >>> sorted(VersionPolicy(num_versions=2).aspired([1, 3, 2]))
            [2, 3]
        """
        if self.kind == "all":
            return set(available)
        if self.kind == "specific":
            return set(available) & set(self.versions)
        return set(sorted(available)[-self.num_versions :])


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One model that is served.

    Args:
        name: its name in requests.
        base_path: the folder of its version folders.
        version_policy: which versions are served.
        version_labels: versions by the words that requests may use for them.
    """

    name: str
    base_path: str
    version_policy: VersionPolicy = VersionPolicy()
    version_labels: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a server serves; the names are those of TensorFlow Serving's flags.

    Args:
        rest_api_timeout_in_ms: milliseconds after which a REST request is given up.
        file_system_poll_wait_seconds: seconds between two looks for new versions; 0
            looks once.
        model_config_file_poll_wait_seconds: seconds between two looks at the file of
            models; 0 reads it once.
        enable_model_warmup: whether an export's warm-up records are run before it
            serves.
        grpc_max_threads: most requests that are worked on at a time; 0 chooses by
            the number of processors.
        max_num_load_retries: how often the load of a version is tried again.
        load_retry_interval_micros: microseconds between two tries. A folder that
            has changed is tried again at once.
        allow_version_labels_for_unavailable_models: whether a label may stand for a
            version that is not served.
        enable_grpc_healthcheck_service: whether `grpc.health.v1.Health` answers.
        saved_model_tags: comma-separated tags of the graph in the SavedModel.
        tensorflow_session_parallelism: threads of a TensorFlow session; 0 lets
            TensorFlow choose.
        max_request_bytes: largest request that is accepted, and largest tensor that
            one may claim. Not one of TensorFlow Serving's flags.
        max_request_rows: most rows of one request. Not one of TensorFlow Serving's.
        max_response_bytes: largest answer, as arrays in memory. Not one of TensorFlow
            Serving's.
        log_requests: whether each request becomes a line of JSON in the log
            `tfgenai.requests`. Not one of TensorFlow Serving's.
        rest_overload_429: whether REST answers 429 with Retry-After rather than 503
            where a queue is full. Not one of TensorFlow Serving's.
        grpc_channel_arguments: pairs of a name and a number or text for gRPC.
        enable_grpc_reflection: whether clients may ask for the services' descriptions.
            Not one of TensorFlow Serving's.
        settle_seconds: seconds for which nothing may have changed in a version folder
            before it is loaded, so that a half-copied one is not. Not one of
            TensorFlow Serving's.
        drain_seconds: seconds that requests in flight are given at the end. Not one
            of TensorFlow Serving's.
    """

    rest_api_timeout_in_ms: int = 30_000
    file_system_poll_wait_seconds: float = 1.0
    model_config_file_poll_wait_seconds: float = 0.0
    enable_model_warmup: bool = True
    grpc_max_threads: int = 0
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 60_000_000
    allow_version_labels_for_unavailable_models: bool = False
    enable_grpc_healthcheck_service: bool = True
    saved_model_tags: str = "serve"
    tensorflow_session_parallelism: int = 0
    max_request_bytes: int = 64 * 2**20
    max_request_rows: int = 4096
    max_response_bytes: int = 256 * 2**20
    log_requests: bool = False
    rest_overload_429: bool = False
    grpc_channel_arguments: tuple[tuple[str, int | str], ...] = ()
    enable_grpc_reflection: bool = True
    settle_seconds: float = 1.0
    drain_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in (
            "rest_api_timeout_in_ms",
            "max_request_bytes",
            "max_request_rows",
            "max_response_bytes",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(
                    "A positive number was expected. Received: "
                    f"{name}={getattr(self, name)}. Leave it out for the default, "
                    f"{getattr(Settings, name)}."
                )


def models_from_folder(folder: PathLike) -> tuple[ModelConfig, ...]:
    """The models in a folder: it holds version folders, or folders that do.

    Args:
        folder: `served/` of `served/digits/1/saved_model.pb`, or `served/digits/`.

    Returns:
        One entry for every model, by the name of its folder.

    Raises:
        ConfigError: if there is no such folder or no model in it.

    Example:
        ```python
        models_from_folder("served/")  # (ModelConfig(name="digits", ...),)
        ```
    """
    root = Path(folder)
    if not root.is_dir():
        raise ConfigError(
            "A folder of exports was expected. Received: "
            f"folder={str(folder)!r}, which is no folder. Make one with "
            "model.export_serving('served/NAME')."
        )
    if version_folders(root):
        return (ModelConfig(root.resolve().name, str(root)),)
    names = [each for each in sorted(root.iterdir()) if each.is_dir()]
    models = [ModelConfig(each.name, str(each)) for each in names]
    models = [each for each in models if version_folders(Path(each.base_path))]
    if not models:
        raise ConfigError(
            "A folder with exports such as NAME/1/saved_model.pb was expected. "
            f"Received: folder={str(folder)!r}, which has none. Make one with "
            "model.export_serving('served/NAME')."
        )
    return tuple(models)


def models_from_file(file: PathLike) -> tuple[ModelConfig, ...]:
    """The models of a text file that holds a `ModelServerConfig`.

    Args:
        file: as for TensorFlow Serving's `--model_config_file`.

    Raises:
        ConfigError: if it cannot be read or makes no sense.
    """
    from tensorflow_serving.config import model_server_config_pb2

    config: Any = parse_text(
        file,
        model_server_config_pb2.ModelServerConfig(),
        name="ModelServerConfig",
        argument="model_config_file",
        example="serving/models.config",
    )
    if config.HasField("custom_model_config"):
        raise ConfigError(
            "A model_config_list was expected. Received: custom_model_config in "
            f"model_config_file={str(file)!r}. List the models instead."
        )
    return models_from_proto(config)


def models_from_proto(config: Any) -> tuple[ModelConfig, ...]:
    """The models of a `ModelServerConfig`.

    Raises:
        ConfigError: if it makes no sense.
    """
    return check_models(
        [_model_from_proto(entry) for entry in config.model_config_list.config]
    )


def check_models(models: Sequence[ModelConfig]) -> tuple[ModelConfig, ...]:
    """Returns the models if each has a name of its own and a folder.

    Raises:
        ConfigError: if not.
    """
    names = [model.name for model in models]
    for model in models:
        if not model.name or names.count(model.name) > 1:
            raise ConfigError(
                "A name of its own for every model was expected. Received: "
                f"name={model.name!r} for {model.base_path!r}. Name each once."
            )
        if not Path(model.base_path).is_dir():
            raise ConfigError(
                f"A folder of versions for model {model.name!r} was expected. "
                f"Received: base_path={model.base_path!r}, which is no folder. Correct "
                "the path, or export the model there."
            )
    if not models:
        raise ConfigError("At least one model was expected. Received: none. Add one.")
    return tuple(models)


def version_folders(folder: Path) -> dict[int, Path]:
    """The version folders in a model's folder, by number."""
    found = {}
    for each in folder.iterdir():
        if _VERSION_FOLDER.fullmatch(each.name) and each.is_dir():
            found[int(each.name)] = each
    return found


def _model_from_proto(entry: Any) -> ModelConfig:
    from tensorflow_serving.config import model_server_config_pb2

    if (
        entry.model_type != model_server_config_pb2.TENSORFLOW
        and entry.model_platform != _TENSORFLOW
    ):
        raise ConfigError(
            f"model_platform: {_TENSORFLOW!r} was expected for model {entry.name!r}. "
            f"Received: model_platform={entry.model_platform!r}. Correct the file."
        )
    policy, chosen = entry.model_version_policy, VersionPolicy()
    if policy.HasField("all"):
        chosen = VersionPolicy("all")
    elif policy.HasField("specific"):
        chosen = VersionPolicy("specific", versions=tuple(policy.specific.versions))
    elif policy.HasField("latest"):
        chosen = VersionPolicy(num_versions=max(1, policy.latest.num_versions))
    return ModelConfig(entry.name, entry.base_path, chosen, dict(entry.version_labels))
