"""The labelling page: a server on loopback, a page for the keyboard, a store."""

import asyncio
import hmac
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from tfgenai.core.errors import DataError
from tfgenai.core.pages import template_environment
from tfgenai.data.label.items import Items
from tfgenai.data.label.store import LabelStore

KEYS = tuple("1234567890qwertyuiopadfghjklzxcvbnm")  # s is to skip
_MOST_NAME = 64
_MOST_SECONDS = 86_400.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "style-src 'unsafe-inline'; script-src 'nonce-{}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


class LabelPage:
    """Shows items to people and stores what they say.

    Only requests that name loopback as their host, and that the page itself sent, are
    answered: a page elsewhere, opened in the same browser, can neither read nor write.

    Args:
        items: what is labelled.
        store: where labels go.
        show_suggestions: whether the suggested class is marked.
        disagreements_first: whether items that others disagree about come first.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        items: Items,
        store: LabelStore,
        *,
        show_suggestions: bool = False,
        disagreements_first: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._items, self._store = items, store
        self._show_suggestions = show_suggestions
        self._disagreements_first = disagreements_first
        self._clock = clock
        self._token = secrets.token_urlsafe(24)

    def application(self) -> web.Application:
        """The web application, for a runner of aiohttp."""
        application = web.Application(
            client_max_size=2**16, middlewares=[self._guarded]
        )
        application.add_routes(
            [
                web.get("/", self._page),
                web.get("/state", self._state),
                web.get("/media", self._media),
                web.post("/label", self._label),
                web.post("/undo", self._undo),
            ]
        )
        return application

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Any]
    ) -> web.StreamResponse:
        host = urlsplit(f"//{request.host}").hostname
        # A name that is bound to 127.0.0.1 elsewhere is not ours (DNS rebinding).
        if host not in _LOOPBACK:
            raise web.HTTPForbidden(text="Only loopback is served.")
        if request.path != "/":
            token = request.headers.get("X-Token") or request.query.get("token", "")
            if not hmac.compare_digest(token.encode(), self._token.encode()):
                raise web.HTTPForbidden(text="Reload the page.")
        try:
            response: web.StreamResponse = await handler(request)
        except (DataError, ValueError, KeyError, TypeError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _page(self, request: web.Request) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        keys = keys_of(self._store.classes)
        classes = [{"name": name, "key": key} for name, key in keys.items()]
        template = template_environment(Path(__file__).parent).get_template("page.html")
        page = template.render(
            classes=classes, kind=self._items.kind, token=self._token, nonce=nonce
        )
        response = web.Response(text=page, content_type="text/html")
        response.headers["Content-Security-Policy"] = _POLICY.format(nonce)
        return response

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(self._describe(_name(request.query["labeller"])))

    async def _media(self, request: web.Request) -> web.Response:
        data, kind = self._items.media(request.query["id"])
        charset = "utf-8" if kind.startswith("text/") else None
        return web.Response(body=data, content_type=kind, charset=charset)

    async def _label(self, request: web.Request) -> web.Response:
        values = await request.json()
        labeller = _name(values["labeller"])
        seconds = float(values.get("seconds", 0.0))
        if not 0.0 <= seconds <= _MOST_SECONDS:
            seconds = 0.0  # also what is no number
        self._store.set(
            values["id"],
            labeller,
            values["label"],
            time=self._clock(),
            seconds=seconds,
        )
        return web.json_response(self._describe(labeller))

    async def _undo(self, request: web.Request) -> web.Response:
        values = await request.json()
        labeller = _name(values["labeller"])
        item = self._store.undo(labeller, time=self._clock())
        return web.json_response(self._describe(labeller, item))

    def _describe(self, labeller: str, item: str | None = None) -> dict[str, Any]:
        if item is None:
            item = self._store.next(
                labeller, disagreements_first=self._disagreements_first
            )
        suggestion = None
        if item is not None and self._show_suggestions:
            suggestion = self._store.suggestion(item)
        return {
            "id": item,
            "done": self._store.count(labeller),
            "total": len(self._store),
            "suggestion": suggestion,
        }


def keys_of(classes: Sequence[str]) -> dict[str, str]:
    """A key for each class: its own name or first letter where that is free.

    Args:
        classes: names; those beyond the keys there are get none, "".

    Example:
        >>> keys_of(["cat", "car", "7"])
        {'cat': 'c', 'car': '1', '7': '7'}
    """
    keys = {name: name.lower() for name in classes if name.lower() in KEYS}
    for name in classes:
        first = name[:1].lower()
        if name not in keys and first in KEYS and first not in keys.values():
            keys[name] = first
    free = [key for key in KEYS if key not in keys.values()]
    for name in classes:
        if name not in keys:
            keys[name] = free.pop(0) if free else ""
    return {name: keys[name] for name in classes}


def serve(page: LabelPage, *, port: int = 0, announce: Callable[[str], Any]) -> None:
    """Serves a page on loopback until SIGINT or SIGTERM.

    Args:
        page: the page.
        port: port to bind to; 0 takes a free one.
        announce: is told the address.

    Raises:
        DataError: if the port is taken.
    """
    asyncio.run(_serve(page, port, announce))


async def _serve(page: LabelPage, port: int, announce: Callable[[str], Any]) -> None:
    runner = web.AppRunner(page.application(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        try:
            await site.start()
        except OSError as error:
            raise DataError(
                f"A free port was expected. Received: port={port} ({error}). Choose "
                "another, or 0 for any."
            ) from error
        announce(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        await stopped.wait()
    finally:
        await runner.cleanup()


def _name(value: Any) -> str:
    """A labeller's name, checked."""
    name = str(value).strip()
    if not name or len(name) > _MOST_NAME or not name.isprintable():
        raise DataError(
            f"A name of up to {_MOST_NAME} characters was expected. Received: "
            f"labeller={value!r}."
        )
    return name
