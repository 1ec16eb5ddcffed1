"""What is known of one request, for the counters and for the log."""

import dataclasses
import json
import logging
import time
import uuid
from collections.abc import Mapping

from tfgenai.serving.metrics import Metrics

REQUEST_ID = "x-request-id"

_LOGGER = logging.getLogger("tfgenai.requests")
_MAX_ID = 128


@dataclasses.dataclass
class RequestRecord:
    """One request, filled in as it goes along.

    Args:
        api: TensorFlow Serving's word for the method, such as `"predict"`.
        entrypoint: `"GRPC"` or `"REST"`.
        request_id: the caller's own word for it, or "" for one that is made up.
        carrier: what the caller says of its own span, by name.
    """

    api: str
    entrypoint: str
    request_id: str = ""
    model: str = ""
    version: int = 0
    signature: str = ""
    rows: int = 0
    run_seconds: float = 0.0
    code: str = "OK"
    message: str = ""
    carrier: Mapping[str, str] = dataclasses.field(default_factory=dict)
    began: float = dataclasses.field(default_factory=time.perf_counter)

    def finish(self, metrics: Metrics, *, is_logged: bool) -> None:
        """Counts the request, and logs it as a line of JSON if that is asked for."""
        seconds = time.perf_counter() - self.began
        metrics.request(self.model, self.api, self.entrypoint, self.code, seconds)
        if self.run_seconds:
            metrics.runtime(self.model, self.api, self.run_seconds)
        if is_logged:
            _LOGGER.info(self.to_json(seconds))

    def to_json(self, seconds: float) -> str:
        """The line of the log.

        Args:
            seconds: from its arrival to its answer.
        """
        return json.dumps(
            {
                "request_id": self.request_id or uuid.uuid4().hex,
                "model": self.model,
                "version": self.version,
                "signature": self.signature,
                "api": self.api,
                "entrypoint": self.entrypoint,
                "rows": self.rows,
                "status": self.code,
                "milliseconds": round(1e3 * seconds, 3),
                "run_milliseconds": round(1e3 * self.run_seconds, 3),
                **({"message": self.message} if self.message else {}),
            }
        )


def request_id(given: str | None) -> str:
    """A caller's word for a request, made safe for a log and a header.

    Args:
        given: what the caller sent, or None.

    Returns:
        Its printable ASCII characters, at most 128 of them; or a made-up one.
    """
    kept = "".join(c for c in given or "" if c.isascii() and c.isprintable())
    return kept[:_MAX_ID] or uuid.uuid4().hex
