"""The load-test profile: a request that is answered, limits that are the alerts'."""

import ast
import json
import re
import runpy
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

import tfgenai

FOLDER = Path(tfgenai.__file__).parent.parent / "serving"

_PROFILE = json.loads((FOLDER / "load_test" / "profile.json").read_text("utf-8"))


def _ask(server, rows):
    body = {"signature_name": _PROFILE["signature_name"], "instances": rows}
    request = urllib.request.Request(
        f"http://{server.rest_address}/v1/models/{_PROFILE['model']}:predict",
        json.dumps(body).encode(),
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["predictions"]


def test_the_server_answers_what_is_asked(server):
    largest = _PROFILE["num_classes"] - 1
    rows = _ask(server, [{"seed": 1, "labels": 0}, {"seed": 2, "labels": largest}])
    assert [row["error"] for row in rows] == ["", ""]


def test_a_row_that_is_refused_says_so_where_the_profile_looks(server):
    (row,) = _ask(server, [{"seed": 1, "labels": _PROFILE["num_classes"]}])
    assert row["error"]


def test_the_stages_are_those_of_the_capacity_plan():
    plan = runpy.run_path(str(FOLDER / "capacity_plan.py"))["plan"](100.0)
    rates = {each["name"]: each["requests_per_second"] for each in _PROFILE["stages"]}
    assert rates["mean"] == rates["after"] == round(plan["mean_rate"])
    assert rates["peak"] == pytest.approx(plan["peak_rate"], abs=1)
    assert rates["warm"] < rates["mean"]


def test_the_limits_are_those_of_the_alerts():
    alerts = (FOLDER / "prometheus" / "alerts.yml").read_text("utf-8")
    failed = set(re.findall(r"> [\d.]+ \* ([\d.]+)", alerts))
    assert failed == {str(_PROFILE["limits"]["failed"])}
    microseconds = re.search(r"> (1e\d)\n", alerts)[1]
    assert float(microseconds) == _PROFILE["limits"]["p99_ms"] * 1000


def test_the_locustfile_is_python():
    """Also where no locust is installed."""
    ast.parse((FOLDER / "load_test" / "locustfile.py").read_text("utf-8"))


@pytest.fixture
def locust(server):
    """Runs a hundredth of the profile; returns the exit code and what was said."""
    program = shutil.which("locust")
    if program is None:
        pytest.skip("needs locust: pip install locust, in an environment of its own")

    def run(file):
        command = [program, "--headless", "--only-summary", "--locustfile", str(file)]
        command += ["--host", f"http://{server.rest_address}"]
        command += ["--load-scale=0.02", "--time-scale=0.02"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=file.parent)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.slow
def test_locust_runs_the_profile_and_judges(locust, tmp_path):
    folder = shutil.copytree(FOLDER / "load_test", tmp_path / "load_test")
    code, words = locust(folder / "locustfile.py")
    assert code == 0, words
    assert "passed: " in words
    # A class too many: some of the rows are refused.
    profile = _PROFILE | {"num_classes": _PROFILE["num_classes"] + 1}
    (folder / "profile.json").write_text(json.dumps(profile))
    code, words = locust(folder / "locustfile.py")
    assert code == 1, words
    assert "FAILED: " in words
