"""Letters, numbers, white space or other: what GPT-2's pattern asks of a character."""

import functools

import numpy as np
from tokenizers import pre_tokenizers

LETTER, NUMBER, SPACE, OTHER = range(4)

# A character that sticks to the probe is of the probe's class; spaces stick to none.
_PROBES = (("a", LETTER), ("1", NUMBER), ("!", OTHER))


@functools.cache
def class_ranges() -> tuple[np.ndarray, np.ndarray]:
    r"""The classes \p{L}, \p{N}, \s and the rest, as `tokenizers` has them.

    The library `tokenizers` is asked, because Unicode's tables differ between versions,
    and a character that is a letter to only one of two tokenizers is cut differently.
    It is asked about all code points at once: it cuts the whole of Unicode where the
    class changes, and one character of each piece then stands for the piece.

    Returns:
        First code point of each range, int32 `(ranges,)`, ascending from 0, and the
        class of the range, int32 `(ranges,)`: 0 letters, 1 numbers, 2 spaces, 3 others.
        Surrogates, which text cannot hold, count as others.

    Example:
        >>> starts, classes = class_ranges()
        >>> [int(classes[np.searchsorted(starts, ord(c), "right") - 1]) for c in "é² ,"]
        [0, 1, 2, 3]
    """
    cut = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    # Without U+0020, which would stick to its neighbour.
    code_points = np.array(
        [c for c in range(0x110000) if c != 0x20 and not 0xD800 <= c < 0xE000], np.int32
    )
    everything = code_points.astype("<u4").tobytes().decode("utf-32-le")
    spans = [span for _, span in cut.pre_tokenize_str(everything)]
    kinds = [_class_of(everything[first], cut) for first, _ in spans]
    classes = np.full(0x110000, OTHER, np.int32)
    classes[code_points] = np.repeat(kinds, [last - first for first, last in spans])
    classes[0x20] = SPACE
    starts = np.flatnonzero(np.diff(classes, prepend=-1))
    return starts.astype(np.int32), classes[starts]


def _class_of(character: str, cut: pre_tokenizers.ByteLevel) -> int:
    for probe, kind in _PROBES:
        if len(cut.pre_tokenize_str(probe + character)) == 1:
            return kind
    return SPACE
