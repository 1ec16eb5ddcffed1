"""Keeps glibc from returning a step's temporary memory to the system every time."""

import ctypes
import os
import platform

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4

_done = False


def keep_temporary_memory() -> bool:
    """Tells malloc to keep freed memory, once per process, on glibc only.

    A training step on a CPU allocates and frees large buffers, XLA's one arena per
    call. By default glibc maps and unmaps them each time, which costs a fifth of a
    small model's step. The price is that a process keeps its peak memory.
    `TFGENAI_MALLOC=default` in the environment switches this off.

    Returns:
        Whether the setting is in force.
    """
    global _done
    if _done:
        return True
    if os.environ.get("TFGENAI_MALLOC") == "default":
        return False
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    _done = bool(
        libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    )
    return _done
