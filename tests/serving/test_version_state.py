"""What is remembered of a version between two looks."""

import pytest

from tfgenai.core.errors import ServingError
from tfgenai.serving import version_state
from tfgenai.serving.config import Settings
from tfgenai.serving.version_state import State, VersionState


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    return tmp_path


def test_states_are_tensorflow_servings():
    from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

    assert {state.name: int(state) for state in State} == dict(
        ModelVersionStatus.State.items()
    )


def test_a_folder_still_being_written_is_not_usable(folder):
    state = VersionState(1)
    assert not state.is_usable(folder, Settings(settle_seconds=1000.0))
    assert state.is_settling
    assert state.is_known
    assert state.is_usable(folder, Settings(settle_seconds=0.0))
    assert not state.is_settling


def test_a_folder_without_a_graph_is_not_usable(tmp_path):
    state = VersionState(1)
    assert not state.is_usable(tmp_path, Settings(settle_seconds=0.0))
    assert state.state is State.END
    assert state.code == "FAILED_PRECONDITION"
    assert "no saved_model.pb" in state.message


def test_a_folder_that_is_gone_is_not_usable(tmp_path):
    assert not VersionState(1).is_usable(tmp_path / "1", Settings(settle_seconds=0.0))


def test_a_failure_is_tried_again_later_and_only_so_often(folder, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(version_state.time, "monotonic", lambda: now[0])
    settings = Settings(
        settle_seconds=0.0, max_num_load_retries=1, load_retry_interval_micros=10**7
    )
    state = VersionState(1)
    assert state.is_usable(folder, settings)
    state.failed(ServingError("broken", code="DATA_LOSS"), settings)
    assert (state.state, state.code, state.message) == (
        State.END,
        "DATA_LOSS",
        "broken",
    )
    assert not state.is_usable(folder, settings)
    now[0] = 11.0
    assert state.is_usable(folder, settings)
    state.failed(ValueError("again"), settings)
    assert state.code == "UNKNOWN"
    now[0] = 1000.0
    assert not state.is_usable(folder, settings)
    # A folder that has changed is worth a new try at once.
    (folder / "saved_model.pb").write_bytes(b"a whole graph")
    assert state.is_usable(folder, settings)
