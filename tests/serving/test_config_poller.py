"""The file of models: read again, obeyed if it is good, complained of once if not."""

import pytest

from tfgenai.core.errors import ServingError
from tfgenai.serving.config_poller import ConfigPoller


@pytest.fixture
def write(tmp_path):
    """Writes a file that names some models; returns it."""
    (tmp_path / "folder").mkdir()

    def run(*names, text=None):
        entries = "".join(
            f'config {{ name: "{name}" base_path: "{tmp_path}/folder" '
            'model_platform: "tensorflow" }'
            for name in names
        )
        file = tmp_path / "models.config"
        file.write_text(text or f"model_config_list {{ {entries} }}")
        return file

    return run


def test_other_models_are_served_once_they_are_named(write):
    served = []
    poller = ConfigPoller(write("a"), served.append, seconds=0)
    poller.poll()
    assert served == []
    write("a", "b")
    poller.poll()
    poller.poll()
    assert [[model.name for model in models] for models in served] == [["a", "b"]]


def test_a_bad_file_changes_nothing_and_is_complained_of_once(write, caplog):
    served = []
    poller = ConfigPoller(write("a"), served.append, seconds=0)
    write(text="model_config_list {")
    poller.poll()
    poller.poll()
    assert served == []
    assert caplog.text.count("Error parsing text-format") == 1


def test_what_could_not_be_served_is_tried_again(write, caplog):
    tried = []

    def reload(models):
        tried.append([model.name for model in models])
        if len(tried) == 1:
            raise ServingError("not yet", code="FAILED_PRECONDITION")

    poller = ConfigPoller(write("a"), reload, seconds=0)
    write("b")
    for _ in range(3):
        poller.poll()
    assert tried == [["b"], ["b"]]
    assert "not yet" in caplog.text


def test_it_polls_by_itself_until_it_is_stopped(write):
    import threading

    seen = threading.Event()
    poller = ConfigPoller(write("a"), lambda models: seen.set(), seconds=0.01)
    write("a", "b")
    assert seen.wait(60)
    poller.stop()
    assert not poller._thread.is_alive()
