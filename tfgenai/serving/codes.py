"""Canonical status codes: their numbers, and what they are called in HTTP."""

from tfgenai.core.errors import ServingError

NUMBERS = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}

# As TensorFlow Serving's REST server translates them.
_HTTP = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}

_FROM_HTTP = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class OversizedError(ServingError):
    """A request claims or holds more than the server takes."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="RESOURCE_EXHAUSTED")


def invalid(message: str) -> ServingError:
    """An error for a request that is wrong in itself."""
    return ServingError(message, code="INVALID_ARGUMENT")


def name_of(number: int) -> str:
    """The name of a canonical code; `"UNKNOWN"` for a number that is none.

    Example:
        >>> name_of(5)
        'NOT_FOUND'
    """
    for name, value in NUMBERS.items():
        if value == number:
            return name
    return "UNKNOWN"


def http_status(error: ServingError) -> int:
    """The HTTP status that stands for an error."""
    if isinstance(error, OversizedError):
        return 413
    return _HTTP.get(error.code, 500)


def from_http(status: int) -> str:
    """The canonical code that an HTTP status stands for."""
    return _FROM_HTTP.get(status, "UNKNOWN")
