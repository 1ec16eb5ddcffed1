"""What is counted, as Prometheus reads it."""

import re

import numpy as np

from tfgenai.serving.metrics import Metrics


def _samples(metrics):
    # The library's own parser gives counters other names.
    page = metrics.render().decode()
    return {
        (name, tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels)))): float(value)
        for name, labels, value in re.findall(r"(?m)^([\w:]+)({.*})? (\S+)$", page)
    }


def _value(metrics, name, **labels):
    return _samples(metrics)[name, tuple(sorted(labels.items()))]


def test_requests_by_status_and_their_latency_in_microseconds():
    metrics = Metrics()
    metrics.versions = {"m": [3]}
    for status in ("OK", "OK", "NOT_FOUND"):
        metrics.request("m", "predict", "REST", status, 0.5)
    name = ":tensorflow:serving:request_count"
    assert _value(metrics, name, model_name="m", status="OK") == 2
    labels = {"model_name": "m", "API": "predict", "entrypoint": "REST"}
    latency = ":tensorflow:serving:request_latency"
    assert _value(metrics, f"{latency}_count", **labels) == 3
    assert _value(metrics, f"{latency}_sum", **labels) == 1.5e6
    assert _value(metrics, "tfgenai_serving_model_version", model_name="m", version="3")


def test_names_that_clients_made_up_are_counted_together():
    metrics = Metrics()
    for number in range(100):
        metrics.request(f"made up {number}", "predict", "GRPC", "NOT_FOUND", 0.1)
    labels = {"model_name": "(unknown)", "status": "NOT_FOUND"}
    assert _value(metrics, ":tensorflow:serving:request_count", **labels) == 100
    assert b"made up" not in metrics.render()


def test_names_of_counters_are_kept_as_they_are():
    metrics = Metrics()
    metrics.dropped("m", "full")
    page = metrics.render().decode()
    assert "# TYPE :tensorflow:serving:request_count counter\n" in page
    assert "# TYPE tfgenai_serving_dropped_total counter\n" in page
    assert "_total_total" not in page
    assert "_created" not in page


def test_batches_queues_and_drift():
    metrics = Metrics()
    metrics.versions = {"m": [1]}
    metrics.depth_by_model = {"m": 7}.get
    metrics.drift_by_model = {"m": {"images_mean": 0.25}}.get
    metrics.batch("m", 5, 3, [0.1, 0.2])
    metrics.scored("m", {"images_mean": np.array([0.5, 0.75])})
    metrics.begin()
    ours = "tfgenai_serving_"
    assert _value(metrics, f"{ours}queue_depth", model_name="m") == 7
    assert _value(metrics, f"{ours}batch_size_sum", model_name="m") == 5
    assert _value(metrics, f"{ours}padding_rows_sum", model_name="m") == 3
    assert _value(metrics, f"{ours}queue_seconds_count", model_name="m") == 2
    labels = {"model_name": "m", "score": "images_mean"}
    assert _value(metrics, f"{ours}output_drift", **labels) == 0.25
    assert _value(metrics, f"{ours}output_score_count", **labels) == 2
    assert _value(metrics, f"{ours}in_flight_requests") == 1
    metrics.end()
    assert _value(metrics, f"{ours}in_flight_requests") == 0


def test_loads_and_warm_ups():
    metrics = Metrics()
    metrics.loaded("/m/1", "success", 0.25)
    metrics.loaded("/m/1", "fail", 0.25)
    metrics.warmed_up("/m/1", "OK", 0.5)
    metrics.examples("m", 4)
    metrics.runtime("m", "predict", 0.5)
    path = {"model_path": "/m/1"}
    name = ":tensorflow:cc:saved_model:load_"
    assert _value(metrics, f"{name}attempt_count", status="fail", **path) == 1
    assert _value(metrics, f"{name}latency", **path) == 500_000
    name = ":tensorflow:serving:"
    assert _value(metrics, f"{name}model_warmup_latency_sum", status="OK", **path) == (
        500_000
    )
    assert _value(metrics, f"{name}request_example_count_total", model="m") == 4
    labels = {"model_name": "m", "API": "predict", "runtime": "TF1"}
    assert _value(metrics, f"{name}runtime_latency_sum", **labels) == 500_000
