"""A server that answers gRPC and REST as TensorFlow Serving does."""

import asyncio
import concurrent.futures
import logging
import os
import threading
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any

from tfgenai.core.errors import ConfigError
from tfgenai.core.storage import PathLike
from tfgenai.serving.batcher import Batcher
from tfgenai.serving.batching_parameters import BatchingParameters
from tfgenai.serving.config import (
    ModelConfig,
    Settings,
    check_models,
    models_from_folder,
)
from tfgenai.serving.config_poller import ConfigPoller
from tfgenai.serving.dispatcher import Dispatcher
from tfgenai.serving.grpc_service import GrpcService
from tfgenai.serving.manager import ModelManager
from tfgenai.serving.metrics import Metrics
from tfgenai.serving.rest import RestService
from tfgenai.serving.services import Services
from tfgenai.serving.text_config import METRICS_PATH, SslConfig

_LOGGER = logging.getLogger(__name__)

_MAX_PORT = 65_535


class Server:
    """Serves SavedModels to TensorFlow Serving's clients.

    One thread runs the event loop of both protocols; models are run in a small pool of
    threads, where TensorFlow lets go of Python's lock.

    Args:
        models: a folder of exports, or the models.
        host: address to bind to; loopback unless told otherwise.
        port: port of gRPC; 0 takes a free one.
        rest_api_port: port of REST; 0 takes a free one, a negative one means none.
        settings: limits and everything else.
        batching: how requests that wait at the same time are run as one; None runs
            each alone.
        ssl: key and certificate for gRPC; None for no TLS.
        metrics_path: path of the metrics for Prometheus on the REST port; None for
            none.
        model_config_file: a file that the models came from, to be read again every
            `model_config_file_poll_wait_seconds` of the settings.

    Raises:
        ConfigError: if there is nothing to serve or the ports make no sense.

    Example:
        ```python
        with tfgenai.serving.Server("served/", port=0, rest_api_port=0) as server:
            print(server.address, server.rest_address)
        ```
    """

    def __init__(
        self,
        models: PathLike | Sequence[ModelConfig],
        *,
        host: str = "127.0.0.1",
        port: int = 8500,
        rest_api_port: int = 8501,
        settings: Settings | None = None,
        batching: BatchingParameters | None = None,
        ssl: SslConfig | None = None,
        metrics_path: str | None = METRICS_PATH,
        model_config_file: PathLike | None = None,
    ) -> None:
        if isinstance(models, str | os.PathLike):
            self.models = models_from_folder(models)
        else:
            self.models = check_models(models)
        _check_ports(port, rest_api_port)
        self.settings = Settings() if settings is None else settings
        self.host = host
        self._wanted_ports = (port, rest_api_port)
        self._ports: tuple[int, int | None] | None = None
        self.metrics = Metrics()
        self._manager = ModelManager(self.models, self.settings, metrics=self.metrics)
        self.metrics.drift_by_model = self._manager.drift
        self._config_file = model_config_file
        self._workers = concurrent.futures.ThreadPoolExecutor(
            self.settings.grpc_max_threads or 2 * (os.cpu_count() or 1),
            thread_name_prefix="tfgenai-serving",
        )
        self._batcher = None if batching is None else Batcher(batching, self.metrics)
        if self._batcher is not None:
            self.metrics.depth_by_model = self._batcher.depth
        dispatcher = Dispatcher(
            self.settings, self._workers, self.metrics, self._batcher
        )
        services = Services.of(self._manager, self.settings, self.metrics)
        self._grpc = GrpcService(services, dispatcher, self.settings, ssl)
        self._rest = RestService(services, dispatcher, self.settings, metrics_path)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._stop_lock = threading.Lock()
        self._config_poller: ConfigPoller | None = None

    def start(self) -> "Server":
        """Loads the models, binds the ports and begins to answer.

        Returns:
            The server.

        Raises:
            ServingError: if a model cannot be served.
            ConfigError: if a model has no version or a port cannot be bound.
        """
        self._loop = _new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="tfgenai-serving-loop", daemon=True
        )
        self._thread.start()
        try:
            self._manager.start()
            self._ports = self._call(self._bind())
            if self._config_file is not None:
                self._config_poller = ConfigPoller(
                    self._config_file,
                    self._manager.reload,
                    seconds=self.settings.model_config_file_poll_wait_seconds,
                )
        except BaseException:
            self.stop(grace=0.0)
            raise
        return self

    def stop(self, grace: float | None = None) -> None:
        """Takes no more requests, lets those in flight finish, frees everything.

        Args:
            grace: seconds that requests in flight are given; None for the settings'.
        """
        with self._stop_lock:
            if self._stopped.is_set():
                return
            seconds = self.settings.drain_seconds if grace is None else grace
            if self._config_poller is not None:
                self._config_poller.stop()
            if self._loop is not None and self._thread is not None:
                self._call(self._unbind(seconds))
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()
            self._workers.shutdown(wait=False, cancel_futures=True)
            if self._batcher is not None:
                self._batcher.stop()
            self._manager.stop()
            self._stopped.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the server is stopped.

        Args:
            timeout: seconds to wait at most; None for as long as it takes.

        Returns:
            Whether it is stopped.
        """
        return self._stopped.wait(timeout)

    def poll(self) -> None:
        """Looks for new versions now, not only when it is time to."""
        self._manager.poll()

    @property
    def port(self) -> int:
        """The port of gRPC that is bound."""
        return self._bound()[0]

    @property
    def rest_port(self) -> int | None:
        """The port of REST that is bound, or None without REST."""
        return self._bound()[1]

    @property
    def address(self) -> str:
        """Where gRPC is served, for example `"127.0.0.1:8500"`."""
        return _address(self.host, self.port)

    @property
    def rest_address(self) -> str | None:
        """Where REST is served, for example `"127.0.0.1:8501"`, or None."""
        return None if self.rest_port is None else _address(self.host, self.rest_port)

    @property
    def versions(self) -> dict[str, list[int]]:
        """The versions of each model that are served."""
        return self._manager.available

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _bound(self) -> tuple[int, int | None]:
        if self._ports is None:
            raise ConfigError(
                "A server that was started was expected. Received: one that was not. "
                "Call start() first, or use it in a with statement."
            )
        return self._ports

    async def _bind(self) -> tuple[int, int | None]:
        port, rest_api_port = self._wanted_ports
        bound = await self._grpc.start(self.host, port)
        if rest_api_port < 0:
            return bound, None
        return bound, await self._rest.start(self.host, rest_api_port)

    async def _unbind(self, grace: float) -> None:
        await asyncio.gather(self._grpc.stop(grace), self._rest.stop())

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine in the event loop's thread and waits for it."""
        if self._loop is None:
            raise RuntimeError("the event loop is not running")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


def _new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, which has no release for Windows, or else Python's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _check_ports(port: int, rest_api_port: int) -> None:
    for name, value in (("port", port), ("rest_api_port", rest_api_port)):
        if value > _MAX_PORT or (name == "port" and value < 0):
            raise ConfigError(
                f"A port from 0 to {_MAX_PORT} was expected. Received: "
                f"{name}={value}. Choose another; 0 takes a free one."
            )
    if port == rest_api_port != 0:
        raise ConfigError(
            "Two ports were expected. Received: "
            f"port={port} and rest_api_port={rest_api_port}. Choose another "
            "--rest_api_port."
        )


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
