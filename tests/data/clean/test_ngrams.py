"""Shared n-grams, against all pairs of n-grams that texts really share."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.ngrams import SharedNgrams, winnowed
from tfgenai.data.raw import Example

WORDS = st.lists(st.sampled_from([f"w{i}" for i in range(40)]), max_size=60)


def longest_shared_run(a: list[str], b: list[str]) -> int:
    best = 0
    for i in range(len(a)):
        for j in range(len(b)):
            n = 0
            while i + n < len(a) and j + n < len(b) and a[i + n] == b[j + n]:
                n += 1
            best = max(best, n)
    return best


@given(before=WORDS, run=st.integers(0, 16), after=WORDS, other=WORDS)
def test_a_long_run_is_always_found_and_a_short_one_never(before, run, after, other):
    shared = [f"s{i}" for i in range(run)]
    a, b = [*before, *shared, *after], [*other, *shared]
    common = np.intersect1d(*(winnowed(" ".join(words), 13) for words in (a, b)))
    longest = longest_shared_run(a, b)
    if longest >= 13:
        assert len(common)
    if longest < 9:
        assert not len(common)


def test_case_and_punctuation_do_not_count():
    words = "One, two; three: four? Five! Six - seven (eight) nine ten eleven twelve."
    plain = "one two three four five six seven eight nine ten eleven twelve"
    np.testing.assert_array_equal(winnowed(words, 10), winnowed(plain, 10))


def test_the_later_text_is_named_and_the_earlier_is_not():
    texts = [
        "a b c d e f g h i j k l m n",
        "o p q r s t",
        "x a b c d e f g h i j k l m",
    ]
    rule = SharedNgrams(13)
    hashes = [rule.measure(Example(str(i), t))["hashes"] for i, t in enumerate(texts)]
    facts = Facts(
        ["0", "1", "2"], [None] * 3, [None] * 3, [b""] * 3, {"hashes": hashes}
    )
    assert rule.judge(facts) == {2: "about 13 words in a row as 0"}
