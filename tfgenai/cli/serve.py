"""`tfgenai serve`: exports over gRPC and REST, with TensorFlow Serving's flags."""

import json
from pathlib import Path
from typing import Any

import click


def _switch(name: str, default: bool, text: str) -> Any:
    """A flag that takes `--name` and `--name=false`, as TensorFlow Serving's do."""
    return click.option(
        f"--{name}",
        type=bool,
        is_flag=False,
        flag_value=True,
        default=default,
        show_default=True,
        help=text,
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to bind to; 0.0.0.0 opens the server to the network.",
)
@click.option(
    "--port", type=int, default=8500, show_default=True, help="Port of gRPC; 0: free."
)
@click.option(
    "--rest_api_port",
    type=int,
    default=8501,
    show_default=True,
    help="Port of REST; 0: a free one, -1: no REST.",
)
@click.option(
    "--rest_api_timeout_in_ms",
    type=int,
    default=30_000,
    show_default=True,
    help="Milliseconds after which a REST request is given up.",
)
@click.option(
    "--model_name", default="default", show_default=True, help="Name of the one model."
)
@click.option(
    "--model_base_path",
    type=click.Path(path_type=Path),
    help="Folder of the versions of the one model.",
)
@click.option(
    "--model_config_file",
    type=click.Path(path_type=Path),
    help="Text file with a ModelServerConfig: several models, policies, labels.",
)
@click.option(
    "--file_system_poll_wait_seconds",
    type=float,
    default=1.0,
    show_default=True,
    help="Seconds between two looks for new versions; 0: look once.",
)
@click.option(
    "--max_num_load_retries",
    type=int,
    default=5,
    show_default=True,
    help="How often the load of a version is tried again.",
)
@click.option(
    "--load_retry_interval_micros",
    type=int,
    default=60_000_000,
    show_default=True,
    help="Microseconds between two tries.",
)
@click.option(
    "--model_config_file_poll_wait_seconds",
    type=float,
    default=0.0,
    show_default=True,
    help="Seconds between two looks at that file; 0: read it once.",
)
@_switch("enable_batching", False, "Run requests that wait at the same time as one.")
@click.option(
    "--batching_parameters_file",
    type=click.Path(path_type=Path),
    help="Text file with BatchingParameters, for --enable_batching.",
)
@click.option(
    "--monitoring_config_file",
    type=click.Path(path_type=Path),
    help="Text file with a MonitoringConfig.  [default: metrics for Prometheus at "
    "/monitoring/prometheus/metrics of the REST port]",
)
@click.option(
    "--ssl_config_file",
    type=click.Path(path_type=Path),
    help="Text file with an SSLConfig: gRPC speaks TLS.",
)
@click.option(
    "--grpc_channel_arguments",
    default="",
    help="Comma-separated arguments of gRPC, such as grpc.max_connection_age_ms=2000.",
)
@_switch("enable_model_warmup", True, "Run an export's warm-up records first.")
@_switch(
    "allow_version_labels_for_unavailable_models",
    False,
    "Let a label stand for a version that is not served.",
)
@_switch("enable_grpc_healthcheck_service", True, "Answer grpc.health.v1.Health.")
@_switch("enable_grpc_reflection", True, "Describe the services to whoever asks.")
@_switch("log_requests", False, "Log each request as a line of JSON.")
@_switch("rest_overload_429", False, "Answer 429, not 503, where a queue is full.")
@click.option(
    "--grpc_max_threads",
    type=int,
    default=0,
    help="Most requests worked on at a time.  [default: two for each processor]",
)
@click.option(
    "--tensorflow_session_parallelism",
    type=int,
    default=0,
    help="Threads of a TensorFlow session.  [default: TensorFlow's choice]",
)
@click.option(
    "--saved_model_tags",
    default="serve",
    show_default=True,
    help="Comma-separated tags of the graph to load.",
)
@click.option(
    "--max_request_bytes",
    type=int,
    default=64 * 2**20,
    show_default=True,
    help="Largest request.",
)
@click.option(
    "--max_request_rows",
    type=int,
    default=4096,
    show_default=True,
    help="Most rows of a request.",
)
@click.option(
    "--max_response_bytes",
    type=int,
    default=256 * 2**20,
    show_default=True,
    help="Largest answer, as arrays in memory.",
)
@click.option(
    "--drain_seconds",
    type=float,
    default=30.0,
    show_default=True,
    help="Seconds that requests in flight are given at the end.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the ports as JSON.")
def command(
    folder: Path | None,
    host: str,
    port: int,
    rest_api_port: int,
    model_name: str,
    model_base_path: Path | None,
    model_config_file: Path | None,
    enable_batching: bool,
    batching_parameters_file: Path | None,
    monitoring_config_file: Path | None,
    ssl_config_file: Path | None,
    grpc_channel_arguments: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Serve exports as TensorFlow Serving does, until Ctrl+C or SIGTERM.

    \b
    tfgenai serve served/                   every model in the folder
    tfgenai serve --model_name=digits --model_base_path="$PWD/served/digits"
    tfgenai serve --model_config_file=serving/models.config

    New versions are picked up while it runs. Flags are named as TensorFlow Serving's;
    those that it has not are host, max_request_bytes, max_request_rows,
    max_response_bytes, drain_seconds, enable_grpc_reflection, log_requests and
    rest_overload_429.
    """  # noqa: D301 - click's mark for lines that are not rewrapped
    given = [folder, model_base_path, model_config_file]
    if sum(value is not None for value in given) != 1:
        raise click.UsageError(
            "Give either FOLDER, --model_base_path or --model_config_file."
        )
    _log_to_stderr()
    from tfgenai.serving import config

    if batching_parameters_file is not None and not enable_batching:
        raise click.UsageError(
            "--batching_parameters_file is set without setting --enable_batching."
        )
    limits = config.Settings(
        **settings, grpc_channel_arguments=_pairs(grpc_channel_arguments)
    )
    if model_config_file is not None:
        models = config.models_from_file(model_config_file)
    elif model_base_path is not None:
        model = config.ModelConfig(model_name, str(model_base_path))
        models = config.check_models([model])
    else:
        models = config.models_from_folder(folder or ".")
    options = _options(
        enable_batching,
        batching_parameters_file,
        monitoring_config_file,
        ssl_config_file,
    )
    # TensorFlow is loaded here, after the mistakes that can be seen without it.
    from tfgenai.serving.server import Server

    _raise_limit_of_files()
    server = Server(
        models,
        host=host,
        port=port,
        rest_api_port=rest_api_port,
        settings=limits,
        model_config_file=model_config_file,
        **options,
    )
    stop = _stop_on_signals()
    server.start()
    try:
        click.echo(_announcement(server, as_json))
        stop.wait()
    finally:
        server.stop()


def _options(
    enable_batching: bool,
    batching_parameters_file: Path | None,
    monitoring_config_file: Path | None,
    ssl_config_file: Path | None,
) -> dict[str, Any]:
    """What stands in files, as arguments of the server."""
    from tfgenai.serving import batching_parameters, text_config

    options: dict[str, Any] = {}
    if batching_parameters_file is not None:
        options["batching"] = batching_parameters.parameters_from_file(
            batching_parameters_file
        )
    elif enable_batching:
        options["batching"] = batching_parameters.BatchingParameters()
    if monitoring_config_file is not None:
        options["metrics_path"] = text_config.metrics_path_from_file(
            monitoring_config_file
        )
    if ssl_config_file is not None:
        options["ssl"] = text_config.ssl_from_file(ssl_config_file)
    return options


def _pairs(text: str) -> tuple[tuple[str, int | str], ...]:
    """Arguments of gRPC; a value that reads as a number is one."""
    pairs: list[tuple[str, int | str]] = []
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not name or not equals:
            raise click.UsageError(
                "--grpc_channel_arguments takes NAME=VALUE,NAME=VALUE. "
                f"Received: {part!r}."
            )
        is_number = value.lstrip("-").isdecimal()
        pairs.append((name, int(value) if is_number else value))
    return tuple(pairs)


def _raise_limit_of_files() -> None:
    """Lets as many callers connect as the system allows this process."""
    import contextlib

    with contextlib.suppress(ImportError, OSError, ValueError):  # not on Windows
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _log_to_stderr() -> None:
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("tfgenai")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def _stop_on_signals() -> Any:
    """An event that the first signal sets; the second ends the process at once."""
    import signal
    import threading

    stop = threading.Event()

    def handle(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stop.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return stop


def _announcement(server: Any, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            {
                "grpc": server.address,
                "rest": server.rest_address,
                "port": server.port,
                "rest_api_port": server.rest_port,
                "models": server.versions,
            }
        )
    lines = [
        f"{name}: version {', '.join(map(str, versions))}"
        for name, versions in server.versions.items()
    ]
    lines.append(f"gRPC on {server.address}")
    if server.rest_address is not None:
        lines.append(f"REST on http://{server.rest_address}/v1/models/NAME")
    return "\n".join([*lines, "Stop with Ctrl+C."])
