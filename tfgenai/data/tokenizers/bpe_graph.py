"""Byte-level BPE inside a graph: words by GPT-2's pattern, then merges, all at once."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfgenai.data.tokenizers.bpe_files import byte_spelling, pair_of
from tfgenai.data.tokenizers.unicode_classes import LETTER, SPACE, class_ranges

_NO_RANK = np.int32(2**31 - 1)
_OUTSIDE = -1  # what stands before the first and behind the last character of a row
# 's|'t|'re|'ve|'m|'ll|'d of the pattern.
_ONE_LETTER = "stmd"
_TWO_LETTERS = ("re", "ve", "ll")


@dataclasses.dataclass(frozen=True)
class MergeTable:
    """Vocabulary and merges as arrays.

    Args:
        byte_tokens: int32 `(256,)`, token of each byte.
        keys: int64 `(merges,)`, left * vocabulary_size + right, ascending.
        ranks: int32 `(merges,)`, rank of the pair of each key; low ranks come first.
        merged: int32 `(merges,)`, token that the pair of each rank becomes.
        vocabulary_size: number of tokens.
        in_order: whether every merge that uses a token ranks behind all that make it,
            as in every vocabulary that makes each token once.
    """

    byte_tokens: np.ndarray
    keys: np.ndarray
    ranks: np.ndarray
    merged: np.ndarray
    vocabulary_size: int
    in_order: bool

    @classmethod
    def of(cls, vocabulary: list[str], merges: list[str]) -> "MergeTable":
        """Makes the arrays; of pairs that are listed twice, the last counts."""
        ids = {token: i for i, token in enumerate(vocabulary)}
        pairs = [pair_of(merge) for merge in merges]
        left = np.array([ids[a] for a, _ in pairs], np.int64)
        right = np.array([ids[b] for _, b in pairs], np.int64)
        merged = np.array([ids[a + b] for a, b in pairs], np.int32)
        rank_of = dict(
            zip((left * len(ids) + right).tolist(), range(len(pairs)), strict=True)
        )
        keys = np.array(sorted(rank_of), np.int64)
        ranks = np.array([rank_of[key] for key in keys.tolist()], np.int32)
        first_use = np.full(len(ids), _NO_RANK)
        np.minimum.at(first_use, left[ranks], ranks)
        np.minimum.at(first_use, right[ranks], ranks)
        in_order = bool((first_use[merged[ranks]] > ranks).all())
        byte_tokens = np.array([ids[spelled] for spelled in byte_spelling()], np.int32)
        return cls(byte_tokens, keys, ranks, merged, len(ids), in_order)


def encode_flat(
    code_points: tf.Tensor, lengths: tf.Tensor, flat_bytes: tf.Tensor, table: MergeTable
) -> tuple[tf.Tensor, tf.Tensor]:
    """Tokens of texts that stand one after another.

    Args:
        code_points: int32 `(characters,)` of all rows.
        lengths: int32 `(batch,)`, characters of each row.
        flat_bytes: int32 `(bytes,)`, the same text in UTF-8.
        table: vocabulary and merges.

    Returns:
        Tokens of all rows, int32 `(tokens,)`, and how many each row has, int32
        `(batch,)`.
    """
    batch = tf.size(lengths)
    row = tf.repeat(tf.range(batch), lengths)
    starts = word_starts(code_points, row)
    word = tf.cumsum(tf.cast(starts, tf.int32)) - 1
    num_bytes = 1 + tf.add_n(
        [tf.cast(code_points >= limit, tf.int32) for limit in (0x80, 0x800, 0x10000)]
    )
    tokens, words = merge_words(
        tf.gather(tf.constant(table.byte_tokens), flat_bytes),
        tf.repeat(word, num_bytes),
        table,
    )
    row_of_token = tf.gather(tf.boolean_mask(row, starts), words)
    counts = tf.math.unsorted_segment_sum(
        tf.ones_like(row_of_token), row_of_token, batch
    )
    return tokens, counts


def word_starts(code_points: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    r"""Where GPT-2's pattern begins a word.

    The pattern of Radford et al. 2019 (`encoder.py` of their code) is

        's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

    TensorFlow's regular expressions (RE2) have no look-ahead. So the rule is written
    out: a word begins where the class changes; the last of several spaces before
    something else is cut off, and one U+0020 there belongs to what follows.

    Args:
        code_points: int32 `(characters,)` of all rows, one after another.
        row: int32 `(characters,)`, which row each is of, ascending.

    Returns:
        bool `(characters,)`.
    """
    range_starts, range_classes = class_ranges()
    place = tf.searchsorted(tf.constant(range_starts), code_points, side="right") - 1
    kind = tf.gather(tf.constant(range_classes), place)

    def ahead(values: tf.Tensor, count: int) -> tf.Tensor:
        return _shifted(values, row, count)

    behind_kind, behind = _shifted(kind, row, -1), _shifted(code_points, row, -1)
    is_space = kind == SPACE
    begins_run = kind != behind_kind
    takes_space = ~is_space & (behind == ord(" "))
    is_last_space = is_space & (ahead(kind, 1) != SPACE) & (ahead(kind, 1) != _OUTSIDE)
    starts = (begins_run & ~takes_space) | is_last_space

    # Before a letter, an apostrophe that begins a word is alone in its run.
    apostrophe = starts & (code_points == ord("'")) & (ahead(kind, 1) == LETTER)
    first, second = ahead(code_points, 1), ahead(code_points, 2)
    one = apostrophe & _is_any(first, [ord(letter) for letter in _ONE_LETTER])
    two = tf.zeros_like(one)
    for pair in _TWO_LETTERS:
        two |= apostrophe & (first == ord(pair[0])) & (second == ord(pair[1]))
    starts &= ~_marked(one | two, row, 1)
    return starts | _marked(one, row, 2) | _marked(two, row, 3)


def merge_words(
    tokens: tf.Tensor, words: tf.Tensor, table: MergeTable
) -> tuple[tf.Tensor, tf.Tensor]:
    """Merges the pairs of every word, lowest rank first and from the left.

    Each pass merges the lowest pair of every word, wherever it occurs in the word, so
    there are about as many passes as merges in the longest word. Passes merge one pair
    a word where `table.in_order` is false: then a new pair may rank before the rest.

    Args:
        tokens: int32 `(n,)`, one for each byte.
        words: int32 `(n,)`, number of the word of each, ascending without gaps.
        table: vocabulary and merges.

    Returns:
        Tokens and their words, both int32 `(tokens,)`.
    """
    if not len(table.keys):
        return tokens, words
    keys, ranks_of_keys = tf.constant(table.keys), tf.constant(table.ranks)
    merged_of_ranks = tf.constant(table.merged)
    num_words = tf.reduce_max(tf.concat([words, [-1]], axis=0)) + 1

    def ranks_of(tokens: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        wide = tf.cast(tokens, tf.int64)
        key = wide[:-1] * table.vocabulary_size + wide[1:]
        place = tf.minimum(tf.searchsorted(keys, key), len(table.keys) - 1)
        found = (tf.gather(keys, place) == key) & (words[:-1] == words[1:])
        return tf.where(found, tf.gather(ranks_of_keys, place), _NO_RANK)

    def can_merge(tokens: tf.Tensor, words: tf.Tensor, ranks: tf.Tensor) -> tf.Tensor:
        return tf.reduce_any(ranks < _NO_RANK)

    def merge(
        tokens: tf.Tensor, words: tf.Tensor, ranks: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        owner = words[:-1]
        lowest = tf.math.unsorted_segment_min(ranks, owner, num_words)
        chosen = (ranks < _NO_RANK) & (ranks == tf.gather(lowest, owner))
        if table.in_order:
            chosen = _every_other(chosen)
        else:
            chosen = _first_of_word(chosen, owner, num_words)
        merged = tf.gather(merged_of_ranks, tf.where(chosen, ranks, 0))
        nowhere = tf.zeros((1,), tf.bool)
        tokens = tf.concat([tf.where(chosen, merged, tokens[:-1]), tokens[-1:]], axis=0)
        kept = ~tf.concat([nowhere, chosen], axis=0)
        tokens, words = tf.boolean_mask(tokens, kept), tf.boolean_mask(words, kept)
        return tokens, words, ranks_of(tokens, words)

    some = tf.TensorShape([None])
    tokens, words, _ = tf.while_loop(
        can_merge,
        merge,
        (tokens, words, ranks_of(tokens, words)),
        shape_invariants=(some, some, some),
    )
    return tokens, words


def _every_other(chosen: tf.Tensor) -> tf.Tensor:
    """The first, third, fifth ... of each run: of "aaa" only the first pair merges."""
    others = tf.cast(tf.where(~chosen)[:, 0], tf.int32)
    num_before = tf.cumsum(tf.cast(~chosen, tf.int32))
    last_other = tf.gather(tf.concat([[-1], others], axis=0), num_before)
    return chosen & ((tf.range(tf.size(chosen)) - last_other) % 2 == 1)


def _first_of_word(
    chosen: tf.Tensor, words: tf.Tensor, num_words: tf.Tensor
) -> tf.Tensor:
    place = tf.range(tf.size(chosen))
    first = tf.math.unsorted_segment_min(
        tf.where(chosen, place, _NO_RANK), words, num_words
    )
    return place == tf.gather(first, words)


def _shifted(values: tf.Tensor, row: tf.Tensor, count: int) -> tf.Tensor:
    """What stands `count` places further in the row, `_OUTSIDE` beyond its ends."""
    place = tf.range(tf.size(row)) + count
    inside = (place >= 0) & (place < tf.size(row))
    place = tf.where(inside, place, 0)
    inside &= tf.gather(row, place) == row
    return tf.where(inside, tf.gather(values, place), _OUTSIDE)


def _marked(marks: tf.Tensor, row: tf.Tensor, count: int) -> tf.Tensor:
    """Marks moved `count` places on, those that leave their row dropped."""
    return _shifted(tf.cast(marks, tf.int32), row, -count) == 1


def _is_any(values: tf.Tensor, options: list[int]) -> tf.Tensor:
    return tf.reduce_any(values[:, tf.newaxis] == tf.constant(options), axis=1)
