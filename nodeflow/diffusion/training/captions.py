"""Captions of scenes, from a small grammar, and the tokens they are made of."""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nodeflow.diffusion.tokens import END, START, Tokenizer
from nodeflow.diffusion.training.scenes import Pair, Plain, Scene, Single
from nodeflow.diffusion.training.vocabulary import (
    COLOURS,
    PLACE_WORDS,
    PLAIN_PHRASES,
    SIZE_WORDS,
    THINGS,
    Place,
)

LENGTH = 77
_VOCABULARY = END + 1

LEADS = ("a picture of", "an emoji of", "a drawing of", "an icon of", "a photo of", "an image of")

WITH_COLOUR = (
    "{what} on {a colour} background",
    "{what} on {a colour} background",
    "{what}, {colour} background",
    "{what} on {colour}",
    "{what} against {a colour} background",
    "{what} with {a colour} background",
    "{what} in front of {a colour} wall",
    "{a colour} background with {what}",
    "on {a colour} background, {what}",
    "{colour} background, {what}",
)

SIDE_BY_SIDE = (
    "{first} and {second}",
    "{first} and {second}",
    "{first} next to {second}",
    "{first} on the left and {second} on the right",
    "{first} on the left, {second} on the right",
    "{second} on the right and {first} on the left",
    "{first} to the left of {second}",
)

STACKED = (
    "{first} above {second}",
    "{second} below {first}",
    "{first} at the top and {second} at the bottom",
)

FILLERS = (
    *("beautiful", "masterpiece", "detailed", "best", "quality", "sharp", "focus", "studio", "lit", "cute", "happy"),
    *("funny", "lovely", "nice", "simple", "clean", "modern", "vintage", "digital", "art", "concept", "render"),
    *("trending", "cinematic", "dramatic", "soft", "warm", "bright", "shiny", "glossy", "cartoon", "style"),
    *("illustration", "vector", "sticker", "clipart", "logo", "high", "resolution", "professional", "award"),
    *("winning", "amazing", "friendly", "magic", "tasty", "fresh", "fast", "brave"),
)
"""Words that mean nothing here: all tokens outside the grammar share one row of the token table, trained on these."""


def caption(scene: Scene, rng: random.Random) -> str:
    """A random caption that says what the scene shows; now and then with words that mean nothing."""
    text = (
        _plain(scene, rng) if isinstance(scene.subject, Plain) else _with_colour(_what(scene, rng), scene.colour, rng)
    )
    if rng.random() < 0.15:
        text = f"{_fill(rng)}, {text}"
    if rng.random() < 0.15:
        text = f"{text}, {_fill(rng)}"
    return text + rng.choice(("", "", "."))


def _fill(rng: random.Random) -> str:
    return " ".join(rng.choices(FILLERS, k=rng.randint(1, 4)))


def article(noun: str) -> str:
    """a or an, by the first letter."""
    return "an" if noun[0] in "aeio" or noun.startswith("umb") else "a"


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)


def _noun(thing: int, rng: random.Random, size: str = "") -> str:
    described = THINGS[thing]
    noun = rng.choice((described.name, *described.nouns))
    filler = rng.choice(FILLERS) if rng.random() < 0.06 else ""
    phrase = _joined(size, filler, noun)
    if described.article is not None:
        return _joined(described.article, phrase)
    return _joined(article(phrase), phrase)


def _what(scene: Scene, rng: random.Random) -> str:
    match scene.subject:
        case Single(thing, size, place):
            noun = _noun(thing, rng, rng.choice(SIZE_WORDS[size]) if size else "")
            lead = rng.choice(LEADS) if rng.random() < 0.3 else ""
            return _joined(lead, noun, _place_words(place, rng))
        case Pair(first, second, stacked):
            pattern = rng.choice(STACKED if stacked else SIDE_BY_SIDE)
            return pattern.format(first=_noun(first, rng), second=_noun(second, rng))
        case Plain():
            raise ValueError("a plain background shows no thing")


def _place_words(place: Place | None, rng: random.Random) -> str:
    return rng.choice(PLACE_WORDS[place]) if place else ""


def _with_colour(what: str, colour: int, rng: random.Random) -> str:
    if rng.random() < 0.08:
        return what
    word = rng.choice(COLOURS[colour].words)
    pattern = rng.choice(WITH_COLOUR)
    return pattern.replace("{what}", what).replace("{a colour}", f"{article(word)} {word}").replace("{colour}", word)


def _plain(scene: Scene, rng: random.Random) -> str:
    assert isinstance(scene.subject, Plain)
    return plain_caption(scene.subject.phrase, rng.choice(COLOURS[scene.colour].words))


def plain_caption(phrase: int, colour: str) -> str:
    """One of the ways to ask for an empty background."""
    pattern = PLAIN_PHRASES[phrase]
    if pattern.startswith("a {}"):
        pattern = article(colour) + pattern[1:]
    return pattern.format(colour)


def _grammar() -> Iterable[str]:
    for thing in THINGS:
        yield from thing.nouns
    for colour in COLOURS:
        yield from colour.words
    for words in (
        *SIZE_WORDS.values(),
        *PLACE_WORDS.values(),
        PLAIN_PHRASES,
        LEADS,
        WITH_COLOUR,
        SIDE_BY_SIDE,
        STACKED,
    ):
        yield from words
    yield "an the a . ,"


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The tokens that training knows, as rows of a small table; row 0 stands for all others.

    Attributes:
        tokenizer: CLIP's.
        row_of: [49408], the row of every token.
        rows: height of the small table; start and end are its last two rows.
    """

    tokenizer: Tokenizer
    row_of: Tensor
    rows: int

    @classmethod
    def of_grammar(cls, tokenizer: Tokenizer) -> "Lexicon":
        """The tokens of all words that the grammar gives a meaning."""
        words = {word for text in _grammar() for word in re.findall(r"[a-z]+|[.,]", text)}
        tokens = {token for word in words for token in tokenizer.encode(word)} | {START, END}
        row_of = torch.zeros(_VOCABULARY, dtype=torch.long)
        row_of[sorted(tokens)] = torch.arange(1, len(tokens) + 1)
        return cls(tokenizer, row_of, len(tokens) + 1)

    def encode(self, captions: Sequence[str], length: int = LENGTH) -> Tensor:
        """Rows of captions, with start, end and padding by the end token: [B, length]."""
        batch = torch.full((len(captions), length), END)
        for row, text in enumerate(captions):
            tokens = [START, *self.tokenizer.encode(text)[: length - 2], END]
            batch[row, : len(tokens)] = torch.tensor(tokens)
        return self.row_of[batch]
