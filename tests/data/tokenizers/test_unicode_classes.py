import unicodedata

import numpy as np

from tfgenai.data.tokenizers.unicode_classes import (
    LETTER,
    NUMBER,
    OTHER,
    SPACE,
    class_ranges,
)


def class_of(character):
    starts, classes = class_ranges()
    return classes[np.searchsorted(starts, ord(character), "right") - 1]


def test_ranges_ascend_from_zero_and_change_class():
    starts, classes = class_ranges()
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert (np.diff(classes) != 0).all()


def test_what_python_knows_as_letter_or_number_the_library_knows_too():
    # Python 3.11 has Unicode 14, the library a later one: it may know more of them.
    kinds = {"L": LETTER, "N": NUMBER}
    for code_point in range(0x110000):
        category = unicodedata.category(chr(code_point))
        if category[0] in kinds:
            assert class_of(chr(code_point)) == kinds[category[0]], hex(code_point)
        elif category not in ("Cn", "Cs", "Cc") and category[0] != "Z":
            assert class_of(chr(code_point)) == OTHER, hex(code_point)


def test_white_space_is_what_unicode_lists_as_such():
    # PropList.txt, White_Space.
    listed = [*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)]
    listed += [0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
    starts, classes = class_ranges()
    ends = np.append(starts[1:], 0x110000)
    found = [
        code_point
        for start, end, kind in zip(starts, ends, classes, strict=True)
        if kind == SPACE
        for code_point in range(start, end)
    ]
    assert found == listed
