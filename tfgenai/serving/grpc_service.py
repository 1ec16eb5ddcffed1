"""The gRPC side: TensorFlow Serving's services on an asyncio server."""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any

import grpc

from tfgenai.core.errors import ConfigError, ServingError
from tfgenai.serving.answers import Answers
from tfgenai.serving.config import Settings
from tfgenai.serving.wire import messages_pb2

_LOGGER = logging.getLogger(__name__)

_PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
_MODEL_SERVICE = "tensorflow.serving.ModelService"
_HEALTH_SERVICE = "grpc.health.v1.Health"

# The names that TensorFlow Serving answers a health check for, and the full ones.
_HEALTHY_NAMES = frozenset(
    ["", "PredictionService", "ModelService", _PREDICTION_SERVICE, _MODEL_SERVICE]
)

# Longer words would not fit into the trailer; TensorFlow Serving cuts them here, too.
_MAX_DETAILS = 1024

Handler = Callable[[bytes, Any], Awaitable[bytes]]


class GrpcService:
    """Serves requests over gRPC until it is stopped.

    Args:
        answers: what answers them.
        settings: the server's settings.
        workers: the threads that work on requests.
    """

    def __init__(self, answers: Answers, settings: Settings, workers: Executor) -> None:
        self._answers = answers
        self._settings = settings
        self._workers = workers
        self._server: Any = None
        self._is_draining = False

    async def start(self, host: str, port: int) -> int:
        """Binds and begins to serve.

        Args:
            host: address to bind to.
            port: port to bind to; 0 takes a free one.

        Returns:
            The port bound.

        Raises:
            ConfigError: if the port is taken or not allowed.
        """
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", self._settings.max_request_bytes),
                ("grpc.max_send_message_length", -1),
                # Otherwise a second server on the port would take half the requests.
                ("grpc.so_reuseport", 0),
            ]
        )
        self._server.add_generic_rpc_handlers(self._handlers())
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise port_error("port", host, port, str(error)) from error
        await self._server.start()
        return int(bound)

    async def stop(self, grace: float) -> None:
        """Takes no more requests and lets those in flight finish.

        Args:
            grace: seconds that they are given.
        """
        self._is_draining = True
        if self._server is not None:
            await self._server.stop(grace)

    def _handlers(self) -> list[Any]:
        work = self._answers
        predict_methods: dict[str, Handler] = {
            "Predict": functools.partial(self._answer, work.predict),
            "GetModelMetadata": functools.partial(self._answer, work.metadata),
        }
        for name in ("Classify", "Regress", "MultiInference"):
            predict_methods[name] = functools.partial(_refuse, name)
        model_methods: dict[str, Handler] = {
            "GetModelStatus": functools.partial(self._answer, work.status),
            "HandleReloadConfigRequest": functools.partial(
                _refuse, "HandleReloadConfigRequest"
            ),
        }
        services = {_PREDICTION_SERVICE: predict_methods, _MODEL_SERVICE: model_methods}
        if self._settings.enable_grpc_healthcheck_service:
            services[_HEALTH_SERVICE] = {"Check": self._check_health}
        # Without (de)serializers gRPC hands over bytes, so that a message that cannot
        # be parsed is answered by us, and parsing does not hold up the event loop.
        return [
            grpc.method_handlers_generic_handler(
                service,
                {
                    name: grpc.unary_unary_rpc_method_handler(handler)
                    for name, handler in methods.items()
                },
            )
            for service, methods in services.items()
        ]

    async def _answer(
        self, function: Callable[[bytes], bytes], body: bytes, context: Any
    ) -> bytes:
        remaining = context.time_remaining()
        deadline = None if remaining is None else time.monotonic() + remaining
        try:
            # If the caller goes away the await is cancelled, and with it the work, as
            # long as it has not begun.
            return await asyncio.get_running_loop().run_in_executor(
                self._workers, functools.partial(_work, function, body, deadline)
            )
        except ServingError as error:
            await context.abort(_status(error.code), _cut(str(error)))
        except Exception:
            _LOGGER.exception("a request failed")
            await context.abort(
                grpc.StatusCode.INTERNAL, "The server failed; its log says why."
            )
        raise RuntimeError("abort() did not raise")

    async def _check_health(self, body: bytes, context: Any) -> bytes:
        try:
            request = messages_pb2.HealthCheckRequest.FromString(body)
        except Exception:  # protobuf's DecodeError, wherever it lives
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "unreadable request")
        if request.service not in _HEALTHY_NAMES:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        status = messages_pb2.HealthCheckResponse.SERVING
        if self._is_draining or not self._answers.is_serving:
            status = messages_pb2.HealthCheckResponse.NOT_SERVING
        return messages_pb2.HealthCheckResponse(status=status).SerializeToString()


def port_error(argument: str, host: str, port: int, reason: str) -> ConfigError:
    """The error for a port that cannot be bound.

    Args:
        argument: the setting's name.
        host: the address.
        port: the port.
        reason: the system's words.
    """
    return ConfigError(
        f"A free port at {host!r} was expected. Received: {argument}={port}, which "
        f"cannot be bound ({reason}). Stop what listens there, or choose another "
        f"--{argument}; 0 takes a free one."
    )


def _work(
    function: Callable[[bytes], bytes], body: bytes, deadline: float | None
) -> bytes:
    if deadline is not None and time.monotonic() >= deadline:
        raise ServingError("Deadline Exceeded", code="DEADLINE_EXCEEDED")
    return function(body)


async def _refuse(method: str, body: bytes, context: Any) -> bytes:
    await context.abort(
        grpc.StatusCode.UNIMPLEMENTED,
        f"{method} is not served here. Call Predict, or use TensorFlow Serving.",
    )
    raise RuntimeError("abort() did not raise")


def _status(code: str) -> Any:
    return getattr(grpc.StatusCode, code, grpc.StatusCode.UNKNOWN)


def _cut(text: str) -> str:
    if len(text) <= _MAX_DETAILS:
        return text
    return text[:_MAX_DETAILS] + "...TRUNCATED"
