"""A report is as good as its worst check."""

import json

from tfgenai.export import Check, VerifyReport

GOOD = Check("size", True, "4 bytes", 1.0)
BAD = Check("rows", False, "they differ", float("inf"))


def make(*checks):
    return VerifyReport(path="m/2", version=2, tensorflow="2.20.0", checks=checks)


def test_one_failed_check_fails_the_report():
    assert make(GOOD).ok
    assert not make(GOOD, BAD).ok
    assert make(GOOD, BAD).failed == (BAD,)


def test_the_text_and_the_json_say_the_same():
    report = make(GOOD, BAD)
    assert str(report).splitlines() == [
        "ok      size: 4 bytes",
        "FAILED  rows: they differ",
        "1 of 2 checks passed: m/2 with TensorFlow 2.20.0",
    ]
    value = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert value["ok"] is False
    assert [check["figure"] for check in value["checks"]] == [1.0, None]
