from pathlib import Path

import pytest

from tfgenai.core.errors import CheckpointError
from tfgenai.evaluate.features.lookup import (
    default_name,
    extractor_home,
    resolve_extractor,
)


def test_home_follows_the_variable(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("TFGENAI_HOME", str(tmp_path))
    assert extractor_home() == tmp_path / "extractors"
    monkeypatch.delenv("TFGENAI_HOME")
    assert extractor_home() == Path.home() / ".cache" / "tfgenai" / "extractors"


def test_names_of_variants_are_names_of_folders() -> None:
    assert default_name("mnist_corrupted/blur:1.0.0") == "blur_1.0.0_classifier"


def test_path_and_name_and_object(extractor, extractor_folder, monkeypatch) -> None:
    home = extractor_folder.parent
    monkeypatch.setenv("TFGENAI_HOME", str(home))
    assert resolve_extractor(extractor_folder).sha256 == extractor.sha256
    assert resolve_extractor(str(extractor_folder)).sha256 == extractor.sha256
    assert resolve_extractor(extractor) is extractor
    (home / "extractors").symlink_to(home)
    assert resolve_extractor("digits").sha256 == extractor.sha256


def test_missing_name_tells_the_command(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("TFGENAI_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match="fit-extractor mnist`"):
        resolve_extractor("mnist_classifier")
    with pytest.raises(CheckpointError, match="fit-extractor DATA --output a/b`"):
        resolve_extractor("a/b")


def test_objects_that_extract_nothing_are_refused() -> None:
    with pytest.raises(TypeError, match=r"sha256 was expected.*features=3"):
        resolve_extractor(3)
