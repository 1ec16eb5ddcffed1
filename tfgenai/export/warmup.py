"""Example requests for every signature, and the warm-up records made of them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.errors import ExportError

# Where TensorFlow Serving looks for requests to send itself before it says "ready".
WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"

EXAMPLE_SEED = 0

Inputs = dict[str, np.ndarray]


def wire_default(dtype: str) -> int | float | str:
    """What stands for "the default" on the wire: -1, NaN or an empty string.

    Args:
        dtype: the input's type, for example `"float32"`.

    Example:
        >>> wire_default("int32")
        -1
    """
    if dtype == "string":
        return ""
    return float("nan") if dtype.startswith("float") else -1


def example_inputs(inputs: Sequence[Mapping[str, Any]], num_rows: int) -> Inputs:
    """Valid values for every input of a signature; row i is the same for any number.

    Args:
        inputs: the signature's inputs as the model card describes them.
        num_rows: number of rows.

    Returns:
        Arrays `(num_rows, ...)` by name: seeds, values spread over their range, the
        sentinel of the default for knobs, and -1 or 1 for data of unknown range.
    """
    return {field["name"]: _example(field, num_rows) for field in inputs}


def bad_value(field: Mapping[str, Any]) -> int | float | str | None:
    """A value that the model must refuse for one row, or None if none is known.

    Args:
        field: one input as the model card describes it.
    """
    minimum, maximum = field.get("minimum"), field.get("maximum")
    is_knob = not field.get("required", True)
    if field["dtype"] == "string":
        return field.get("counterexample")
    if field["dtype"].startswith("float"):
        # NaN stands for the default of a knob, so only a range makes it refusable.
        if not is_knob:
            return float("nan")
        return None if maximum is None else float(maximum) + 1.0
    if maximum is not None:
        return int(maximum) + 1
    if minimum is not None and int(minimum) - 1 != -1:
        return int(minimum) - 1
    return None if minimum is None or is_knob else -1


def write_warmup(
    file: Path,
    requests: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    model_name: str,
    batch_sizes: Sequence[int],
) -> int:
    """Writes one record for each signature and batch size.

    Args:
        file: the TFRecord file to write; its folder is made.
        requests: the inputs of each signature, as the model card describes them.
        model_name: name in the requests' model spec.
        batch_sizes: the server's allowed batch sizes.

    Returns:
        The number of records.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    file.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with tf.io.TFRecordWriter(str(file)) as writer:
        for signature, inputs in requests.items():
            for batch_size in batch_sizes:
                log = prediction_log_pb2.PredictionLog()
                request = log.predict_log.request
                request.model_spec.name = model_name
                request.model_spec.signature_name = signature
                for name, value in example_inputs(inputs, batch_size).items():
                    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
                writer.write(log.SerializeToString())
                count += 1
    return count


def read_warmup(file: Path) -> Iterator[tuple[str, Inputs]]:
    """Reads the signature and the inputs of each warm-up record.

    Args:
        file: the TFRecord file; nothing is read if it does not exist.

    Raises:
        ExportError: if a record is torn.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    if not file.exists():
        return
    try:
        records = [record.numpy() for record in tf.data.TFRecordDataset(str(file))]
        logs = [prediction_log_pb2.PredictionLog.FromString(r) for r in records]
    except Exception as error:  # protobuf's DecodeError has moved between releases
        raise ExportError(
            "Whole warm-up records were expected. Received: "
            f"path={str(file)!r}, which is torn. Export the model again."
        ) from error
    for log in logs:
        request = log.predict_log.request
        inputs = {
            name: tf.make_ndarray(value) for name, value in request.inputs.items()
        }
        yield request.model_spec.signature_name, inputs


def _example(field: Mapping[str, Any], num_rows: int) -> np.ndarray:
    name, dtype = field["name"], field["dtype"]
    # Axes that the export leaves open, such as a length, get a small size.
    shape = (num_rows, *[4 if size is None else size for size in field["shape"][1:]])
    if name == "seed":
        return random.row_seeds(EXAMPLE_SEED, num_rows)
    kind = object if dtype == "string" else dtype
    if not field.get("required", True):
        return np.full(shape, wire_default(dtype), kind)
    if dtype == "string":
        examples = field.get("examples") or ["a"]
        texts = np.array([examples[i % len(examples)] for i in range(num_rows)], kind)
        return np.broadcast_to(texts.reshape((-1,) + (1,) * (len(shape) - 1)), shape)
    low, high = field.get("minimum"), field.get("maximum")
    if dtype.startswith("float"):
        low, high = (-1.0 if low is None else low), (1.0 if high is None else high)
        draws = [
            random.numpy_generator(EXAMPLE_SEED, row).uniform(0.0, 1.0, shape[1:])
            for row in range(num_rows)
        ]
        share = np.asarray(draws).reshape(shape)
        # Data takes the ends of its range, which also a model of black and white
        # pixels accepts.
        share = share if len(shape) == 1 else np.round(share)
        return (low + (high - low) * share).astype(dtype)
    low = 0 if low is None else int(low)
    # Ranges of ids are walked through, so that every class is warmed up in turn.
    count = 1 if high is None else int(high) - low + 1
    steps = (np.arange(num_rows) % count).reshape((num_rows,) + (1,) * (len(shape) - 1))
    return np.broadcast_to(low + steps, shape).astype(kind)
