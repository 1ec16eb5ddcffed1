"""What a server is told: folders, config files, policies and their mistakes."""

import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.serving.config import (
    ModelConfig,
    Settings,
    VersionPolicy,
    check_models,
    models_from_file,
    models_from_folder,
    version_folders,
)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (VersionPolicy(), {9}),
        (VersionPolicy(num_versions=2), {7, 9}),
        (VersionPolicy(num_versions=5), {1, 7, 9}),
        (VersionPolicy("all"), {1, 7, 9}),
        (VersionPolicy("specific", versions=(1, 2)), {1}),
    ],
)
def test_a_policy_chooses_versions(policy, expected):
    assert policy.aspired([7, 1, 9]) == expected
    assert policy.aspired([]) == set()


def test_version_folders_are_those_named_by_a_number(tmp_path):
    for name in ("1", "00000123", "v2", "-3", ".partial-4", "1a", "9" * 30):
        (tmp_path / name).mkdir()
    (tmp_path / "5").write_text("a file")
    assert {n: p.name for n, p in version_folders(tmp_path).items()} == {
        1: "1",
        123: "00000123",
    }


def test_a_folder_of_models_and_the_folder_of_one(tmp_path):
    for name in ("b/1", "a/3", "a/4", "empty", "notes/old"):
        (tmp_path / name).mkdir(parents=True)
    assert [model.name for model in models_from_folder(tmp_path)] == ["a", "b"]
    (one,) = models_from_folder(tmp_path / "a")
    assert (one.name, one.base_path) == ("a", str(tmp_path / "a"))


@pytest.mark.parametrize("name", ["empty", "missing", "file"])
def test_a_folder_without_a_model_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match=r"Received: folder=.*export_serving"):
        models_from_folder(tmp_path / name)


def _write(tmp_path, text):
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).mkdir(exist_ok=True)
    file = tmp_path / "models.config"
    file.write_text(text.replace("ROOT", str(tmp_path)))
    return file


def test_a_config_file_with_every_policy_and_labels(tmp_path):
    file = _write(
        tmp_path,
        """
        model_config_list {
          config { name: "a" base_path: "ROOT/a" model_platform: "tensorflow" }
          config { name: "b" base_path: "ROOT/b" model_platform: "tensorflow"
                   model_version_policy { latest { num_versions: 3 } } }
          config { name: "c" base_path: "ROOT/c" model_platform: "tensorflow"
                   model_version_policy { all {} } }
          config { name: "d" base_path: "ROOT/d" model_type: TENSORFLOW
                   model_version_policy { specific { versions: 4 versions: 5 } }
                   version_labels { key: "stable" value: 4 } }
        }
        """,
    )
    a, b, c, d = models_from_file(file)
    assert a == ModelConfig("a", str(tmp_path / "a"))
    assert b.version_policy == VersionPolicy(num_versions=3)
    assert c.version_policy == VersionPolicy("all")
    assert d.version_policy == VersionPolicy("specific", versions=(4, 5))
    assert d.version_labels == {"stable": 4}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "model_config_list { config { nam: 'a' } }",
            "Error parsing text-format tensorflow.serving.ModelServerConfig: .*nam",
        ),
        ("custom_model_config {}", "A model_config_list was expected"),
        ("", "At least one model"),
        (
            "model_config_list { config { name: 'a' base_path: 'ROOT/a' } }",
            "model_platform: 'tensorflow' was expected",
        ),
        (
            "model_config_list { config { name: 'a' base_path: 'ROOT/none' "
            "model_platform: 'tensorflow' } }",
            "Received: base_path='.*none'",
        ),
        (
            "model_config_list { config { name: 'a' base_path: 'ROOT/a' "
            "model_platform: 'tensorflow' } config { name: 'a' base_path: 'ROOT/b' "
            "model_platform: 'tensorflow' } }",
            "Received: name='a'",
        ),
    ],
)
def test_a_bad_config_file_is_refused_in_words(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words):
        models_from_file(_write(tmp_path, text))


def test_a_config_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(ConfigError, match="Error parsing text-format"):
        models_from_file(tmp_path / "none.config")
    (tmp_path / "bytes.config").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="Error parsing text-format"):
        models_from_file(tmp_path / "bytes.config")


def test_a_model_needs_a_name(tmp_path):
    with pytest.raises(ConfigError, match="Received: name=''"):
        check_models([ModelConfig("", str(tmp_path))])


@pytest.mark.parametrize(
    "name", ["rest_api_timeout_in_ms", "max_request_bytes", "max_request_rows"]
)
def test_limits_are_positive(name):
    with pytest.raises(ConfigError, match=f"Received: {name}=0"):
        Settings(**{name: 0})
