"""One loaded version of a model: a SavedModel in a TensorFlow session."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, prediction_log_pb2

from tfgenai.core.deprecations import without_deprecations
from tfgenai.core.errors import ServingError
from tfgenai.serving import codes
from tfgenai.serving.config import Settings
from tfgenai.serving.output_scores import DriftWatch, read_reference
from tfgenai.serving.signature import DEFAULT_SIGNATURE, ServedSignature

_LOGGER = logging.getLogger(__name__)

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"

_INIT_OP = "__saved_model_init_op"
_MAX_WARMUP_RECORDS = 1000
_MAX_GRAPH_BYTES = 2**31  # as protocol buffers
# Compiled choices of outputs that are kept for each version, each for one thread and
# for many.
_MAX_CALLABLES = 128


class Servable:
    """Loads a version folder the way TensorFlow Serving does and answers calls.

    Args:
        name: the model's name.
        version: the version's number.
        folder: the version folder.
        settings: the server's settings.

    Raises:
        ServingError: if it cannot be loaded or a warm-up record fails.
    """

    def __init__(
        self, name: str, version: int, folder: Path, settings: Settings
    ) -> None:
        self.name = name
        self.version = version
        self._settings = settings
        self._lock = threading.Lock()
        self._users = 0
        self.warmup_seconds: float | None = None
        self._retired = False
        self._callables: dict[tuple[Any, ...], Callable[..., Any]] = {}
        session = config_pb2.ConfigProto()
        session.gpu_options.allow_growth = True
        session.intra_op_parallelism_threads = settings.tensorflow_session_parallelism
        session.inter_op_parallelism_threads = settings.tensorflow_session_parallelism
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=session)
        try:
            self.definitions = self._load(folder)
            self._signatures = self._read_signatures()
            reference = read_reference(folder)
            self.drift = DriftWatch(reference) if reference else None
            if settings.enable_model_warmup and (folder / WARMUP_FILE).is_file():
                start = time.perf_counter()
                self._warm_up(folder / WARMUP_FILE)
                self.warmup_seconds = time.perf_counter() - start
        except Exception as error:
            self._close()
            raise _load_error(error, folder) from error

    def signature(self, name: str) -> ServedSignature | None:
        """The signature of that name, the default one for an empty name, or None."""
        return self._signatures.get(name or DEFAULT_SIGNATURE)

    @property
    def signature_names(self) -> list[str]:
        """The names of all signatures."""
        return list(self._signatures)

    def run(
        self,
        signature: ServedSignature,
        inputs: Mapping[str, np.ndarray],
        outputs: tuple[str, ...],
        *,
        in_one_thread: bool = False,
    ) -> dict[str, np.ndarray]:
        """Answers one call.

        Args:
            signature: one of this servable's.
            inputs: an array for each of its inputs, checked.
            outputs: names of the outputs to compute.
            in_one_thread: begin no operation in another thread. Small graphs are done
                sooner so: a fifth of their time goes by until threads are woken.

        Returns:
            Arrays by name.

        Raises:
            ServingError: with the graph's own code and words if it fails.
        """
        call = self._callable(signature, outputs, in_one_thread)
        try:
            values = call(*(inputs[name] for name in signature.inputs))
        except tf.errors.OpError as error:
            code = codes.name_of(error.error_code)
            raise ServingError(str(error.message), code=code) from error
        except (TypeError, ValueError) as error:
            raise codes.invalid(str(error)) from error
        return dict(zip(outputs, values, strict=True))

    def acquire(self) -> bool:
        """Keeps the session open for a request; false if it is given up already."""
        with self._lock:
            if not self._retired:
                self._users += 1
            return not self._retired

    def hold(self) -> None:
        """Keeps the session open once more, for whoever has acquired it already."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Ends what `acquire` or `hold` began."""
        with self._lock:
            self._users -= 1
            last = self._retired and self._users == 0
        if last:
            self._close()

    def retire(self) -> None:
        """Takes no more requests; closes the session once those it has are done."""
        with self._lock:
            idle = not self._retired and self._users == 0
            self._retired = True
        if idle:
            self._close()

    @property
    def closed(self) -> bool:
        """Whether the session's memory has been given back."""
        return self._session is None

    def _load(self, folder: Path) -> Any:
        tags = self._settings.saved_model_tags.split(",")
        graph = folder / "saved_model.pb"
        if graph.is_file() and graph.stat().st_size >= _MAX_GRAPH_BYTES:
            raise codes.invalid(
                f"{graph.name} has {graph.stat().st_size} bytes, not fewer than "
                f"{_MAX_GRAPH_BYTES}, which no graph can have"
            )
        with self._session.graph.as_default(), without_deprecations():
            meta_graph = tf.compat.v1.saved_model.loader.load(
                self._session, tags, str(folder)
            )
        # The graph stays in the session; of its description only this is kept.
        definitions = get_model_metadata_pb2.SignatureDefMap()
        for key, value in meta_graph.signature_def.items():
            definitions.signature_def[key].CopyFrom(value)
        return definitions

    def _read_signatures(self) -> dict[str, ServedSignature]:
        signatures = {}
        for key, definition in sorted(self.definitions.signature_def.items()):
            if key == _INIT_OP:
                continue
            try:
                signatures[key] = ServedSignature.from_proto(key, definition)
            except ServingError as error:
                # The others can be served all the same.
                _LOGGER.warning("%s: signature %r: %s", self.name, key, error)
        return signatures

    def _callable(
        self, signature: ServedSignature, outputs: tuple[str, ...], in_one_thread: bool
    ) -> Callable[..., Any]:
        key = (signature.name, outputs, in_one_thread)
        call = self._callables.get(key)
        if call is None:
            options = config_pb2.CallableOptions()
            options.feed.extend(each.tensor for each in signature.inputs.values())
            options.fetch.extend(signature.outputs[name].tensor for name in outputs)
            if in_one_thread:
                options.run_options.inter_op_thread_pool = -1
            # A third of the time of Session.run, which looks at every feed anew.
            call = self._session._make_callable_from_options(options)
            with self._lock:
                if len(self._callables) >= _MAX_CALLABLES:
                    self._callables.pop(next(iter(self._callables)))
                self._callables[key] = call
        return call

    def _warm_up(self, file: Path) -> None:
        options = tf.data.Options()
        # Its threads would outlive the iterator by seconds.
        options.autotune.enabled = False
        records = tf.data.TFRecordDataset(str(file)).with_options(options)
        for number, record in enumerate(records.as_numpy_iterator()):
            if number >= _MAX_WARMUP_RECORDS:
                raise codes.invalid(
                    "Number of warmup records exceeds the maximum "
                    f"({_MAX_WARMUP_RECORDS}) at {file}"
                )
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.HasField("predict_log"):
                self._run_record(log.predict_log.request)

    def _run_record(self, request: Any) -> None:
        signature = self.signature(request.model_spec.signature_name)
        if signature is None:
            raise codes.invalid(
                "Warm-up records of one of the signatures "
                f"{self.signature_names} were expected. Received: "
                f"signature_name={request.model_spec.signature_name!r}. Export the "
                "model again."
            )
        inputs = signature.read_protos(
            request.inputs,
            max_bytes=self._settings.max_request_bytes,
            max_rows=self._settings.max_request_rows,
        )
        outputs = signature.choose_outputs(list(request.output_filter))
        self.run(signature, inputs, outputs)

    def _close(self) -> None:
        # Callables hold handles of the session, so they must go first.
        self._callables.clear()
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _load_error(error: Exception, folder: Path) -> ServingError:
    if isinstance(error, tf.errors.OpError):
        code = codes.name_of(error.error_code)
    else:
        code = getattr(error, "code", "FAILED_PRECONDITION")
    return ServingError(
        f"A whole SavedModel was expected. Received: path={str(folder)!r} "
        f"({error}). Export the model again, or copy its folder as a whole.",
        code=code if isinstance(code, str) else "FAILED_PRECONDITION",
    )
