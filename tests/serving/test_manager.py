"""Versions come and go while requests run; the loader is a small fake."""

import shutil
import threading
from pathlib import Path

import pytest

from tfgenai.core.errors import ConfigError, ServingError
from tfgenai.serving.config import ModelConfig, Settings, VersionPolicy
from tfgenai.serving.manager import ModelManager
from tfgenai.serving.version_state import State

_QUICK = Settings(settle_seconds=0.0, file_system_poll_wait_seconds=0)


class FakeServable:
    """Loads whatever does not say "broken", and notes what happens to it."""

    log: list[str]
    warmup_seconds = None

    def __init__(self, name: str, version: int, folder: Path, settings: Settings):
        self.name, self.version = name, version
        self.users, self.retired = 0, False
        if (folder / "saved_model.pb").read_bytes() == b"broken":
            raise ServingError("a torn file", code="DATA_LOSS")
        self.log.append(f"load {version}")

    def acquire(self) -> bool:
        self.users += not self.retired
        return not self.retired

    def release(self) -> None:
        self.users -= 1

    def retire(self) -> None:
        self.retired = True
        self.log.append(f"retire {self.version}")


@pytest.fixture
def log():
    return []


@pytest.fixture
def make(tmp_path, log):
    """Makes a manager of the model `m` in `tmp_path/m`."""
    (tmp_path / "m").mkdir()
    loader = type("Fake", (FakeServable,), {"log": log})
    made = []

    def build(settings=_QUICK, **config):
        model = ModelConfig("m", str(tmp_path / "m"), **config)
        made.append(ModelManager([model], settings, loader=loader))
        return made[-1]

    yield build
    for manager in made:
        manager.stop()


@pytest.fixture
def write(tmp_path):
    def version(number, content=b"graph"):
        folder = tmp_path / "m" / str(number)
        folder.mkdir(exist_ok=True)
        (folder / "saved_model.pb").write_bytes(content)
        return folder

    return version


def test_the_newest_version_is_served(make, write, log):
    write(1)
    write(10)
    write(2)
    manager = make()
    manager.start()
    assert manager.available == {"m": [10]}
    assert manager.find("m").version == manager.find("m", version=10).version == 10
    assert [state.version for state in manager.states("m")] == [10]
    assert log == ["load 10"]


def test_the_new_one_is_loaded_before_the_old_one_goes(make, write, log):
    write(1)
    manager = make()
    manager.start()
    write(2)
    manager.poll()
    assert log == ["load 1", "load 2", "retire 1"]
    assert [(s.version, s.state) for s in manager.states("m")] == [
        (2, State.AVAILABLE),
        (1, State.END),
    ]
    manager.poll()
    assert len(log) == 3


def test_a_request_keeps_its_version(make, write):
    write(1)
    manager = make()
    manager.start()
    old = manager.acquire("m")
    write(2)
    manager.poll()
    assert (old.version, old.users, old.retired) == (1, 1, True)
    new = manager.acquire("m")
    assert new.version == 2
    old.release()
    assert old.users == 0


def test_a_version_given_up_between_find_and_use_is_looked_for_again(
    make, write, monkeypatch
):
    write(1)
    manager = make()
    manager.start()
    find, found = manager.find, []

    def find_slowly(name, **asked):
        found.append(find(name, **asked))
        if len(found) == 1:
            write(2)
            manager.poll()
        return found[-1]

    monkeypatch.setattr(manager, "find", find_slowly)
    assert manager.acquire("m").version == 2
    assert [each.version for each in found] == [1, 2]


def test_a_broken_new_version_leaves_the_old_one(make, write, log):
    write(1)
    manager = make()
    manager.start()
    write(2, b"broken")
    manager.poll()
    assert manager.available == {"m": [1]}
    newest = manager.states("m")[0]
    assert (newest.state, newest.code) == (State.END, "DATA_LOSS")
    assert "a torn file" in newest.message
    write(2, b"mended")
    manager.poll()
    assert manager.available == {"m": [2]}
    assert log == ["load 1", "load 2", "retire 1"]


def test_a_broken_newest_version_at_the_start_falls_back(make, write):
    write(1)
    write(2, b"broken")
    manager = make()
    manager.start()
    assert manager.available == {"m": [1]}


def test_a_half_copied_version_is_not_served(make, write, log):
    write(1)
    manager = make(Settings(settle_seconds=0.0, file_system_poll_wait_seconds=0))
    manager.start()
    slow = write(2)
    manager._settings = Settings(settle_seconds=1000.0)
    manager.poll()
    assert manager.available == {"m": [1]}
    (slow / "variables").mkdir()
    manager._settings = _QUICK
    manager.poll()
    assert manager.available == {"m": [2]}


def test_a_folder_that_changes_while_it_is_loaded_is_not_served(tmp_path, log):
    """A copy is still going on although the files so far could be loaded."""
    folder = tmp_path / "m" / "1"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")

    class Growing(FakeServable):
        def __init__(self, name, version, folder, settings):
            super().__init__(name, version, folder, settings)
            if len(log) == 1:
                (folder / "words.txt").write_bytes(b"half of the")

    Growing.log = log
    model = ModelConfig("m", str(tmp_path / "m"))
    manager = ModelManager([model], _QUICK, loader=Growing)
    manager.start()
    assert log == ["load 1", "retire 1", "load 1"]
    assert manager.available == {"m": [1]}


def test_policies(make, write):
    for number in (1, 2, 3):
        write(number)
    all_of_them = make(version_policy=VersionPolicy("all"))
    all_of_them.start()
    assert all_of_them.available == {"m": [1, 2, 3]}
    assert all_of_them.find("m").version == 3
    some = make(version_policy=VersionPolicy("specific", versions=(1, 7)))
    some.start()
    assert some.available == {"m": [1]}


def test_deleting_the_newest_version_rolls_back(make, write, log):
    write(1)
    newest = write(2)
    manager = make()
    manager.start()
    shutil.rmtree(newest)
    manager.poll()
    assert manager.available == {"m": [1]}
    assert log == ["load 2", "load 1", "retire 2"]


def test_a_folder_that_cannot_be_read_changes_nothing(make, write, tmp_path, log):
    write(1)
    manager = make()
    manager.start()
    (tmp_path / "m").rename(tmp_path / "away")
    manager.poll()
    assert manager.available == {"m": [1]}
    (tmp_path / "away").rename(tmp_path / "m")
    manager.poll()
    assert log == ["load 1"]


def test_unknown_models_versions_and_labels(make, write):
    write(1)
    manager = make(version_labels={"stable": 1})
    manager.start()
    assert manager.find("m", label="stable").version == 1
    for asked, code, words in (
        ({"name": "x"}, "NOT_FOUND", "Servable not found for request: Latest(x)"),
        (
            {"name": "m", "version": 5},
            "NOT_FOUND",
            "Servable not found for request: Specific(m, 5)",
        ),
        (
            {"name": "m", "label": "canary"},
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: canary",
        ),
        ({"name": ""}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    ):
        with pytest.raises(ServingError) as caught:
            manager.find(**asked)
        assert (caught.value.code, str(caught.value)) == (code, words)
    assert manager.states("x") == []


def test_a_model_that_cannot_be_served_stops_the_start(make, write):
    with pytest.raises(ConfigError, match="model 'm' asks for was expected"):
        make().start()
    write(1, b"broken")
    with pytest.raises(ServingError, match="version 1: a torn file") as caught:
        make().start()
    assert caught.value.code == "FAILED_PRECONDITION"


def test_a_label_needs_a_version_that_is_served(make, write):
    write(1)
    labels = {"stable": 1, "canary": 2}
    with pytest.raises(ConfigError, match="'canary': 2"):
        make(version_labels=labels).start()
    allowed = Settings(
        settle_seconds=0.0,
        file_system_poll_wait_seconds=0,
        allow_version_labels_for_unavailable_models=True,
    )
    manager = make(allowed, version_labels=labels)
    manager.start()
    with pytest.raises(ServingError, match=r"Specific\(m, 2\)"):
        manager.find("m", label="canary")


def test_it_looks_by_itself(make, write, log):
    write(1)
    manager = make(Settings(settle_seconds=0.0, file_system_poll_wait_seconds=0.01))
    manager.start()
    write(2)
    retired = threading.Event()
    for _ in range(1000):
        if log[-1] == "retire 1":
            break
        retired.wait(0.01)
    assert log == ["load 1", "load 2", "retire 1"]


def test_stopping_gives_everything_up(make, write, log):
    write(1)
    manager = make()
    manager.start()
    manager.stop()
    assert log == ["load 1", "retire 1"]
    assert manager.available == {"m": []}
