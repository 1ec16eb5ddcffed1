"""Locks on folders: who is kept out, and when no longer."""

import pytest

from tfgenai.core.errors import StorageError
from tfgenai.core.folder_lock import locked_folder


def test_a_second_worker_is_kept_out_until_the_first_has_ended(tmp_path):
    with locked_folder(tmp_path):
        expected = pytest.raises(StorageError, match="no other process")
        with expected, locked_folder(tmp_path):
            pass
    with locked_folder(tmp_path):
        pass


def test_an_error_frees_the_folder(tmp_path):
    with pytest.raises(RuntimeError, match="inside"), locked_folder(tmp_path):
        raise RuntimeError("inside")
    with locked_folder(tmp_path):
        pass
