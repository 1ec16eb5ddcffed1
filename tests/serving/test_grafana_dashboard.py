"""The dashboard: what Grafana demands of the file, what Prometheus can read of it."""

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import tfgenai

FOLDER = Path(tfgenai.__file__).parent.parent / "serving" / "grafana"

_BOARD = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
_SHOWN = [panel for panel in _BOARD["panels"] if panel["type"] != "row"]


def _queries():
    return [target["expr"] for panel in _SHOWN for target in panel["targets"]]


def test_panels_have_numbers_and_places_of_their_own():
    numbers = [panel["id"] for panel in _BOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    for one, other in itertools.combinations(_BOARD["panels"], 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (one["title"], other["title"])
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in _BOARD["panels"])


def test_every_panel_says_what_it_shows():
    for panel in _SHOWN:
        assert panel["title"]
        assert panel["description"].endswith(".")
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) > 0


def test_every_panel_asks_the_source_that_is_chosen():
    variables = {each["name"]: each for each in _BOARD["templating"]["list"]}
    for panel in _SHOWN:
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    text = (FOLDER / "provisioning" / "datasources" / "prometheus.yaml").read_text()
    (source,) = yaml.safe_load(text)["datasources"]
    assert variables["datasource"]["current"]["value"] == source["uid"]


def test_variables_in_queries_are_declared():
    declared = {each["name"] for each in _BOARD["templating"]["list"]}
    used = {name for query in _queries() for name in re.findall(r"\$\{?(\w+)", query)}
    assert used - {"__rate_interval"} <= declared
    assert "model" in used


def test_prometheus_reads_every_query(tmp_path):
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("needs promtool: apt-get install -y prometheus")
    rules = [
        {
            "record": f"panel:query:{number}",
            "expr": query.replace("$__rate_interval", "1m").replace("$model", ".*"),
        }
        for number, query in enumerate(_queries())
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        [program, "check", "rules", str(file)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout
