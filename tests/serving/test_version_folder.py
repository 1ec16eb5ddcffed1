"""When a version folder is whole and quiet."""

import os
import shutil
import time

from tfgenai.serving import version_folder
from tfgenai.serving.version_folder import FolderState, Watch, look_at


def _folder(tmp_path):
    folder = tmp_path / "1"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


def test_the_fingerprint_tells_every_change(tmp_path):
    folder = _folder(tmp_path)
    first = look_at(folder)
    assert first.has_graph
    assert [entry[:2] for entry in first.fingerprint] == [
        ("saved_model.pb", 5),
        ("variables/variables.index", 5),
    ]
    assert look_at(folder).fingerprint == first.fingerprint
    (folder / "variables" / "variables.index").write_bytes(b"longer index")
    second = look_at(folder).fingerprint
    assert second != first.fingerprint
    (folder / "assets").mkdir()
    (folder / "assets" / "words.txt").write_bytes(b"")
    assert look_at(folder).fingerprint != second


def test_a_folder_without_a_graph(tmp_path):
    folder = _folder(tmp_path)
    (folder / "saved_model.pb").unlink()
    assert not look_at(folder).has_graph
    (folder / "saved_model.pbtxt").write_text("")
    assert look_at(folder).has_graph


def test_a_copy_that_keeps_old_times_is_not_quiet(tmp_path):
    """`cp -p` and rsync keep the time of modification, but cannot fake the other."""
    folder = _folder(tmp_path)
    old = time.time() - 1000
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (old, old))
    copied = shutil.copytree(folder, tmp_path / "2", copy_function=shutil.copy2)
    assert all(path.stat().st_mtime == old for path in copied.rglob("*"))
    assert look_at(copied).quiet_seconds < 100


def test_quiet_by_the_clock_or_by_being_watched(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(version_folder.time, "monotonic", lambda: now[0])
    watch = Watch()
    assert watch.is_settled(FolderState((), 5.0, True), 1.0)
    # The clock was set back: the files come from the future, for ever.
    future = FolderState((("a", 1, 1),), 0.0, True)
    assert not watch.is_settled(future, 1.0)
    now[0] += 0.9
    assert not watch.is_settled(future, 1.0)
    now[0] += 0.2
    assert watch.is_settled(future, 1.0)
    changed = FolderState((("a", 2, 1),), 0.0, True)
    assert not watch.is_settled(changed, 1.0)
