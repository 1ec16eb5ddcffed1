"""The gRPC side: TensorFlow Serving's services on an asyncio server."""

import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from tfgenai.core.errors import ConfigError, ServingError
from tfgenai.serving.config import Settings
from tfgenai.serving.dispatcher import Dispatcher, Read
from tfgenai.serving.examples import CLASSIFY, REGRESS
from tfgenai.serving.request_record import REQUEST_ID, RequestRecord, request_id
from tfgenai.serving.services import Services
from tfgenai.serving.text_config import SslConfig
from tfgenai.serving.tracing import CARRIER_NAMES
from tfgenai.serving.wire import messages_pb2

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
        services: what reads requests and knows the models.
        dispatcher: what has them run.
        settings: the server's settings.
        ssl: key and certificate; None for no TLS.
    """

    def __init__(
        self,
        services: Services,
        dispatcher: Dispatcher,
        settings: Settings,
        ssl: SslConfig | None = None,
    ) -> None:
        self._services = services
        self._dispatcher = dispatcher
        self._settings = settings
        self._ssl = ssl
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
                *self._settings.grpc_channel_arguments,
            ]
        )
        self._server.add_generic_rpc_handlers(self._handlers())
        if self._settings.enable_grpc_reflection:
            self._describe()
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self._ssl is None:
                bound = self._server.add_insecure_port(address)
            else:
                bound = self._server.add_secure_port(address, _credentials(self._ssl))
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

    def _describe(self) -> None:
        from grpc_reflection.v1alpha import reflection

        # Reflection reads descriptions from where importing these leaves them.
        from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

        names = [
            service.full_name
            for module in (prediction_service_pb2, model_service_pb2)
            for service in module.DESCRIPTOR.services_by_name.values()
        ]
        reflection.enable_server_reflection(
            [*names, reflection.SERVICE_NAME], self._server
        )

    def _handlers(self) -> list[Any]:
        predict, examples = self._services.predict, self._services.examples
        info = self._services.info
        reads: dict[str, tuple[Read, str]] = {
            "Predict": (predict.read, "predict"),
            "Classify": (functools.partial(examples.read, CLASSIFY), "classify"),
            "Regress": (functools.partial(examples.read, REGRESS), "regress"),
            "MultiInference": (examples.read_multi, "multi-inference"),
        }
        predict_methods: dict[str, Handler] = {
            name: functools.partial(self._answer, read, api)
            for name, (read, api) in reads.items()
        }
        predict_methods["GetModelMetadata"] = functools.partial(
            self._work, info.metadata
        )
        model_methods: dict[str, Handler] = {
            "GetModelStatus": functools.partial(self._work, info.status),
            "HandleReloadConfigRequest": functools.partial(self._work, info.reload),
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

    async def _answer(self, read: Read, api: str, body: bytes, context: Any) -> bytes:
        remaining = context.time_remaining()
        deadline = None if remaining is None else time.monotonic() + remaining
        record = RequestRecord(api, "GRPC")
        for key, value in context.invocation_metadata() or ():
            if key == REQUEST_ID:
                record.request_id = request_id(str(value))
                context.set_trailing_metadata(((REQUEST_ID, record.request_id),))
            elif key in CARRIER_NAMES:
                record.carrier = {**record.carrier, key: str(value)}
        try:
            return await self._dispatcher.answer(read, body, record, deadline)
        except ServingError as error:
            await context.abort(_status(error.code), _cut(str(error)))
        raise RuntimeError("abort() did not raise")

    async def _work(
        self, function: Callable[[bytes], bytes], body: bytes, context: Any
    ) -> bytes:
        try:
            return await self._dispatcher.work(functools.partial(function, body))
        except ServingError as error:
            await context.abort(_status(error.code), _cut(str(error)))
        raise RuntimeError("abort() did not raise")

    async def _check_health(self, body: bytes, context: Any) -> bytes:
        try:
            request = messages_pb2.HealthCheckRequest.FromString(body)
        except Exception:  # protobuf's DecodeError, wherever it lives
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "unreadable request")
        if request.service not in _HEALTHY_NAMES:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        status = messages_pb2.HealthCheckResponse.SERVING
        if self._is_draining or not self._services.info.is_serving:
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


def _credentials(ssl: SslConfig) -> Any:
    return grpc.ssl_server_credentials(
        [(ssl.server_key.encode(), ssl.server_cert.encode())],
        root_certificates=ssl.custom_ca.encode() or None,
        require_client_auth=ssl.client_verify,
    )


def _status(code: str) -> Any:
    return getattr(grpc.StatusCode, code, grpc.StatusCode.UNKNOWN)


def _cut(text: str) -> str:
    if len(text) <= _MAX_DETAILS:
        return text
    return text[:_MAX_DETAILS] + "...TRUNCATED"
