"""The REST side: TensorFlow Serving's routes on an aiohttp server."""

import asyncio
import functools
import json
import logging
import re
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tfgenai.core.errors import ServingError
from tfgenai.serving.codes import OversizedError, http_status, invalid
from tfgenai.serving.config import Settings
from tfgenai.serving.dispatcher import Dispatcher
from tfgenai.serving.examples import CLASSIFY, REGRESS
from tfgenai.serving.grpc_service import port_error
from tfgenai.serving.metrics import CONTENT_TYPE
from tfgenai.serving.request_record import REQUEST_ID, RequestRecord, request_id
from tfgenai.serving.services import Services
from tfgenai.serving.tracing import CARRIER_NAMES

_LOGGER = logging.getLogger(__name__)

# What is no HTTP at all is the caller's mistake: a log full of it helps nobody.
_HTTP_LOGGER = logging.getLogger(f"{__name__}.http")
_HTTP_LOGGER.setLevel(logging.CRITICAL)

_MODEL = (
    r"/v1/models/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
)
_PREDICTION = re.compile(_MODEL + r":(?P<verb>classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(_MODEL + r"(?P<metadata>/metadata)?", re.IGNORECASE)
_API = re.compile(r"/v1/.*", re.IGNORECASE)
_HEALTH_PATH = "/healthz"

# Versions are signed 64-bit numbers.
_MAX_VERSION = 2**63 - 1

_JSON = "application/json"
# Who sends nothing, or does not come to the end of a request's head, is cut off then.
_IDLE_SECONDS = 75.0
# A full queue is worked off in about this time.
_RETRY_SECONDS = "1"


class RestService:
    """Serves requests over HTTP until it is stopped.

    Args:
        services: what reads requests and knows the models.
        dispatcher: what has them run.
        settings: the server's settings.
        metrics_path: where the metrics are; None for nowhere.
    """

    def __init__(
        self,
        services: Services,
        dispatcher: Dispatcher,
        settings: Settings,
        metrics_path: str | None = None,
    ) -> None:
        self._services = services
        self._dispatcher = dispatcher
        self._settings = settings
        self._metrics_path = metrics_path
        self._runner: web.AppRunner | None = None
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
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        except (OSError, OverflowError) as error:
            listener.close()
            raise port_error("rest_api_port", host, port, str(error)) from error
        application = web.Application(client_max_size=self._settings.max_request_bytes)
        # Also paths with line breaks, for which a dot does not stand.
        application.router.add_route("*", r"/{path:[\s\S]*}", self._handle)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=_HTTP_LOGGER,
            handle_signals=False,
            handler_cancellation=True,
            keepalive_timeout=_IDLE_SECONDS,
            shutdown_timeout=self._settings.drain_seconds,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        return int(listener.getsockname()[1])

    async def stop(self) -> None:
        """Takes no more requests and lets those in flight finish."""
        self._is_draining = True
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        headers = {}
        given = request.headers.get(REQUEST_ID)
        if given is not None:
            headers[REQUEST_ID] = request_id(given)
        try:
            async with asyncio.timeout(self._settings.rest_api_timeout_in_ms / 1000):
                response = await self._answer(request, headers.get(REQUEST_ID, ""))
        except ServingError as error:
            response = self._refusal(error)
        except TimeoutError:
            response = _error(504, "Timed out before the answer was there")
        except web.HTTPException as error:
            response = _error(error.status, error.reason)
        except ConnectionError:
            response = _error(499, "The caller went away")
        except Exception:
            _LOGGER.exception("a request failed")
            response = _error(500, "The server failed; its log says why.")
        response.headers.update(headers)
        return response

    async def _answer(self, request: web.Request, given_id: str) -> web.Response:
        method, path = request.method, request.rel_url.raw_path
        if method == "GET" and path == _HEALTH_PATH:
            return _json(self._health())
        if method == "GET" and path == self._metrics_path:
            body = await self._dispatcher.work(self._services.metrics.render)
            return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})
        if method == "POST" and (found := _PREDICTION.fullmatch(path)):
            verb = found["verb"].lower()
            read = functools.partial(self._reader(verb), *_asked_for(found))
            record = RequestRecord(verb, "REST", given_id)
            record.carrier = {
                name: request.headers[name]
                for name in CARRIER_NAMES
                if name in request.headers
            }
            timeout = self._settings.rest_api_timeout_in_ms / 1000
            body = await self._body(request)
            deadline = time.monotonic() + timeout
            return _json(await self._dispatcher.answer(read, body, record, deadline))
        if method == "GET" and (found := _STATUS.fullmatch(path)):
            info = self._services.info
            answer = info.metadata_json if found["metadata"] else info.status_json
            return _json(
                await self._dispatcher.work(
                    functools.partial(answer, *_asked_for(found))
                )
            )
        if not _API.fullmatch(path):
            raise ServingError(f"Not found: {path}", code="NOT_FOUND")
        raise invalid(f"Malformed request: {method} {path}")

    def _reader(self, verb: str) -> Callable[..., Any]:
        """What reads the body of a prediction, given which model it asks for."""
        if verb == "predict":
            return self._services.predict.read_json
        method = CLASSIFY if verb == "classify" else REGRESS
        return functools.partial(self._services.examples.read_json, method)

    def _refusal(self, error: ServingError) -> web.Response:
        status, headers = http_status(error), {}
        if self._settings.rest_overload_429 and error.code == "UNAVAILABLE":
            status, headers = 429, {"Retry-After": _RETRY_SECONDS}
        response = _error(status, str(error))
        response.headers.update(headers)
        return response

    async def _body(self, request: web.Request) -> bytes:
        limit = self._settings.max_request_bytes
        try:
            # A length that is announced is refused before a byte is read.
            if (request.content_length or 0) <= limit:
                return await request.read()
        except web.HTTPRequestEntityTooLarge:
            pass
        raise OversizedError(
            f"A request of at most {limit} bytes was expected. Received: more. Send "
            "fewer rows at a time, or raise --max_request_bytes."
        )

    def _health(self) -> bytes:
        if self._is_draining or not self._services.info.is_serving:
            raise ServingError("NOT_SERVING", code="UNAVAILABLE")
        return b'{"status": "SERVING"}\n'


def _asked_for(found: re.Match[str]) -> tuple[str, int | None, str | None]:
    """Name, version and label in a path."""
    name, label = unquote(found["name"]), unquote(found["label"] or "") or None
    version = int(found["version"]) if found["version"] else None
    if version is not None and version > _MAX_VERSION:
        raise invalid(f"Failed to convert version: {found['version']} to numeric.")
    return name, version, label


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=_JSON)


def _error(status: int, message: str) -> web.Response:
    body = json.dumps({"error": message}, indent=4, ensure_ascii=False)
    # A path may hold half of a surrogate pair, which is no UTF-8.
    encoded = body.encode("utf-8", "backslashreplace")
    return web.Response(status=status, body=encoded, content_type=_JSON)
