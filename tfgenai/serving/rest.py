"""The REST side: TensorFlow Serving's routes on an aiohttp server."""

import asyncio
import functools
import json
import logging
import re
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from urllib.parse import unquote

from aiohttp import web

from tfgenai.core.errors import ServingError
from tfgenai.serving.answers import Answers
from tfgenai.serving.codes import OversizedError, http_status, invalid
from tfgenai.serving.config import Settings
from tfgenai.serving.grpc_service import port_error

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


class RestService:
    """Serves requests over HTTP until it is stopped.

    Args:
        answers: what answers them.
        settings: the server's settings.
        workers: the threads that work on requests.
    """

    def __init__(self, answers: Answers, settings: Settings, workers: Executor) -> None:
        self._answers = answers
        self._settings = settings
        self._workers = workers
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
        try:
            body = await asyncio.wait_for(
                self._answer(request), self._settings.rest_api_timeout_in_ms / 1000
            )
            return web.Response(body=body, content_type=_JSON)
        except ServingError as error:
            return _error(http_status(error), str(error))
        except TimeoutError:
            return _error(504, "Timed out before the answer was there")
        except web.HTTPException as error:
            return _error(error.status, error.reason)
        except Exception:
            _LOGGER.exception("a request failed")
            return _error(500, "The server failed; its log says why.")

    async def _answer(self, request: web.Request) -> bytes:
        path = request.rel_url.raw_path
        if path == _HEALTH_PATH and request.method == "GET":
            return self._health()
        work = self._route(request.method, path)
        if request.method == "POST":
            work = functools.partial(work, await self._body(request))
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    def _route(self, method: str, path: str) -> Callable[..., bytes]:
        """What answers a path; for POST it still takes the body."""
        found = None
        if method == "POST":
            found = _PREDICTION.fullmatch(path)
        elif method == "GET":
            found = _STATUS.fullmatch(path)
        if found is None:
            if not _API.fullmatch(path):
                raise ServingError(f"Not found: {path}", code="NOT_FOUND")
            raise invalid(f"Malformed request: {method} {path}")
        name, label = unquote(found["name"]), unquote(found["label"] or "") or None
        version = int(found["version"]) if found["version"] else None
        if version is not None and version > _MAX_VERSION:
            raise invalid(f"Failed to convert version: {found['version']} to numeric.")
        if method == "GET":
            answer = self._answers.status_json
            if found["metadata"]:
                answer = self._answers.metadata_json
            return functools.partial(answer, name, version, label)
        if found["verb"].lower() != "predict":
            raise ServingError(
                f":{found['verb'].lower()} is not served here. Use :predict, or "
                "TensorFlow Serving.",
                code="UNIMPLEMENTED",
            )
        return functools.partial(self._answers.predict_json, name, version, label)

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
        if self._is_draining or not self._answers.is_serving:
            raise ServingError("NOT_SERVING", code="UNAVAILABLE")
        return b'{"status": "SERVING"}\n'


def _error(status: int, message: str) -> web.Response:
    body = json.dumps({"error": message}, indent=4, ensure_ascii=False)
    # A path may hold half of a surrogate pair, which is no UTF-8.
    encoded = body.encode("utf-8", "backslashreplace")
    return web.Response(status=status, body=encoded, content_type=_JSON)
