"""Prometheus: its configurations, rules and their unit tests, by promtool itself."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import tfgenai

FOLDER = Path(tfgenai.__file__).parent.parent / "serving" / "prometheus"


@pytest.fixture
def promtool():
    """Runs promtool; returns whether it was content, and what it said."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("needs promtool: apt-get install -y prometheus")

    def run(*arguments):
        done = subprocess.run(
            [program, *map(str, arguments)], capture_output=True, text=True
        )
        return done.returncode == 0, done.stdout + done.stderr

    return run


def _load(name):
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


def _alerts():
    groups = _load("alerts.yml")["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_the_configuration_and_its_rules_are_read(promtool):
    content, words = promtool("check", "config", FOLDER / "prometheus.yml")
    assert content, words
    assert f"{len(_load('prometheus.yml')['rule_files'])} rule files found" in words


def test_the_clusters_configuration_is_read(promtool, tmp_path):
    """Debian's build knows no Kubernetes: a fixed target stands in for the search."""
    config = _load("kubernetes.yml")
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": ["127.0.0.1:8501"]}]
        del job["kubernetes_sd_configs"]
    (tmp_path / "kubernetes.yml").write_text(yaml.safe_dump(config))
    shutil.copy(FOLDER / "alerts.yml", tmp_path)
    content, words = promtool("check", "config", tmp_path / "kubernetes.yml")
    assert content, words


def test_the_rules_pass_their_unit_tests(promtool):
    content, words = promtool("test", "rules", FOLDER / "alerts_test.yml")
    assert content, words


def test_prometheus_reads_the_adapters_queries(promtool, tmp_path):
    """The templates, filled in as https://github.com/kubernetes-sigs/prometheus-adapter."""
    values = FOLDER.parent / "kubernetes" / "prometheus-adapter.yaml"
    rules = []
    for rule in yaml.safe_load(values.read_text("utf-8"))["rules"]["custom"]:
        query = rule["metricsQuery"]
        for template, filled in (
            ("<<.Series>>", rule["seriesQuery"].partition("{")[0]),
            ("<<.LabelMatchers>>", 'namespace="a",pod=~"b|c"'),
            ("<<.GroupBy>>", "pod"),
        ):
            assert template in query
            query = query.replace(template, filled)
        rules += [
            {"record": "query", "expr": each} for each in (query, rule["seriesQuery"])
        ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    content, words = promtool("check", "rules", file)
    assert content, words


def test_every_alert_is_seen_to_fire():
    tested = {
        case["alertname"]
        for group in _load("alerts_test.yml")["tests"]
        for case in group.get("alert_rule_test", [])
        if case["exp_alerts"]
    }
    assert {alert["alert"] for alert in _alerts()} == tested


def test_every_alert_says_how_bad_it_is_and_what_to_do():
    for alert in _alerts():
        assert alert["labels"]["severity"] in ("warning", "critical"), alert["alert"]
        assert alert["annotations"].keys() == {"summary", "description"}


def test_both_configurations_ask_where_the_server_answers():
    path = "/monitoring/prometheus/metrics"
    assert path in (FOLDER.parent / "monitoring.config").read_text("utf-8")
    for name in ("prometheus.yml", "kubernetes.yml"):
        (job,) = _load(name)["scrape_configs"]
        assert job["metrics_path"] == path
        # Two of the alerts name the job.
        assert job["job_name"] == "tfgenai-serving"
