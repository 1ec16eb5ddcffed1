"""Batching parameters: as in a file of TensorFlow Serving, or refused."""

from pathlib import Path

import pytest

import tfgenai
from tfgenai.core.errors import ConfigError
from tfgenai.serving.batching_parameters import BatchingParameters, parameters_from_file

FILES = Path(tfgenai.__file__).parent.parent / "serving"


def test_the_defaults_are_those_of_tensorflow_serving(tmp_path):
    (tmp_path / "empty").write_text("")
    found = parameters_from_file(tmp_path / "empty")
    assert found == BatchingParameters()
    assert (found.max_batch_size, found.batch_timeout_micros) == (1000, 0)
    assert (found.max_enqueued_batches, found.enable_large_batch_splitting) == (
        10,
        False,
    )


def test_every_field_is_read(tmp_path):
    (tmp_path / "file").write_text(
        """
        max_batch_size { value: 8 }
        batch_timeout_micros { value: 500 }
        max_enqueued_batches { value: 3 }
        num_batch_threads { value: 2 }
        thread_pool_name { value: "pool" }
        allowed_batch_sizes: 1
        allowed_batch_sizes: 4
        pad_variable_length_inputs: true
        enable_large_batch_splitting { value: true }
        max_execution_batch_size { value: 4 }
        """
    )
    assert parameters_from_file(tmp_path / "file") == BatchingParameters(
        8, 500, 3, 2, (1, 4), True, True, 4
    )


def test_the_file_that_is_shipped_can_be_read():
    found = parameters_from_file(FILES / "batching.config")
    assert found.allowed_batch_sizes[-1] == found.max_batch_size == 64


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_batch_size: 3", "Error parsing text-format tensorflow.serving.Batching"),
        ("max_batch_size { value: 0 }", "max_batch_size=0"),
        ("num_batch_threads { value: 0 }", "num_batch_threads=0"),
        ("allowed_batch_sizes: 4", "end at the largest batch, 1000"),
        (
            "max_batch_size { value: 4 } allowed_batch_sizes: 4 allowed_batch_sizes: 4",
            r"\[4, 4\]",
        ),
        ("max_execution_batch_size { value: 4 }", "enable_large_batch_splitting=False"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, text, words):
    (tmp_path / "file").write_text(text)
    with pytest.raises(ConfigError, match=words):
        parameters_from_file(tmp_path / "file")
