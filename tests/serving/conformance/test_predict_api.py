"""PredictionService.Predict and `:predict`, as TensorFlow Serving documents them."""

import concurrent.futures

import pytest
from half_plus import LABELS, MAX_BATCH_SIZE

URL = "/v1/models/half_plus_two"
TIMEOUT = 60


def test_predict(stub, request_of):
    answer = stub.Predict(request_of(2.0, 4.0), TIMEOUT)
    assert list(answer.outputs["y"].float_val) == [3.0, 4.0]
    assert answer.outputs["y"].tensor_content == b""
    assert answer.outputs["y"].dtype == 1
    assert [dim.size for dim in answer.outputs["y"].tensor_shape.dim] == [2]
    spec = answer.model_spec
    found = (spec.name, spec.signature_name, spec.version.value)
    assert found == ("half_plus_two", "serving_default", 2)


def test_the_output_filter(stub, request_of, refused):
    request = request_of(2.0)
    request.output_filter.append("y")
    assert list(stub.Predict(request, TIMEOUT).outputs) == ["y"]
    request.output_filter.append("z")
    code, words = refused(stub.Predict, request)
    assert code == "INVALID_ARGUMENT"
    assert "output tensor alias not found in signature: z" in words


@pytest.mark.parametrize(("label", "version"), LABELS.items())
def test_labels_and_versions(stub, request_of, ask, label, version):
    for spec in ({"version_label": label}, {"version": version}):
        answer = stub.Predict(request_of(2.0, **spec), TIMEOUT)
        assert answer.model_spec.version.value == version
    for path in (f"{URL}/labels/{label}", f"{URL}/versions/{version}"):
        assert ask("POST", f"{path}:predict", {"instances": [2.0]}) == (
            200,
            {"predictions": [3.0]},
        )


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ({"name": "none"}, "NOT_FOUND", "Servable not found for request: Latest(none)"),
        ({"version": 7}, "NOT_FOUND", "Specific(half_plus_two, 7)"),
        ({"version_label": "x"}, "INVALID_ARGUMENT", "Unrecognized servable version"),
        ({"signature_name": "x"}, "FAILED_PRECONDITION", 'signature key "x" not found'),
    ],
)
def test_what_is_not_served(stub, request_of, refused, spec, code, words):
    found, said = refused(stub.Predict, request_of(2.0, **spec))
    assert found == code
    assert words in said


def test_inputs_that_do_not_fit(stub, request_of, refused):
    request = request_of(2.0)
    request.inputs["z"].CopyFrom(request.inputs["x"])
    code, words = refused(stub.Predict, request)
    assert code == "INVALID_ARGUMENT"
    assert "input size does not match signature" in words
    request = request_of(2.0)
    request.inputs["x"].dtype = 7
    request.inputs["x"].ClearField("float_val")
    request.inputs["x"].string_val.append(b"x")
    assert refused(stub.Predict, request)[0] == "INVALID_ARGUMENT"


def test_rows_and_columns(ask):
    for document, answer in (
        ({"instances": [2.0, 3.0, 4.0]}, {"predictions": [3.0, 3.5, 4.0]}),
        ({"inputs": [2.0, 3.0, 4.0]}, {"outputs": [3.0, 3.5, 4.0]}),
        ({"instances": [{"x": 2.0}]}, {"predictions": [3.0]}),
        ({"inputs": {"x": [2.0]}}, {"outputs": [3.0]}),
        (
            {"signature_name": "serving_default", "instances": [2]},
            {"predictions": [3.0]},
        ),
    ):
        assert ask("POST", f"{URL}:predict", document) == (200, answer)


@pytest.mark.parametrize(
    ("path", "document", "status", "words"),
    [
        (f"{URL}:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
        (f"{URL}:predict", {"instances": []}, 400, "instances"),
        (f"{URL}:predict", {"instances": ["x"]}, 400, "is not of expected type: float"),
        (f"{URL}:predict", [], 400, "Is not object"),
        (f"{URL}:predict", {"signature_name": 1}, 400, "must be a string"),
        (
            f"{URL}:predict",
            {"signature_name": "x", "instances": [1]},
            400,
            'Serving signature name: "x" not found in signature def',
        ),
        ("/v1/models/none:predict", {"instances": [1]}, 404, "Servable not found"),
        (f"{URL}:guess", {"instances": [1]}, 400, "Malformed request: POST"),
    ],
)
def test_rest_refusals(ask, path, document, status, words):
    found, answer = ask("POST", path, document)
    assert found == status
    assert words in answer["error"]


def test_concurrent_requests_each_get_their_own_rows(stub, request_of):
    def ask(number):
        return list(stub.Predict(request_of(number), TIMEOUT).outputs["y"].float_val)

    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        found = list(threads.map(ask, range(200)))
    assert found == [[number / 2 + 2] for number in range(200)]


def test_more_rows_than_the_largest_batch(stub, request_of, refused):
    rows = [float(i) for i in range(MAX_BATCH_SIZE)]
    answer = stub.Predict(request_of(*rows), TIMEOUT)
    assert list(answer.outputs["y"].float_val) == [x / 2 + 2 for x in rows]
    code, words = refused(stub.Predict, request_of(*rows, 0.0))
    assert code == "INVALID_ARGUMENT"
    assert "Task size 17 is larger than maximum input batch size 16" in words
