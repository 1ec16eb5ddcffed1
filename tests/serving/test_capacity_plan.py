"""The capacity plan: its arithmetic by hand, and what it takes from other files."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tfgenai

FOLDER = Path(tfgenai.__file__).parent.parent / "serving"
_SCRIPT = FOLDER / "capacity_plan.py"


@pytest.fixture(scope="module")
def plan():
    return runpy.run_path(str(_SCRIPT))["plan"]


def test_a_million_an_hour_by_hand(plan):
    """277.8/s x 3 = 833.3/s; 100/s x 4 x 0.6 = 240/s; 833.3 / 240 = 3.47, so 4 + 1."""
    figures = plan(100.0)
    assert figures["mean_rate"] == pytest.approx(277.78, abs=0.01)
    assert figures["peak_rate"] == pytest.approx(833.33, abs=0.01)
    assert figures["rate_per_server"] == pytest.approx(240.0)
    assert (figures["servers_needed"], figures["servers"]) == (4, 5)
    assert figures["cores"] == 20
    assert figures["busy_mean"] == pytest.approx(277.78 / 2000, abs=1e-4)
    assert figures["busy_peak_with_loss"] == pytest.approx(833.33 / 1600, abs=1e-4)


@pytest.mark.parametrize("rate", [0.7, 13.0, 277.0, 5000.0])
def test_the_peak_is_borne_with_a_server_lost(plan, rate):
    figures = plan(rate, utilisation=0.5, servers_lost=2)
    assert figures["busy_peak_with_loss"] <= 0.5
    assert figures["servers"] == figures["servers_needed"] + 2
    # One server fewer would not do.
    assert (figures["servers_needed"] - 1) * figures["rate_per_server"] < 833.4


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_per_core": 0.0},
        {"rate_per_core": 1.0, "utilisation": 60},
        {"rate_per_core": 1.0, "peak_factor": 0.5},
        {"rate_per_core": 1.0, "servers_lost": -1},
    ],
)
def test_what_cannot_be_is_refused(plan, wrong):
    with pytest.raises(ValueError, match="Received: "):
        plan(**wrong)


def test_it_plans_for_the_cluster_of_the_files(plan):
    given = plan.__kwdefaults__
    file = FOLDER / "kubernetes" / "deployment.yaml"
    (container,) = yaml.safe_load(file.read_text())["spec"]["template"]["spec"][
        "containers"
    ]
    cpu = container["resources"]["requests"]["cpu"]
    assert given["cores_per_server"] == int(cpu)
    scaler = yaml.safe_load((FOLDER / "kubernetes" / "autoscaler.yaml").read_text())
    (busy,) = (e["resource"] for e in scaler["spec"]["metrics"] if "resource" in e)
    target = busy["target"]["averageUtilization"]
    assert given["utilisation"] == target / 100


def test_the_table_comes_from_a_benchmarks_result(tmp_path):
    file = tmp_path / "result.json"
    file.write_text(json.dumps({"medians": {"ours": 200.0, "echo": 9e3}, "cores": 2}))
    done = subprocess.run(
        [sys.executable, str(_SCRIPT), str(file), "--side=ours"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = dict(re.findall(r"^\| (.*?) \| .* \| (.*?) \|$", done.stdout, re.MULTILINE))
    assert rows["requests/s of a core"] == "100.0"
    assert rows["requests/s, peak"] == "833"
    assert rows["**servers**"] == "**5**"
    done = subprocess.run(
        [sys.executable, str(_SCRIPT), str(file), "--side=others"],
        capture_output=True,
        text=True,
    )
    assert "['echo', 'ours'] was expected" in done.stderr
