"""Example: one image, text or sound as it came, readable or not."""

import dataclasses
import hashlib
from typing import Any, Literal

import numpy as np

Kind = Literal["images", "text", "sound"]
KINDS: tuple[Kind, ...] = ("images", "text", "sound")


@dataclasses.dataclass(frozen=True)
class Sound:
    """Samples of a recording.

    Args:
        samples: float32 `(time, channels)` in [-1, 1].
        sample_rate: samples in a second, Hz.
    """

    samples: np.ndarray
    sample_rate: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


@dataclasses.dataclass(frozen=True)
class Problem:
    """Why the content of an example could not be read.

    Args:
        code: "unreadable": no such format; "truncated": cut off; "too_large": its
            header announces more than is decoded; "encoding": not UTF-8; "missing": a
            table names a file that is not there; "permission": it may not be read.
        detail: the reason in words, without line breaks.
    """

    code: str
    detail: str


@dataclasses.dataclass(frozen=True)
class Example:
    """One example on its way through the rules; never changed, only replaced.

    Args:
        id: a name that is unique in its source and the same in every run: a relative
            path, or a file and a row, "table.parquet#12".
        content: uint8 `(height, width, channels)` of an image, with 1 or 3 channels;
            str of text; `Sound`; None with a `problem`.
        label: name of its class, or None.
        group: what must stay on one side of a split (speaker, document), or None.
        time: when it was made, anything that sorts as text does, or None.
        split: the split that its source gives it, or None.
        data: the bytes of its own file if it has one, for rules that look at the
            format; None of a row of a table.
        problem: why there is no content.
        synthetic: whether a model made it.
        notes: facts about the file that decoding would lose, such as
            `{"orientation": 6}` of a photograph.
    """

    id: str
    content: "np.ndarray | str | Sound | None"
    label: str | None = None
    group: str | None = None
    time: str | None = None
    split: str | None = None
    data: bytes | None = None
    problem: Problem | None = None
    synthetic: bool = False
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)

    def with_content(self, content: "np.ndarray | str | Sound") -> "Example":
        """The example with other content, which then is not that of its file."""
        return dataclasses.replace(self, content=content, data=None, problem=None)

    def sha256(self) -> bytes:
        """Hash of the content alone, 32 bytes; equal content gives equal hashes.

        Of an example that cannot be read, the hash of its file's bytes.
        """
        content = self.content
        if isinstance(content, str):
            return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()
        if isinstance(content, Sound):
            header = f"{content.samples.shape[1]}@{content.sample_rate}"
            digest = hashlib.sha256(header.encode())
            digest.update(np.ascontiguousarray(content.samples, "<f4").data)
            return digest.digest()
        if content is None:
            return hashlib.sha256(self.data or b"").digest()
        digest = hashlib.sha256("x".join(map(str, content.shape)).encode())
        digest.update(np.ascontiguousarray(content).data)
        return digest.digest()
