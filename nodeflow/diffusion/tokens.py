"""CLIP's tokenizer: text to numbers by byte-pair encoding with the vocabulary that OpenAI published.

Source: Sennrich et al. 2016 (1508.07909), over bytes as in GPT-2; Radford et al. 2021 (2103.00020). It gives the same
numbers as `transformers.CLIPTokenizer`.
"""

import gzip
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from heapq import heapify, heappop, heappush
from importlib import resources
from itertools import pairwise

START = 49406
END = 49407
_MERGES = 48_894
_END_OF_WORD = "</w>"
_SPECIAL = {"<|startoftext|>": START, "<|endoftext|>": END}
# Unicode's White_Space; Python's str.isspace() takes some control characters for white too.
_WHITE = re.compile("[\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+")
_MARKER = re.compile(r"(<\|startoftext\|>|<\|endoftext\|>)")
# What is never joined with its neighbours: contractions, and the ends of markers that are not written in small letters.
_WHOLE = re.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d|<\|(?=startoftext\|>|endoftext\|>)|(?<=<\|startoftext)\|>|(?<=<\|endoftext)\|>"
)


class Tokenizer:
    """Text to CLIP's token numbers.

    Args:
        merges: Which two symbols become one, best first, each as "left right".
    """

    def __init__(self, merges: Iterable[str]) -> None:
        self._letters = _byte_letters()
        symbols = list(self._letters.values())
        symbols += [symbol + _END_OF_WORD for symbol in symbols]
        self._ranks = {merge: rank for rank, merge in enumerate(merges)}
        self._numbers = {symbol: number for number, symbol in enumerate(symbols)}
        for merge, rank in self._ranks.items():
            self._numbers[merge.replace(" ", "")] = len(symbols) + rank
        self._symbols = {number: symbol for symbol, number in self._numbers.items()}
        self._bytes = {letter: bytes([byte]) for byte, letter in self._letters.items()}
        self._tokens_of = lru_cache(maxsize=16_384)(self._merge)

    @classmethod
    def from_package(cls) -> "Tokenizer":
        """The tokenizer with the vocabulary that comes with this package (49,408 tokens)."""
        packed = resources.files("nodeflow.diffusion").joinpath("data", "bpe_simple_vocab_16e6.txt.gz").read_bytes()
        return cls(gzip.decompress(packed).decode("utf-8").split("\n")[1 : _MERGES + 1])

    def encode(self, text: str) -> list[int]:
        """Gives the tokens of a text, without start and end."""
        tokens: list[int] = []
        for part in _MARKER.split(text):
            if part in _SPECIAL:
                tokens.append(_SPECIAL[part])
            else:
                tokens.extend(token for piece in _pieces(part) for token in self._tokens_of(piece))
        return tokens

    def decode(self, tokens: Iterable[int]) -> str:
        """The text that a run of tokens stands for, as far as it can be had: in small letters, with single blanks."""
        symbols = (self._symbols.get(token, "") for token in tokens)
        text = "".join(symbols).replace(_END_OF_WORD, " ")
        data = b"".join(self._bytes[letter] if letter != " " else b" " for letter in text)
        return data.decode("utf-8", "replace").strip()

    def _merge(self, piece: str) -> tuple[int, ...]:
        """Joins the best-ranked pair of neighbours, the first of equals, until no pair is known."""
        word = [self._letters[byte] for byte in piece.encode("utf-8", "replace")]
        word[-1] += _END_OF_WORD
        count = len(word)
        before, after = list(range(-1, count - 1)), list(range(1, count + 1))
        waiting = [(rank, left) for left, pair in enumerate(pairwise(word)) if (rank := self._rank(pair)) is not None]
        heapify(waiting)
        while waiting:
            rank, left = heappop(waiting)
            right = after[left]
            if right == count or self._rank((word[left], word[right])) != rank:
                continue  # one of the two has been joined with another meanwhile
            word[left], word[right] = word[left] + word[right], ""
            after[left] = after[right]
            if after[right] < count:
                before[after[right]] = left
            for place in (before[left], left):
                if place >= 0 and after[place] < count:
                    joined = self._rank((word[place], word[after[place]]))
                    if joined is not None:
                        heappush(waiting, (joined, place))
        return tuple(self._numbers[symbol] for symbol in word if symbol)

    def _rank(self, pair: tuple[str, str]) -> int | None:
        return self._ranks.get(f"{pair[0]} {pair[1]}")


def _pieces(text: str) -> Iterator[str]:
    """Splits a text into English contractions, runs of letters, single digits, runs of anything else."""
    plain = _WHITE.sub(" ", unicodedata.normalize("NFC", text))
    # Letter by letter, because str.lower() writes a Greek sigma differently at the end of a word, and CLIP's does not.
    lowered = "".join(letter.lower() for letter in plain)
    position = 0
    while position < len(lowered):
        end = _piece_end(lowered, position)
        if lowered[position] != " ":
            yield lowered[position:end]
        position = end


def _piece_end(text: str, start: int) -> int:
    whole = _WHOLE.match(text, start)
    if whole is not None:
        return whole.end()
    kind = _kind(text[start])
    end = start + 1
    while kind in "LO" and end < len(text) and _kind(text[end]) == kind:
        end += 1
    return end


def _kind(letter: str) -> str:
    """L for letters, N for digits and other numbers, a blank for white, O for anything else."""
    if letter == " ":
        return " "
    major = unicodedata.category(letter)[0]
    return major if major in "LN" else "O"


def _byte_letters() -> Mapping[int, str]:
    """A visible letter for every byte, in the order of the vocabulary; as in GPT-2."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = (byte for byte in range(256) if byte not in visible)
    letters = {byte: chr(byte) for byte in visible}
    return letters | {byte: chr(256 + offset) for offset, byte in enumerate(hidden)}
