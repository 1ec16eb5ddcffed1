"""Strategies by name, and who writes files among several workers."""

import json

import pytest
import tensorflow as tf

from tfgenai.core.errors import ConfigError
from tfgenai.train.strategy import is_chief, strategy


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


def set_cluster(monkeypatch, cluster, kind, index):
    config = {"cluster": cluster, "task": {"type": kind, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))


def test_one_and_auto_on_a_machine_without_gpus_are_the_default():
    assert strategy("one") is tf.distribute.get_strategy()
    if not tf.config.list_physical_devices("GPU"):
        assert strategy("auto") is tf.distribute.get_strategy()


def test_mirrored_takes_every_device():
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    chosen = strategy("mirrored")
    assert isinstance(chosen, tf.distribute.MirroredStrategy)
    assert chosen.num_replicas_in_sync == len(devices)
    # two on the same devices would mix up their collective operations
    assert strategy("mirrored") is chosen


def test_a_typo_names_the_nearest():
    with pytest.raises(ConfigError, match=r"strategy='miror'.*'mirrored'"):
        strategy("miror")


def test_several_workers_need_their_list():
    with pytest.raises(ConfigError, match="TF_CONFIG"):
        strategy("multi_worker")


def test_a_broken_list_of_workers_is_refused(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{cluster")
    with pytest.raises(ConfigError, match=r"JSON.*TF_CONFIG.*\{cluster"):
        strategy("auto")


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "expected"),
    [
        ({"worker": ["a:1", "b:1"]}, "worker", 0, True),
        ({"worker": ["a:1", "b:1"]}, "worker", 1, False),
        ({"chief": ["a:1"], "worker": ["b:1"]}, "chief", 0, True),
        ({"chief": ["a:1"], "worker": ["b:1"]}, "worker", 0, False),
        ({"worker": ["a:1"]}, "worker", 0, True),
    ],
)
def test_exactly_one_worker_is_the_chief(monkeypatch, cluster, kind, index, expected):
    set_cluster(monkeypatch, cluster, kind, index)
    assert is_chief() is expected


def test_a_process_alone_is_the_chief():
    assert is_chief()
