"""Records of requests: what the log says, and names of requests that are safe in it."""

import json

import pytest

from tfgenai.serving.request_record import RequestRecord, request_id


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-123", "abc-123"),
        ("a\r\nX-Injected: 1", "aX-Injected: 1"),
        ("ü\x00é", None),
        ("", None),
        (None, None),
        ("x" * 1000, "x" * 128),
    ],
)
def test_request_ids(given, kept):
    found = request_id(given)
    assert found == kept if kept else len(found) == 32


def test_the_line_of_the_log():
    record = RequestRecord("predict", "REST", "id")
    record.model, record.code, record.message = "m", "NOT_FOUND", 'no "m"\n'
    line = record.to_json(0.0015)
    assert "\n" not in line
    assert json.loads(line) == {
        "request_id": "id",
        "model": "m",
        "version": 0,
        "signature": "",
        "api": "predict",
        "entrypoint": "REST",
        "rows": 0,
        "status": "NOT_FOUND",
        "milliseconds": 1.5,
        "run_milliseconds": 0.0,
        "message": 'no "m"\n',
    }
