"""Version folders on disk: when one is whole and quiet enough to be loaded."""

import dataclasses
import os
import time
from pathlib import Path

_GRAPH_FILES = ("saved_model.pb", "saved_model.pbtxt")

Fingerprint = tuple[tuple[str, int, int], ...]


@dataclasses.dataclass(frozen=True)
class FolderState:
    """What a version folder looks like at one moment.

    Args:
        fingerprint: names, sizes and times of change of all its files.
        quiet_seconds: seconds since anything in it has changed.
        has_graph: whether the file that a loader starts from is there.
    """

    fingerprint: Fingerprint
    quiet_seconds: float
    has_graph: bool


def look_at(folder: Path) -> FolderState:
    """Looks at a version folder.

    Raises:
        OSError: if it vanishes meanwhile.
    """
    entries: list[tuple[str, int, int]] = []
    newest = 0
    for parent, _, names in os.walk(folder):
        newest = max(newest, os.stat(parent).st_ctime_ns)
        for name in names:
            path = os.path.join(parent, name)
            stat = os.stat(path)
            entries.append(
                (os.path.relpath(path, folder), stat.st_size, stat.st_mtime_ns)
            )
            # Not the time of modification: copies that keep it would look old.
            newest = max(newest, stat.st_ctime_ns)
    return FolderState(
        fingerprint=tuple(sorted(entries)),
        quiet_seconds=max(0.0, time.time() - newest / 1e9),
        has_graph=any((folder / name).is_file() for name in _GRAPH_FILES),
    )


class Watch:
    """Remembers how long a version folder has looked the same.

    A clock that was set back makes every file seem to come from the future; what was
    seen to be the same for long enough is quiet all the same.
    """

    def __init__(self) -> None:
        self._fingerprint: Fingerprint | None = None
        self._since = 0.0

    def is_settled(self, state: FolderState, seconds: float) -> bool:
        """Whether nothing has changed for so many seconds."""
        now = time.monotonic()
        if state.fingerprint != self._fingerprint:
            self._fingerprint, self._since = state.fingerprint, now
        return max(state.quiet_seconds, now - self._since) >= seconds
