"""The environment of a run: versions as installed, and nothing that names a machine."""

import importlib.metadata
import json
import os
import platform

from tfgenai.train.environment import describe_environment


def test_it_names_versions_and_no_machine():
    found = describe_environment()
    expected = importlib.metadata.version("tensorflow")
    assert found["versions"]["tensorflow"] == expected
    assert found["num_cores"] == os.cpu_count()
    text = json.dumps(found)
    assert os.path.expanduser("~") not in text
    assert platform.node() not in text.replace(platform.system(), "")
