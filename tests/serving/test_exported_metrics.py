"""Names of metrics in dashboards, alerts and rules, against those really exported."""

import json
import re
import urllib.request
from pathlib import Path

import pytest
import yaml

import tfgenai

FOLDER = Path(tfgenai.__file__).parent.parent / "serving"

# What a server exports, by name, with the labels of each; a test holds it against the
# server.
_METRICS = {
    ":tensorflow:serving:request_count": {"model_name", "status"},
    ":tensorflow:serving:request_latency": {"model_name", "API", "entrypoint"},
    ":tensorflow:serving:runtime_latency": {"model_name", "API", "runtime"},
    ":tensorflow:serving:model_warmup_latency": {"model_path", "status"},
    ":tensorflow:serving:request_example_count_total": {"model"},
    ":tensorflow:cc:saved_model:load_attempt_count": {"model_path", "status"},
    ":tensorflow:cc:saved_model:load_latency": {"model_path"},
    "tfgenai_serving_queue_depth": {"model_name"},
    "tfgenai_serving_queue_seconds": {"model_name"},
    "tfgenai_serving_batch_size": {"model_name"},
    "tfgenai_serving_padding_rows": {"model_name"},
    "tfgenai_serving_dropped_total": {"model_name", "reason"},
    "tfgenai_serving_in_flight_requests": set(),
    "tfgenai_serving_model_version": {"model_name", "version"},
    "tfgenai_serving_output_score": {"model_name", "score"},
    "tfgenai_serving_output_drift": {"model_name", "score"},
}

_HISTOGRAMS = {
    ":tensorflow:serving:request_latency",
    ":tensorflow:serving:runtime_latency",
    ":tensorflow:serving:model_warmup_latency",
    "tfgenai_serving_queue_seconds",
    "tfgenai_serving_batch_size",
    "tfgenai_serving_padding_rows",
    "tfgenai_serving_output_score",
}

# TensorFlow Serving's alone (tensorflow_serving/batching/batching_session.cc), for the
# autoscaler of a cluster that runs it.
_NOT_OURS = {
    ":tensorflow:serving:batching_session:queuing_latency_sum": {"thread_pool_name"}
}

# Prometheus's own, and what it adds to each series.
_PROMETHEUS = {"up": set()}
_TARGET_LABELS = {"job", "instance", "namespace", "pod"}

_WORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}
_LISTS = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)"
_NAME = r"[a-zA-Z_:][\w:]*"


def _names(expression):
    """The metrics that an expression reads, each with the labels that it selects by."""
    text = re.sub(_LISTS, " ", _without_strings(expression))
    text = re.sub(r"\[[^]]*\]", " ", text)
    found = re.findall(rf"(?<![\w.:$])({_NAME})\s*(?:{{([^}}]*)}}|(\()?)", text)
    names: dict[str, set[str]] = {}
    for name, selector, call in found:
        if not call and name.lower() not in _WORDS:
            names.setdefault(name, set()).update(re.findall(r"(\w+)\s*[=!]", selector))
    return names


def _grouped_by(expression):
    """The labels that an expression adds up or joins by."""
    lists = re.findall(_LISTS, _without_strings(expression))
    return {label for each in lists for label in re.findall(r"\w+", each)}


def _without_strings(expression):
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (model) (rate(:a:b{c="d", e=~"f or g"}[5m])) > 1e6', {":a:b": "ce"}),
        ("a_total unless on (i) b == 1 offset 15m", {"a_total": "", "b": ""}),
        ("count(x) < on (y) group_left () count(z[1h])", {"x": "", "z": ""}),
        ("histogram_quantile(0.9, a_bucket) or vector(0)", {"a_bucket": ""}),
        ("rate(a[$__rate_interval]) / a_count", {"a": "", "a_count": ""}),
    ],
)
def test_names_are_found_in_expressions(expression, names):
    assert _names(expression) == {name: set(keys) for name, keys in names.items()}


def _exposed(server):
    """The families on the server's page with kinds and labels."""
    url = f"http://{server.rest_address}/monitoring/prometheus/metrics"
    with urllib.request.urlopen(url, timeout=60) as answer:
        page = answer.read().decode("utf-8")
    families = {
        name: (kind, set())
        for name, kind in re.findall(rf"^# TYPE ({_NAME}) (\w+)$", page, re.MULTILINE)
    }
    for name, labels in re.findall(rf"^({_NAME})(?:{{(.*)}})? ", page, re.MULTILINE):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        family = name if name in families else base
        keys = re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', labels)
        _, seen = families.setdefault(family, ("untyped", set()))
        seen.update(set(keys) - {"le"})
    return families


def test_the_server_exports_what_is_listed_here(server):
    families = _exposed(server)
    for name, labels in _METRICS.items():
        assert name in families, name
        kind, seen = families[name]
        assert (kind == "histogram") == (name in _HISTOGRAMS), name
        # A family that nothing has happened to yet has no series and shows no labels.
        assert not seen or seen == labels, name


@pytest.fixture
def series(server):
    """What a query can name: of a histogram, its three series."""
    families = _exposed(server)
    names = {name: kind == "histogram" for name, (kind, _) in families.items()}
    found = dict(_PROMETHEUS)
    for name, is_histogram in names.items():
        labels = _METRICS.get(name, set())
        if is_histogram:
            found |= {f"{name}_sum": labels, f"{name}_count": labels}
            found[f"{name}_bucket"] = labels | {"le"}
        else:
            found[name] = labels
    return found


def _dashboard():
    return json.loads((FOLDER / "grafana" / "dashboard.json").read_text("utf-8"))


def _rules():
    text = (FOLDER / "prometheus" / "alerts.yml").read_text("utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def _adapter():
    text = (FOLDER / "kubernetes" / "prometheus-adapter.yaml").read_text("utf-8")
    return yaml.safe_load(text)["rules"]["custom"]


def _check(expressions, series):
    """Every metric is exported, and has the labels that it is asked by."""
    read = set()
    for expression in expressions:
        names = _names(expression)
        read |= names.keys()
        known = set()
        for name, labels in names.items():
            assert name in series, f"{name} is not exported: {expression}"
            allowed = series[name] | _TARGET_LABELS
            assert labels <= allowed, f"{name} has no {labels - allowed}: {expression}"
            known |= allowed
        unknown = _grouped_by(expression) - known
        assert not unknown, f"nothing has {unknown}: {expression}"
    return read


def test_the_dashboard_shows_what_is_exported(series):
    board = _dashboard()
    targets = [
        target for panel in board["panels"] for target in panel.get("targets", ())
    ]
    read = _check([target["expr"] for target in targets], series)
    (query,) = (
        v["query"]["query"] for v in board["templating"]["list"] if v["name"] == "model"
    )
    name, label = re.fullmatch(rf"label_values\(({_NAME}), (\w+)\)", query).groups()
    assert label in series[name]
    families = {re.sub(r"_(bucket|sum|count)$", "", each) for each in read}
    shown = families | read
    assert not _METRICS.keys() - shown, "exported and not shown"


def test_the_alerts_ask_what_is_exported(series):
    rules = _rules()
    recorded = {rule["record"]: {"model_name"} for rule in rules if "record" in rule}
    _check([rule["expr"] for rule in rules], series | recorded)


def test_the_autoscaler_asks_what_is_exported(series):
    expressions = []
    for rule in _adapter():
        labels = ", ".join(rule["resources"]["overrides"])
        (name,) = _names(rule["seriesQuery"])
        expressions += [
            rule["seriesQuery"],
            rule["metricsQuery"]
            .replace("<<.Series>>", name)
            .replace("<<.LabelMatchers>>", 'namespace="n",pod=~"p"')
            .replace("<<.GroupBy>>", labels),
        ]
    _check(expressions, series | _NOT_OURS)


def test_the_readme_names_what_is_exported():
    text = (FOLDER / "README.md").read_text("utf-8")
    named = set(re.findall(r"`(:tensorflow:[\w:]+|tfgenai_serving_\w+)`", text))
    assert named == _METRICS.keys()
