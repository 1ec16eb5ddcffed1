"""Storage: complete or absent, whatever happens in between."""

import os
import subprocess
import sys

import pytest

from tfgenai.core import storage
from tfgenai.core.errors import StorageError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    storage.write_text(path, "old")

    def fail():
        with storage.atomic_file(path) as beside:
            beside.write_text("half")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failed_folder_never_appears(tmp_path):
    def fail():
        with storage.atomic_folder(tmp_path / "f") as beside:
            (beside / "x").write_text("half")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(tmp_path) == []


def test_a_folder_is_replaced_only_when_asked(tmp_path):
    with storage.atomic_folder(tmp_path / "f") as beside:
        (beside / "x").write_text("1")
    with (
        pytest.raises(StorageError, match="exists"),
        storage.atomic_folder(tmp_path / "f"),
    ):
        pass
    with storage.atomic_folder(tmp_path / "f", replace=True) as beside:
        (beside / "y").write_text("2")
    assert os.listdir(tmp_path / "f") == ["y"]
    assert os.listdir(tmp_path) == ["f"]


def test_a_kill_in_the_middle_leaves_only_what_can_be_swept(tmp_path):
    script = (
        "import os, signal, sys\n"
        "from tfgenai.core.storage import atomic_folder\n"
        "with atomic_folder(sys.argv[1] + '/f') as beside:\n"
        "    (beside / 'x').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    left = list(tmp_path.iterdir())
    assert left
    assert all(storage.is_partial(path) for path in left)
    storage.remove_partials(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a\0b"])
def test_names_from_outside_stay_inside(tmp_path, name):
    with pytest.raises(StorageError, match="inside"):
        storage.safe_join(tmp_path, name)


def test_unreadable_json_names_the_file(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(StorageError, match=r"a\.json"):
        storage.read_json(tmp_path / "a.json")


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(StorageError, match="folder"):
        storage.write_text(tmp_path / "f" / "x", "1")
