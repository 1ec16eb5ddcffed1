"""A lock on a folder: one process at a time works in it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from tfgenai.core.errors import StorageError
from tfgenai.core.storage import PathLike


@contextlib.contextmanager
def locked_folder(path: PathLike) -> Iterator[None]:
    """Keeps other processes out of a folder that exists; the kernel frees a dead lock.

    Args:
        path: the folder.

    Raises:
        StorageError: if another process holds it.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                "A folder that no other process trains in was expected. Received: "
                f"path={str(path)!r}. Wait for the other run, or choose another "
                "--output."
            ) from error
        except OSError:
            pass  # some network file systems cannot lock a folder
        yield
    finally:
        os.close(handle)
