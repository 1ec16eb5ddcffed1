"""Archives of a few spoken digits, whole and with tricks, for tests."""

import io
import tarfile
from pathlib import Path

import numpy as np
import soundfile


def recording(number: int, rate: int = 8000, channels: int = 1) -> bytes:
    """A WAV file of a tone, 100 samples long and ten for each number more."""
    tone = np.sin(np.arange(100 + 10 * number) * 0.3) / (2 + number)
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        np.stack([tone] * channels, axis=1),
        rate,
        format="WAV",
        subtype="PCM_16",
    )
    return buffer.getvalue()


def write_archive(folder: Path, files=None, extra=()) -> Path:
    """Writes recordings.tar.gz with some files, and members as they are given."""
    if files is None:
        files = {f"recordings/{i % 10}_ann_{i}.wav": recording(i) for i in range(12)}
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / "recordings.tar.gz", "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in extra:
            tar.addfile(member, io.BytesIO(b"\0" * member.size))
    return folder
