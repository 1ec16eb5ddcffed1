"""Canonical codes, against grpc's own table."""

import grpc
import pytest

from tfgenai.core.errors import ServingError
from tfgenai.serving import codes


def test_numbers_are_grpcs():
    assert {c.name: c.value[0] for c in grpc.StatusCode} == codes.NUMBERS


def test_names_by_number():
    assert all(codes.name_of(number) == name for name, number in codes.NUMBERS.items())
    assert codes.name_of(99) == "UNKNOWN"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("INVALID_ARGUMENT", 400),
        ("FAILED_PRECONDITION", 400),
        ("NOT_FOUND", 404),
        ("RESOURCE_EXHAUSTED", 429),
        ("UNIMPLEMENTED", 501),
        ("UNAVAILABLE", 503),
        ("DEADLINE_EXCEEDED", 504),
        ("INTERNAL", 500),
        ("NO_SUCH_CODE", 500),
    ],
)
def test_http_statuses_are_tensorflow_servings(code, status):
    assert codes.http_status(ServingError("x", code=code)) == status


def test_oversized_is_413_on_rest_and_resource_exhausted_on_grpc():
    error = codes.OversizedError("x")
    assert codes.http_status(error) == 413
    assert error.code == "RESOURCE_EXHAUSTED"
    assert codes.from_http(413) == codes.from_http(429) == "RESOURCE_EXHAUSTED"
    assert codes.from_http(418) == "UNKNOWN"
