"""Classify, Regress and MultiInference, as TensorFlow Serving documents them."""

import pytest
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    regression_pb2,
)

URL = "/v1/models/half_plus_two"
TIMEOUT = 60
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def _fill(request, *values):
    for value in values:
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(value)
    return request


def _classification(*values, signature="classify_x_to_y"):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "half_plus_two"
    request.model_spec.signature_name = signature
    return _fill(request, *values)


def _regression(*values, signature="regress_x_to_y"):
    request = regression_pb2.RegressionRequest()
    request.model_spec.name = "half_plus_two"
    request.model_spec.signature_name = signature
    return _fill(request, *values)


def _multi(*tasks, values=(2.0,)):
    request = inference_pb2.MultiInferenceRequest()
    for signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name = "half_plus_two"
        task.model_spec.signature_name = signature
    return _fill(request, *values)


def test_classify(stub):
    answer = stub.Classify(_classification(2.0, 6.0), TIMEOUT)
    found = [
        [(each.label, each.score) for each in row.classes]
        for row in answer.result.classifications
    ]
    assert found == [[("", 3.0)], [("", 5.0)]]
    spec = answer.model_spec
    assert (spec.name, spec.signature_name) == ("half_plus_two", "classify_x_to_y")
    assert spec.version.value == 2


def test_regress(stub):
    answer = stub.Regress(_regression(2.0, 6.0), TIMEOUT)
    assert [each.value for each in answer.result.regressions] == [3.0, 5.0]
    assert answer.model_spec.signature_name == "regress_x_to_y"


def test_a_context_stands_before_every_example(stub):
    request = _regression()
    given = request.input.example_list_with_context
    given.context.features.feature["x"].float_list.value.append(4.0)
    given.examples.add()
    given.examples.add().features.feature["z"].int64_list.value.append(1)
    answer = stub.Regress(request, TIMEOUT)
    assert [each.value for each in answer.result.regressions] == [4.0, 4.0]


def test_multi_inference(stub):
    tasks = (("regress_x_to_y", REGRESS), ("classify_x_to_y", CLASSIFY))
    answer = stub.MultiInference(_multi(*tasks, values=(2.0, 4.0)), TIMEOUT)
    first, second = answer.results
    assert [each.value for each in first.regression_result.regressions] == [3.0, 4.0]
    assert [
        row.classes[0].score for row in second.classification_result.classifications
    ] == [3.0, 4.0]
    names = [each.model_spec.signature_name for each in answer.results]
    assert names == [signature for signature, _ in tasks]


@pytest.mark.parametrize(
    ("method", "request_", "code", "words"),
    [
        ("Classify", _classification(), "INVALID_ARGUMENT", "Input is empty"),
        ("Regress", _regression(), "INVALID_ARGUMENT", "Input is empty"),
        (
            "Classify",
            _classification(1.0, signature="x"),
            "INVALID_ARGUMENT",
            "No signature was found with the name: x",
        ),
        (
            "MultiInference",
            _multi(("classify_x_to_y", CLASSIFY), ("classify_x_to_y", CLASSIFY)),
            "INVALID_ARGUMENT",
            "Duplicate evaluation of signature: classify_x_to_y",
        ),
        (
            "MultiInference",
            _multi(("classify_x_to_y", "tensorflow/serving/guess")),
            "UNIMPLEMENTED",
            "Unsupported signature method_name: tensorflow/serving/guess",
        ),
        (
            "MultiInference",
            _multi(("x", CLASSIFY)),
            "INVALID_ARGUMENT",
            "Requested signature not found in model graph: x",
        ),
    ],
)
def test_refusals(stub, refused, method, request_, code, words):
    found, said = refused(getattr(stub, method), request_)
    assert found == code
    assert words in said


def test_a_signature_of_another_form_is_refused(stub, refused):
    code, _ = refused(stub.Classify, _classification(1.0, signature="serving_default"))
    assert code in ("INVALID_ARGUMENT", "FAILED_PRECONDITION")


def test_a_missing_feature_is_the_requests_mistake(stub, refused):
    request = _regression()
    request.input.example_list.examples.add()
    code, words = refused(stub.Regress, request)
    assert code == "INVALID_ARGUMENT"
    assert "Feature: x (data type: float) is required but could not be found" in words


def test_rest(ask):
    document = {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}]}
    found = ask("POST", f"{URL}:classify", document)
    assert found == (200, {"results": [[["", 3.0]]]})
    document = {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}]}
    found = ask("POST", f"{URL}:regress", document)
    assert found == (200, {"results": [3.0]})


def test_rest_with_a_context(ask):
    document = {
        "signature_name": "regress_x_to_y",
        "context": {"x": 6.0},
        "examples": [{"z": "text"}, {"z": {"b64": "/w=="}}],
    }
    found = ask("POST", f"{URL}:regress", document)
    assert found == (200, {"results": [5.0, 5.0]})


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"examples": []},
        {"examples": [1]},
        {"examples": [{"x": [1.0, "a"]}]},
        {"examples": [{"x": None}]},
        {"examples": [{"x": 2.0}], "signature_name": "serving_default"},
    ],
)
def test_rest_refusals(ask, document):
    document = {"signature_name": "regress_x_to_y"} | document
    status, answer = ask("POST", f"{URL}:regress", document)
    assert status == 400
    assert answer["error"]
