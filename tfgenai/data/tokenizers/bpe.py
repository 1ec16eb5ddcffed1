"""BPETokenizer: byte-level byte pair encoding, as GPT-2 cuts text."""

import functools
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tokenizers import Tokenizer as LibraryTokenizer
from tokenizers import decoders, models, pre_tokenizers, trainers

from tfgenai.data.tokenizers import bpe_files
from tfgenai.data.tokenizers.bpe_graph import MergeTable, encode_flat
from tfgenai.data.tokenizers.byte import bytes_of
from tfgenai.data.tokenizers.tokenizer import (
    END_TEXT,
    TOKENIZERS,
    Tokenizer,
    check_texts,
    no_errors,
    rows_of_flat,
)

# Characters in a piece, and pieces that the library gets at a time: it keeps a record
# of every token until it has done them all.
_PIECE, _PIECES = 1 << 17, 16
# Where GPT-2's pattern always cuts: before white space that follows a letter.
_CUT = re.compile(r"(?<=[A-Za-z0-9.,;])[ \n]")


@TOKENIZERS.register("bpe")
@keras.saving.register_keras_serializable("tfgenai")
class BPETokenizer(Tokenizer):
    """Merges of frequent pairs of bytes, within words as GPT-2's pattern cuts them.

    Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units",
    arXiv:1508.07909, algorithm 1, on bytes as in Radford et al. 2019, "Language Models
    are Unsupervised Multitask Learners", section 2.2. There is no normaliser and no
    space is added before the first word.

    In Python the `tokenizers` library encodes. In a graph, core ops do the same with
    the same result for every text of Unicode: which character is a letter is taken
    from the installed library (0.23 knows Unicode 16.0) when the graph is made, and
    stays as it is in an export.

    Args:
        vocabulary: text of each token in the order of ids, bytes spelled as in GPT-2's
            `vocab.json`; all 256 bytes and `end_text` are among them.
        merges: pairs in the order in which they are merged, "left right".
        end_text: spelling of the token that ends a document.

    Example:
        >>> tokenizer = BPETokenizer.train("low lower lowest " * 9, vocabulary_size=262)
        >>> tokenizer.encode("low lows").tolist()
        [257, 258, 82]
        >>> tokenizer.decode([257, 258])
        'low low'
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        merges: Sequence[str],
        end_text: str = END_TEXT,
    ) -> None:
        self.vocabulary = list(vocabulary)
        self.merges = list(merges)
        self.end_text = end_text
        self.vocabulary_size = len(self.vocabulary)
        bpe_files.check(self.vocabulary, self.merges, end_text)
        self.end_token = self.vocabulary.index(end_text)

    @classmethod
    def train(
        cls, texts: str | Iterable[str], vocabulary_size: int = 2048
    ) -> "BPETokenizer":
        """Learns merges from texts.

        Args:
            texts: one text or several.
            vocabulary_size: 256 bytes, the merges and the end token; the result has
                fewer where no pair occurs twice any more.

        Raises:
            TypeError: if one of them is no `str`.
            ValueError: if they are empty, or if the vocabulary cannot hold all bytes.
        """
        if vocabulary_size < 257:
            raise ValueError(
                "A vocabulary of 257 tokens (the bytes and the end of a document) or "
                f"more was expected. Received: vocabulary_size={vocabulary_size}. Try "
                "2048."
            )
        library = _library(models.BPE())
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary_size - 1,
            min_frequency=2,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        pieces = (piece for text in check_texts(texts) for piece in _pieces(text))
        library.train_from_iterator(pieces, trainer=trainer)
        vocabulary, merges = bpe_files.parts_of(library.to_str())
        return cls([*vocabulary, END_TEXT], merges)

    @classmethod
    def from_file(
        cls,
        path: "str | os.PathLike[str]",
        merges_path: "str | os.PathLike[str] | None" = None,
    ) -> "BPETokenizer":
        """Reads a `tokenizer.json`, or the pair of files that GPT-2 was published as.

        Args:
            path: `tokenizer.json` of the `tokenizers` library, or a `vocab.json`.
            merges_path: the `merges.txt` that belongs to a `vocab.json`.

        Raises:
            StorageError: if a file cannot be read.
            DataError: if it is another kind of tokenizer: not byte-level BPE, with a
                normaliser, another pattern or further added tokens.
        """
        if merges_path is not None:
            return cls(*bpe_files.read_pair(path, merges_path))
        return cls(*bpe_files.read_library_file(path))

    def token_bytes(self) -> list[bytes]:
        """See `Tokenizer.token_bytes`."""
        return list(self._token_bytes)

    @functools.cached_property
    def _token_bytes(self) -> list[bytes]:
        return [
            b"" if token == self.end_text else bpe_files.spelled_bytes(token)
            for token in self.vocabulary
        ]

    def get_config(self) -> dict[str, Any]:
        """See `Tokenizer.get_config`."""
        return {
            "vocabulary": self.vocabulary,
            "merges": self.merges,
            "end_text": self.end_text,
        }

    def _encode(self, text: str) -> np.ndarray:
        text.encode("utf-8")  # the library takes lone surrogates for a wrong type
        pieces = iter(_pieces(text))
        parts = [np.zeros(0, np.int32)]
        while some := list(itertools.islice(pieces, _PIECES)):
            found = self._library.encode_batch_fast(some, add_special_tokens=False)
            parts += [np.array(piece.ids, np.int32) for piece in found]
        return np.concatenate(parts)

    def _encode_valid_rows(
        self, texts: tf.Tensor, max_tokens: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        rows = tf.strings.unicode_decode(texts, "UTF-8")
        tokens, counts = encode_flat(
            rows.values,
            tf.cast(rows.row_lengths(), tf.int32),
            bytes_of(texts),
            self._merge_table,
        )
        return rows_of_flat(tokens, counts, max_tokens), counts, no_errors(texts)

    @functools.cached_property
    def _merge_table(self) -> MergeTable:
        return MergeTable.of(self.vocabulary, self.merges)

    @functools.cached_property
    def _library(self) -> LibraryTokenizer:
        # Without added tokens, so that text which spells the end token is text.
        return _library(self._library_model())

    def _library_model(self) -> models.BPE:
        return models.BPE(
            vocab={token: i for i, token in enumerate(self.vocabulary)},
            merges=[bpe_files.pair_of(merge) for merge in self.merges],
        )

    def _asset_text(self) -> str:
        library = _library(self._library_model())
        library.add_special_tokens([self.end_text])
        return library.to_str(pretty=True)


def _library(model: models.BPE) -> LibraryTokenizer:
    library = LibraryTokenizer(model)
    library.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=True
    )
    library.decoder = decoders.ByteLevel()
    return library


def _pieces(text: str) -> Iterator[str]:
    """Cuts a long text where a word begins, so that its pieces are cut as it is."""
    start = 0
    while start < len(text):
        cut = _CUT.search(text, start + _PIECE)
        end = cut.start() if cut else len(text)
        yield text[start:end]
        start = end
