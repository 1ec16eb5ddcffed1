"""The models of the suite: what TensorFlow Serving's own tests are run with.

    python tests/serving/conformance/half_plus.py FOLDER

writes them, and the file to start a TensorFlow Serving with, see conftest.py.
"""

import sys
from pathlib import Path

import tensorflow as tf
from tensorflow.compat import v1 as tf1

NAMES = ("half_plus_two", "half_plus_three")
LABELS = {"stable": 1, "canary": 2}

_CONFIG = """model_config_list {{
  config {{
    name: "half_plus_two"
    base_path: "{folder}/half_plus_two"
    model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 1 versions: 2 }} }}
    version_labels {{ key: "stable" value: 1 }}
    version_labels {{ key: "canary" value: 2 }}
  }}
  config {{
    name: "half_plus_three"
    base_path: "{folder}/half_plus_three"
    model_platform: "tensorflow"
  }}
}}
"""

_BATCHING = """max_batch_size {{ value: {rows} }}
batch_timeout_micros {{ value: 1000 }}
max_enqueued_batches {{ value: 100 }}
num_batch_threads {{ value: 2 }}
allowed_batch_sizes: 1
allowed_batch_sizes: {rows}
"""

MAX_BATCH_SIZE = 16


def write(folder: Path) -> Path:
    """Writes the models and the files that a server is started with.

    Args:
        folder: where to.

    Returns:
        The folder, which holds `models.config` and `batching.config` beside them.
    """
    save(folder / "half_plus_two" / "1", 2.0)
    save(folder / "half_plus_two" / "2", 2.0)
    save(folder / "half_plus_three" / "1", 3.0)
    (folder / "models.config").write_text(_CONFIG.format(folder=folder))
    (folder / "batching.config").write_text(_BATCHING.format(rows=MAX_BATCH_SIZE))
    return folder


def save(path: Path, added: float) -> None:
    """A SavedModel of y = x / 2 + added, for Predict, Classify and Regress."""
    with tf1.Graph().as_default(), tf1.Session() as session:
        examples = tf1.placeholder(tf.string, [None], name="tf_example")
        features = {"x": tf.io.FixedLenFeature([1], tf.float32)}
        parsed = tf.io.parse_example(examples, features)["x"]
        half = tf1.get_variable("a", initializer=0.5)
        x = tf1.placeholder(tf.float32, [None], name="x")
        y = tf.add(half * x, added, name="y")
        row = tf.add(half * parsed, added)
        session.run(tf1.global_variables_initializer())
        build = tf1.saved_model.build_signature_def
        info = tf1.saved_model.build_tensor_info
        serialised = {"inputs": info(examples)}
        signatures = {
            "serving_default": build(
                {"x": info(x)}, {"y": info(y)}, "tensorflow/serving/predict"
            ),
            "classify_x_to_y": build(
                serialised, {"scores": info(row)}, "tensorflow/serving/classify"
            ),
            "regress_x_to_y": build(
                serialised, {"outputs": info(row)}, "tensorflow/serving/regress"
            ),
        }
        builder = tf1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(
            session, ["serve"], signature_def_map=signatures
        )
        builder.save()


if __name__ == "__main__":
    write(Path(sys.argv[1]).resolve())
