"""Settings in files of text-format messages, as TensorFlow Serving reads them."""

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from tfgenai.core.errors import ConfigError
from tfgenai.core.storage import PathLike

METRICS_PATH = "/monitoring/prometheus/metrics"

M = TypeVar("M", bound=Message)


@dataclasses.dataclass(frozen=True)
class SslConfig:
    """What a server needs to speak TLS.

    Args:
        server_key: the private key, PEM.
        server_cert: the certificate and its chain, PEM.
        custom_ca: certificates of who signs clients' certificates, PEM; or "".
        client_verify: whether clients must show a certificate.
    """

    server_key: str
    server_cert: str
    custom_ca: str = ""
    client_verify: bool = False


def parse_text(
    file: PathLike, message: M, *, name: str, argument: str, example: str = ""
) -> M:
    """Reads a file of one message in text format.

    Args:
        file: the file.
        message: an empty message to read into.
        name: the message's name in TensorFlow Serving.
        argument: the flag that named the file.
        example: a file to compare with.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        return text_format.Parse(Path(file).read_text(encoding="utf-8"), message)
    except (OSError, ValueError, text_format.ParseError) as error:
        hint = f"; {example} is an example" if example else ""
        # The first words are TensorFlow Serving's own.
        raise ConfigError(
            f"Error parsing text-format tensorflow.serving.{name}: {error}. Received: "
            f"{argument}={str(file)!r}. Correct the file{hint}."
        ) from error


def ssl_from_file(file: PathLike) -> SslConfig:
    """Reads an `SSLConfig`.

    Args:
        file: as for `--ssl_config_file`; keys and certificates stand in it.

    Raises:
        ConfigError: if it cannot be read or has no key or no certificate.
    """
    from tfgenai.serving.wire import config_pb2

    proto: Any = parse_text(
        file, config_pb2.SSLConfig(), name="SSLConfig", argument="ssl_config_file"
    )
    found = SslConfig(
        proto.server_key, proto.server_cert, proto.custom_ca, proto.client_verify
    )
    if not found.server_key or not found.server_cert:
        raise ConfigError(
            "A server_key and a server_cert were expected. Received: "
            f"ssl_config_file={str(file)!r} without one. Put both in it, as PEM."
        )
    if found.client_verify and not found.custom_ca:
        raise ConfigError(
            "A custom_ca was expected, by which clients are verified. Received: "
            f"ssl_config_file={str(file)!r} with client_verify alone. Add it, as PEM."
        )
    return found


def metrics_path_from_file(file: PathLike) -> str | None:
    """Reads a `MonitoringConfig`.

    Args:
        file: as for `--monitoring_config_file`.

    Returns:
        Path of the metrics on the REST port, or None if there are none.

    Raises:
        ConfigError: if it cannot be read or the path is none.
    """
    from tfgenai.serving.wire import config_pb2

    proto: Any = parse_text(
        file,
        config_pb2.MonitoringConfig(),
        name="MonitoringConfig",
        argument="monitoring_config_file",
        example="serving/monitoring.config",
    )
    if not proto.prometheus_config.enable:
        return None
    path = str(proto.prometheus_config.path) or METRICS_PATH
    if not path.startswith("/"):
        raise ConfigError(
            f"A path such as {METRICS_PATH!r} was expected. Received: path={path!r} in "
            f"monitoring_config_file={str(file)!r}. Begin it with a slash."
        )
    return path
