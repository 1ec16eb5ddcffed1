"""Each export rule is broken once, by an export that keeps all the others."""

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfgenai.core.errors import ExportError
from tfgenai.export import rules

FILES = (
    "saved_model.pb",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
)
SEED = tf.TensorSpec((None,), tf.int64, name="seed")


class Toy(tf.Module):
    """Eight weights, a table and a counter for the functions under test."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(tf.reshape(tf.range(8.0), (4, 2)))
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(["a"], [1]), default_value=0
        )


def rows(seed):
    return tf.cast(seed, "float32")[:, None] * tf.ones((1, 4))


def no_error(seed):
    return tf.fill(tf.shape(seed), "")


def good(toy, seed):
    return {"images": rows(seed) @ toy.kernel, "error": no_error(seed)}


def save(folder, function, specs=(SEED,), *, names=("generate", "serving_default")):
    """Saves `function(toy, *inputs) -> outputs` under the names given."""
    toy = Toy()
    toy.serve = tf.function(lambda *inputs: function(toy, *inputs), autograph=False)
    concrete = toy.serve.get_concrete_function(*specs)
    tf.saved_model.save(toy, str(folder), signatures=dict.fromkeys(names, concrete))
    return folder


def with_image(make):
    """An export that is good but for `images`, made by `make(toy, seed)`."""

    def function(toy, seed):
        return good(toy, seed) | {"images": make(toy, seed)}

    return function


def random_noise(toy, seed):
    noise = tf.raw_ops.RandomStandardNormal(shape=[4], dtype=tf.float32)
    return (rows(seed) + noise) @ toy.kernel


def variable_write(toy, seed):
    toy.kernel.assign_add(tf.ones((4, 2)))
    return rows(seed) @ toy.kernel


def python_function(toy, seed):
    noise = tf.py_function(lambda x: x, [rows(seed)], tf.float32)
    return tf.ensure_shape(noise, (None, 4)) @ toy.kernel


def numpy_function(toy, seed):
    noise = tf.numpy_function(lambda x: x, [rows(seed)], tf.float32)
    return tf.ensure_shape(noise, (None, 4)) @ toy.kernel


def assertion(toy, seed):
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(seed > 0), [""])]):
        return rows(seed) @ toy.kernel


def nan_check(toy, seed):
    return tf.debugging.check_numerics(rows(seed) @ toy.kernel, "NaN")


def file_read(toy, seed):
    return rows(seed) @ toy.kernel + tf.strings.to_number(tf.io.read_file("/x"))


def device_algorithm(toy, seed):
    algorithm = tf.raw_ops.StatelessRandomGetAlg()
    noise = tf.raw_ops.StatelessRandomUniformV2(
        shape=[4],
        key=tf.constant([1], tf.uint64),
        counter=tf.constant([1, 2], tf.uint64),
        alg=algorithm,
        dtype=tf.float32,
    )
    return (rows(seed) + noise) @ toy.kernel


def pinned(toy, seed):
    with tf.device("/GPU:0"):
        return rows(seed) @ toy.kernel


def nested_jit(toy, seed):
    inner = tf.function(lambda x: x @ toy.kernel, jit_compile=True, autograph=False)
    outer = tf.function(lambda x: inner(x) + 1.0, autograph=False)
    return outer(rows(seed))


def mutable_state(toy, seed):
    table = tf.raw_ops.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.float32)
    value = tf.raw_ops.LookupTableFindV2(
        table_handle=table, keys=seed, default_value=tf.constant(0.0)
    )
    return tf.ensure_shape(value, (None,))[:, None] * tf.ones((1, 2))


@pytest.mark.parametrize(
    ("make", "rule", "words"),
    [
        (random_noise, "op", "RandomStandardNormal"),
        (variable_write, "op", "writes a variable"),
        (python_function, "op", "runs Python"),
        (numpy_function, "op", "runs Python"),
        (assertion, "op", "fails every request"),
        (nan_check, "op", "fails every request"),
        (file_read, "op", "reads or writes files"),
        (device_algorithm, "op", "depends on the device"),
        (mutable_state, "op", "keeps state between requests"),
        (pinned, "device", "pinned to"),
        (nested_jit, "jit_compile", "jit_compile=True"),
        (lambda toy, seed: tf.cast(rows(seed), "float16"), "dtype", "float16"),
        (lambda toy, seed: tf.cast(rows(seed), "bfloat16"), "dtype", "bfloat16"),
        (lambda toy, seed: tf.cast(rows(seed), "complex64"), "dtype", "complex64"),
        (lambda toy, seed: tf.reduce_mean(rows(seed)), "batch_axis", "images"),
        (lambda toy, seed: tf.ones((8, 4)), "batch_axis", "(8, 4)"),
        (
            lambda toy, seed: tf.repeat(rows(seed), tf.reduce_max(seed), axis=1),
            "fixed_width",
            "fixed width",
        ),
    ],
)
def test_one_broken_op_or_output_is_named(tmp_path, make, rule, words):
    violations = rules.check(save(tmp_path / "1", with_image(make)))
    assert {violation.rule for violation in violations} >= {rule}
    assert any(words in str(violation) for violation in violations)
    # Nothing else is complained about, so the rule alone caught it.
    assert {violation.rule for violation in violations} <= {rule, "size"}


def variant_output(toy, seed):
    image = tf.raw_ops.TensorListFromTensor(
        tensor=rows(seed), element_shape=tf.constant([4])
    )
    return good(toy, seed) | {"images": image}


def ragged_output(toy, seed):
    return good(toy, seed) | {"tokens": tf.RaggedTensor.from_tensor(rows(seed))}


def unnamed_output(toy, seed):
    return good(toy, seed) | {"output_0": rows(seed)}


def camel_case_output(toy, seed):
    return good(toy, seed) | {"numTokens": seed}


def missing_error(toy, seed):
    return {"images": rows(seed) @ toy.kernel}


def numeric_error(toy, seed):
    return good(toy, seed) | {"error": seed}


@pytest.mark.parametrize(
    ("function", "rule"),
    [
        (variant_output, "dtype"),
        (ragged_output, "dtype"),
        (unnamed_output, "name"),
        (camel_case_output, "name"),
        (missing_error, "error_output"),
        (numeric_error, "error_output"),
    ],
)
def test_one_broken_set_of_outputs_is_named(tmp_path, function, rule):
    violations = rules.check(save(tmp_path / "1", function))
    assert rule in {violation.rule for violation in violations}


@pytest.mark.parametrize(
    ("specs", "rule"),
    [
        ([tf.TensorSpec((None,), tf.int64, name="labels")], "seed_input"),
        ([tf.TensorSpec((None,), tf.int32, name="seed")], "seed_input"),
        ([SEED, tf.TensorSpec((), tf.float32, name="temperature")], "batch_axis"),
        ([tf.TensorSpec((8,), tf.int64, name="seed")], "batch_axis"),
        ([SEED, tf.TensorSpec((None,), tf.float16, name="scale")], "dtype"),
        ([SEED, tf.TensorSpec((None,), tf.float32, name="Scale")], "name"),
        ([SEED, tf.TensorSpec((None,), tf.float32, name="args_0")], "name"),
    ],
)
def test_one_broken_input_is_named(tmp_path, specs, rule):
    def function(toy, seed, extra=0.0):
        answer = good(toy, seed)
        mixed = answer["images"] + tf.reduce_sum(tf.cast(extra, "float32"))
        return answer | {"images": mixed}

    violations = rules.check(save(tmp_path / "1", function, specs))
    assert rule in {violation.rule for violation in violations}


@pytest.mark.parametrize("names", [("generate",), ("serving_default",)])
def test_the_default_must_stand_beside_a_named_signature(tmp_path, names):
    violations = rules.check(save(tmp_path / "1", good, names=names))
    assert {violation.rule for violation in violations} == {"signatures"}


def test_the_default_must_be_one_of_the_named_signatures(tmp_path):
    toy = Toy()
    toy.one = tf.function(lambda seed: good(toy, seed), autograph=False)
    toy.two = tf.function(
        lambda seed: good(toy, seed) | {"scores": rows(seed)}, autograph=False
    )
    signatures = {
        "generate": toy.one.get_concrete_function(SEED),
        "serving_default": toy.two.get_concrete_function(SEED),
    }
    tf.saved_model.save(toy, str(tmp_path / "1"), signatures=signatures)
    assert [violation.rule for violation in rules.check(tmp_path / "1")] == [
        "signatures"
    ]


@pytest.mark.parametrize("op", ["MyOwnMatMul", "DecodeJxl", "XlaLaunch"])
def test_an_op_that_tensorflow_2_20_lacks_is_named(tmp_path, op):
    folder = save(tmp_path / "1", good)
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((folder / "saved_model.pb").read_bytes())
    for function in saved_model.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            node.op = op if node.op == "MatMul" else node.op
    (folder / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    violations = rules.check(folder)
    assert violations
    assert all(f"{op} " in violation.where for violation in violations)
    assert "stock TensorFlow 2.20" in violations[0].reason


def test_weights_that_no_signature_reads_are_counted_exactly(tmp_path):
    toy = Toy()
    toy.shadow = tf.Variable(tf.ones((4, 2)))
    toy.serve = tf.function(lambda seed: good(toy, seed), autograph=False)
    concrete = toy.serve.get_concrete_function(SEED)
    signatures = {"generate": concrete, "serving_default": concrete}
    tf.saved_model.save(toy, str(tmp_path / "1"), signatures=signatures)
    (violation,) = rules.check(tmp_path / "1")
    # Two float32 kernels of 4 x 2 are stored, one is read.
    assert violation.rule == "size"
    assert "64 bytes of weights are stored, the signatures read 32" in violation.reason


def test_weights_frozen_into_the_graph_are_found(tmp_path):
    frozen = tf.reshape(tf.range(1_200_000.0), (4, 300_000))
    folder = save(tmp_path / "1", with_image(lambda toy, seed: rows(seed) @ frozen))
    assert any("not constants" in str(violation) for violation in rules.check(folder))


def test_a_good_export_with_a_table_and_control_flow_is_clean(tmp_path):
    def function(toy, seed):
        number = toy.table.lookup(tf.strings.as_string(seed))
        image = tf.while_loop(
            lambda i, x: i < 3,
            lambda i, x: (i + 1, x + tf.reduce_sum(toy.kernel)),
            (0, rows(seed) @ toy.kernel),
        )[1]
        return good(toy, seed) | {"images": image, "num_tokens": number}

    assert rules.check(save(tmp_path / "1", function)) == []


@pytest.mark.parametrize(
    "missing",
    FILES,
)
def test_a_missing_file_is_named(tmp_path, missing):
    folder = save(tmp_path / "1", good)
    (folder / missing).unlink()
    with pytest.raises(ExportError, match=missing.split("/")[-1]):
        rules.check(folder)


@pytest.mark.parametrize(
    "torn",
    FILES,
)
def test_a_truncated_file_is_named(tmp_path, torn):
    folder = save(tmp_path / "1", good)
    content = (folder / torn).read_bytes()
    (folder / torn).write_bytes(content[: len(content) // 2])
    with pytest.raises(ExportError, match="torn"):
        rules.check(folder)
