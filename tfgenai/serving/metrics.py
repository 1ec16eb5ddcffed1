"""What a server counts, in Prometheus' text format under TensorFlow Serving's names."""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LATENCY_MICROS = [10 * 1.8**i for i in range(33)]  # as TensorFlow Serving's, to 20 min
_EXAMPLES = [2.0**i for i in range(15)]
_SECONDS = [1e-4 * 2.0**i for i in range(20)]  # to 52 s

_SCORES = [-1.0, -0.5, -0.25, 0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0]
_SCORES += [2.0**i for i in range(1, 17)]

_SERVING = ":tensorflow:serving:"
_OURS = "tfgenai_serving_"


class _Counter:
    """A counter that keeps its name: TensorFlow Serving's end in no `_total`."""

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self.name, self.text, self.labels = name, text, tuple(labels)
        self.values: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()

    def add(self, *labels: str, amount: float = 1.0) -> None:
        with self._lock:
            self.values[labels] = self.values.get(labels, 0.0) + amount

    def collect(self) -> Iterator[Metric]:
        metric = Metric(self.name, self.text, "counter")
        for labels, value in list(self.values.items()):
            named = dict(zip(self.labels, labels, strict=True))
            metric.add_sample(self.name, named, value)
        yield metric


class Metrics:
    """Counters and histograms of one server.

    Attributes:
        versions: the versions of each model that are served.
        depth_by_model: from a model's name to how many of its requests wait; asked
            whenever the metrics are read.
        drift_by_model: from a model's name to the distance of its outputs' scores from
            the reference, likewise.

    Example:
        ```python
        metrics = Metrics()
        metrics.request("digits", "predict", "GRPC", "OK", seconds=0.01)
        print(metrics.render().decode())
        ```
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counters: list[_Counter] = []
        self._children: dict[tuple[Any, ...], Any] = {}
        self.depth_by_model: Callable[[str], int] | None = None
        self.drift_by_model: Callable[[str], Mapping[str, float]] | None = None
        model = ("model_name",)
        path = ("model_path", "status")
        self._requests = self._counter(
            _SERVING + "request_count", "Requests.", ("model_name", "status")
        )
        self._request_latency = self._histogram(
            _SERVING + "request_latency",
            "Wall time of a request, microseconds.",
            ("model_name", "API", "entrypoint"),
            _LATENCY_MICROS,
        )
        self._runtime_latency = self._histogram(
            _SERVING + "runtime_latency",
            "Wall time of a request in TensorFlow, microseconds.",
            ("model_name", "API", "runtime"),
            _LATENCY_MICROS,
        )
        self._examples = self._histogram(
            _SERVING + "request_example_counts",
            "tf.Examples of a request.",
            ("model",),
            _EXAMPLES,
        )
        self._example_total = self._counter(
            _SERVING + "request_example_count_total", "tf.Examples.", ("model",)
        )
        self._warmup = self._histogram(
            _SERVING + "model_warmup_latency",
            "Wall time of a version's warm-up, microseconds.",
            path,
            _LATENCY_MICROS,
        )
        self._loads = self._counter(
            ":tensorflow:cc:saved_model:load_attempt_count", "Loads of a model.", path
        )
        self._load_latency = self._counter(
            ":tensorflow:cc:saved_model:load_latency",
            "Wall time of a model's loads, microseconds.",
            ("model_path",),
        )
        self._queue_seconds = self._histogram(
            _OURS + "queue_seconds", "How long a request waited.", model, _SECONDS
        )
        self._batch_size = self._histogram(
            _OURS + "batch_size", "Rows of a run, without padding.", model, _EXAMPLES
        )
        self._padding = self._histogram(
            _OURS + "padding_rows", "Rows of padding of a run.", model, [0, *_EXAMPLES]
        )
        self._dropped = self._counter(
            _OURS + "dropped_total",
            "Requests that were not run: deadline, cancelled or full.",
            ("model_name", "reason"),
        )
        self._scores = self._histogram(
            _OURS + "output_score",
            "Scores of outputs of models that keep a reference.",
            ("model_name", "score"),
            _SCORES,
        )
        self._in_flight = Gauge(
            _OURS + "in_flight_requests",
            "Requests that are not answered yet.",
            registry=self._registry,
        )
        self.versions: dict[str, list[int]] = {}
        self._registry.register(_Live(self))  # type: ignore[arg-type]

    def begin(self) -> None:
        """A request has come in."""
        self._in_flight.inc()

    def end(self) -> None:
        """A request is answered."""
        self._in_flight.dec()

    def request(
        self, model: str, api: str, entrypoint: str, status: str, seconds: float
    ) -> None:
        """Counts a request.

        Args:
            model: the model's name.
            api: the method, such as `"predict"`.
            entrypoint: `"GRPC"` or `"REST"`.
            status: `"OK"` or the canonical code of the error.
            seconds: from its arrival to its answer.
        """
        # Names that clients made up must not fill the memory.
        name = model if model in self.versions else "(unknown)"
        self._requests.add(name, status)
        self._child(self._request_latency, name, api, entrypoint).observe(1e6 * seconds)

    def runtime(self, model: str, api: str, seconds: float) -> None:
        """Counts the time that a request's run took."""
        self._child(self._runtime_latency, model, api, "TF1").observe(1e6 * seconds)

    def examples(self, model: str, count: int) -> None:
        """Counts the `tf.Example`s of a request."""
        self._child(self._examples, model).observe(count)
        self._example_total.add(model, amount=count)

    def batch(
        self, model: str, rows: int, padding: int, waited: Iterable[float]
    ) -> None:
        """Counts a run of requests that were put together.

        Args:
            model: the model's name.
            rows: their rows.
            padding: rows that were added.
            waited: seconds that each waited.
        """
        self._child(self._batch_size, model).observe(rows)
        self._child(self._padding, model).observe(padding)
        child = self._child(self._queue_seconds, model)
        for seconds in waited:
            child.observe(seconds)

    def dropped(self, model: str, reason: str) -> None:
        """Counts a request that is not run: `"deadline"`, `"cancelled"` or `"full"`."""
        self._dropped.add(model, reason)

    def scored(self, model: str, scores: Mapping[str, Iterable[float]]) -> None:
        """Counts the scores of an answer's rows."""
        for name, values in scores.items():
            child = self._child(self._scores, model, name)
            for value in values:
                child.observe(float(value))

    def loaded(self, path: str, status: str, seconds: float) -> None:
        """Counts a try to load a version: `"success"` or `"fail"`."""
        self._loads.add(path, status)
        self._load_latency.add(path, amount=round(1e6 * seconds))

    def warmed_up(self, path: str, status: str, seconds: float) -> None:
        """Counts a version's warm-up."""
        self._child(self._warmup, path, status).observe(1e6 * seconds)

    def render(self) -> bytes:
        """All of it, as Prometheus reads it."""
        text: bytes = generate_latest(self._registry)
        # When a histogram was made is nothing that TensorFlow Serving tells.
        text = re.sub(rb"(?m)^(# \w+ )?[\w:]+_created[ {].*\n", b"", text)
        for counter in self._counters:
            # The library adds an end of its own to the names of counters.
            for word in (b"HELP", b"TYPE"):
                line = b"# " + word + b" " + counter.name.encode()
                text = text.replace(line + b"_total ", line + b" ")
        return text

    def _counter(self, name: str, text: str, labels: Sequence[str]) -> _Counter:
        counter = _Counter(name, text, labels)
        self._counters.append(counter)
        self._registry.register(counter)  # type: ignore[arg-type]
        return counter

    def _histogram(
        self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float]
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self._registry)

    def _child(self, histogram: Histogram, *labels: str) -> Any:
        """A histogram with its labels; finding it takes as long as counting."""
        key = (histogram, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = histogram.labels(*labels)
        return child


class _Live:
    """What is asked for rather than counted: versions and queues."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        versions = GaugeMetricFamily(
            _OURS + "model_version",
            "1 for each version that is served.",
            labels=["model_name", "version"],
        )
        depths = GaugeMetricFamily(
            _OURS + "queue_depth", "Requests that wait.", labels=["model_name"]
        )
        drifts = GaugeMetricFamily(
            _OURS + "output_drift",
            "Distance of the newest outputs from the reference: 0 none, 1 all.",
            labels=["model_name", "score"],
        )
        depth, drift = self._metrics.depth_by_model, self._metrics.drift_by_model
        for model, numbers in sorted(self._metrics.versions.items()):
            depths.add_metric([model], depth(model) if depth else 0)
            for score, distance in (drift(model) if drift else {}).items():
                drifts.add_metric([model, score], distance)
            for number in numbers:
                versions.add_metric([model, str(number)], 1)
        yield versions
        yield depths
        yield drifts
