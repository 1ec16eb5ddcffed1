"""Which folder is meant, and what a signature can reach."""

import pytest

from tfgenai.core.errors import ExportError
from tfgenai.export.graph import ServedGraph, resolve_version, version_folders


def make_version(folder):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"")
    return folder


def test_the_newest_version_by_number_is_meant(tmp_path):
    for name in ("9", "10", ".partial-11-x", "old"):
        make_version(tmp_path / name)
    (tmp_path / "12").write_text("a file is no version")
    assert resolve_version(tmp_path) == tmp_path / "10"
    assert resolve_version(tmp_path / "9") == tmp_path / "9"
    assert sorted(version_folders(tmp_path)) == [9, 10]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: None, "numbered versions"),
        (lambda folder: (folder / "m").mkdir(), "numbered versions"),
        (lambda folder: (folder / "m" / "variables").mkdir(parents=True), "missing"),
    ],
)
def test_a_folder_without_an_export_is_refused(tmp_path, make, words):
    make(tmp_path)
    with pytest.raises(ExportError, match=words):
        resolve_version(tmp_path / "m")


def test_nodes_are_those_of_the_signature_and_not_of_the_restore(exported):
    ops = {node.op for node in ServedGraph(exported).nodes("generate")}
    assert {"MatMul", "Tanh", "VarHandleOp", "ReadVariableOp"} <= ops
    assert not ops & {"RestoreV2", "SaveV2", "AssignVariableOp", "EncodePng"}
    png_ops = {node.op for node in ServedGraph(exported).nodes("generate_png")}
    assert "EncodePng" in png_ops
