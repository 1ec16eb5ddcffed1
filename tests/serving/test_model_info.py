"""What is served, and the change of it, without a network."""

import json
import shutil

import pytest
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2

from tfgenai.core.errors import ServingError
from tfgenai.serving.config import Settings, models_from_folder
from tfgenai.serving.manager import ModelManager
from tfgenai.serving.model_info import ModelInfo


@pytest.fixture
def manager(served):
    settings = Settings(settle_seconds=0.0, file_system_poll_wait_seconds=0)
    made = ModelManager(models_from_folder(served), settings)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def info(manager):
    return ModelInfo(manager)


def _reload(*models):
    request = model_management_pb2.ReloadConfigRequest()
    for name, path in models:
        request.config.model_config_list.config.add(
            name=name, base_path=str(path), model_platform="tensorflow"
        )
    return request.SerializeToString()


def test_status_and_whether_anything_is_served(info):
    states = json.loads(info.status_json("linear", None, None))["model_version_status"]
    assert [(each["version"], each["state"]) for each in states] == [("1", "AVAILABLE")]
    assert info.is_serving


def test_a_reload_serves_what_it_names_and_nothing_else(
    info, manager, served, exports, tmp_path
):
    shutil.copytree(exports["triple"], tmp_path / "triple" / "7")
    body = info.reload(
        _reload(("linear", served / "linear"), ("other", tmp_path / "triple"))
    )
    answer = model_management_pb2.ReloadConfigResponse.FromString(body)
    assert answer.status.error_code == 0
    assert manager.available == {"linear": [1], "other": [7]}
    with pytest.raises(ServingError, match="Could not find any versions of model di"):
        info.status_json("digits", None, None)


def test_a_reload_that_cannot_be_served_changes_nothing(
    info, manager, served, tmp_path
):
    (tmp_path / "empty" / "1").mkdir(parents=True)
    with pytest.raises(ServingError, match="empty") as caught:
        info.reload(_reload(("linear", served / "linear"), ("x", tmp_path / "empty")))
    assert caught.value.code == "FAILED_PRECONDITION"
    assert manager.available == {"digits": [1], "linear": [1]}


def test_a_reload_of_a_folder_without_versions_changes_nothing(
    info, manager, served, tmp_path
):
    (tmp_path / "none").mkdir()
    with pytest.raises(ServingError, match="none") as caught:
        info.reload(_reload(("linear", served / "linear"), ("x", tmp_path / "none")))
    assert caught.value.code == "FAILED_PRECONDITION"
    assert manager.available == {"digits": [1], "linear": [1]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Only ModelConfigList is currently supported"),
        (_reload(("a", "/"), ("a", "/")), "name of its own"),
        (_reload(("a", "/no/such/folder")), "which is no folder"),
        (b"\xff", "cannot be parsed"),
    ],
)
def test_a_reload_that_makes_no_sense_is_refused(info, manager, body, words):
    with pytest.raises(ServingError, match=words) as caught:
        info.reload(body)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert manager.available == {"digits": [1], "linear": [1]}


def test_status_of_a_message(info):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "linear"
    found = get_model_status_pb2.GetModelStatusResponse.FromString(
        info.status(request.SerializeToString())
    )
    assert [each.version for each in found.model_version_status] == [1]
