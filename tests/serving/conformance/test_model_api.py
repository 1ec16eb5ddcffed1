"""Status, metadata and reload, as TensorFlow Serving documents them."""

import pytest
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
)

URL = "/v1/models/half_plus_two"
TIMEOUT = 60


def _status(name):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    return request


def _versions(answer):
    return {each.version: each.state for each in answer.model_version_status}


def test_status(model_stub, ask, refused):
    answer = model_stub.GetModelStatus(_status("half_plus_two"), TIMEOUT)
    available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert _versions(answer) == {1: available, 2: available}
    assert {each.status.error_code for each in answer.model_version_status} == {0}
    status, found = ask("GET", f"{URL}/versions/1")
    assert (status, found) == (
        200,
        {
            "model_version_status": [
                {
                    "version": "1",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        },
    )
    assert refused(model_stub.GetModelStatus, _status("none"))[0] == "NOT_FOUND"
    assert ask("GET", "/v1/models/none")[0] == 404


def test_metadata(stub, ask, refused):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "half_plus_two"
    assert refused(stub.GetModelMetadata, request)[0] == "INVALID_ARGUMENT"
    request.metadata_field.append("signature_def")
    answer = stub.GetModelMetadata(request, TIMEOUT)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(found)
    assert {"serving_default", "classify_x_to_y", "regress_x_to_y"} <= set(
        found.signature_def
    )
    method = found.signature_def["classify_x_to_y"].method_name
    assert method == "tensorflow/serving/classify"
    status, document = ask("GET", f"{URL}/metadata")
    assert status == 200
    spec = document["model_spec"]
    assert (spec["name"], spec["version"]) == ("half_plus_two", "2")
    signatures = document["metadata"]["signature_def"]["signature_def"]
    field = signatures["serving_default"]["inputs"]["x"]
    assert (field["dtype"], field["tensor_shape"]["dim"][0]["size"]) == (
        "DT_FLOAT",
        "-1",
    )


@pytest.fixture
def reload(model_stub, folder):
    """Reloads; what was served before is served again in the end."""

    def send(*entries):
        request = model_management_pb2.ReloadConfigRequest()
        for name, path, versions, labels in entries:
            model = request.config.model_config_list.config.add(
                name=name, base_path=str(folder / path), model_platform="tensorflow"
            )
            model.model_version_policy.specific.versions.extend(versions)
            for label, version in labels.items():
                model.version_labels[label] = version
        return request

    before = send(
        ("half_plus_two", "half_plus_two", (1, 2), {"stable": 1, "canary": 2}),
        ("half_plus_three", "half_plus_three", (1,), {}),
    )
    yield lambda *entries: model_stub.HandleReloadConfigRequest(send(*entries), TIMEOUT)
    model_stub.HandleReloadConfigRequest(before, TIMEOUT)


def test_reload(reload, stub, model_stub, request_of, refused):
    answer = reload(
        ("half_plus_two", "half_plus_two", (1,), {"stable": 1}),
        ("another", "half_plus_three", (1,), {}),
    )
    assert answer.status.error_code == 0
    found = stub.Predict(request_of(2.0, name="another"), TIMEOUT)
    assert list(found.outputs["y"].float_val) == [4.0]
    gone = request_of(2.0, name="half_plus_three")
    assert refused(stub.Predict, gone)[0] == "NOT_FOUND"
    found = stub.Predict(request_of(2.0, version_label="stable"), TIMEOUT)
    assert found.model_spec.version.value == 1
    unknown = request_of(2.0, version_label="canary")
    assert refused(stub.Predict, unknown)[0] == "INVALID_ARGUMENT"


def test_a_label_of_a_version_that_is_not_served_is_refused(reload, stub, request_of):
    import grpc

    with pytest.raises(grpc.RpcError) as caught:
        reload(("half_plus_two", "half_plus_two", (1, 2), {"stable": 1, "new": 9}))
    assert caught.value.code().name == "FAILED_PRECONDITION"
    found = stub.Predict(request_of(2.0, version_label="stable"), TIMEOUT)
    assert found.model_spec.version.value == 1


def test_only_a_list_of_models_can_be_reloaded(model_stub, refused):
    request = model_management_pb2.ReloadConfigRequest()
    code, words = refused(model_stub.HandleReloadConfigRequest, request)
    assert code == "INVALID_ARGUMENT"
    assert "Only ModelConfigList is currently supported" in words
