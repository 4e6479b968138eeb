"""The tokenizer gives the numbers that transformers gives."""

import gzip
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow.diffusion.tokens import END, START, Tokenizer

TRICKY = (
    "",
    " ",
    "a photo of a cat",
    "A  PHOTO\tof\na cat",
    "it's, they've, I'm, we'll, he'd 'sup don't",
    "2023 3.14159 1,000 ²³ ½ Ⅷ ٣",
    "naïve café Ångström",
    "naive\u0308 cafe\u0301",
    "ΟΔΟΣ Σίσυφος",
    "İstanbul ǅ ß ẞ",
    "日本語 中文 한국어 ไทย हिन्दी",
    "🙂👩‍👩‍👧 ❤️ 🇩🇪",
    "<|startoftext|> in <|endoftext|>",
    "<|StartOfText|> <|endoftext",
    "a_b-c/d\\e|f~g`h^i",
    "!!!'s ''re '' \" ...---...",
    "\u00a0\u2003\u3000x\u200by\ufeffz",
    "supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis",
    "x" * 300,
    "masterpiece, best quality, (detailed:1.2), [blurry], <lora:x:0.8>",
    "&amp; &lt;b&gt; Ã©",
)


@pytest.fixture(scope="module")
def ours() -> Tokenizer:
    return Tokenizer.from_package()


@pytest.fixture(scope="module")
def theirs() -> Any:
    """transformers' tokenizer, made from the same published file."""
    from transformers import CLIPTokenizer

    packed = resources.files("nodeflow.diffusion").joinpath("data", "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = [tuple(line.split()) for line in gzip.decompress(packed).decode().split("\n")[1:48895]]
    codes = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(code) for code in codes] + [chr(256 + offset) for offset in range(256 - len(codes))]
    words = [*symbols, *(symbol + "</w>" for symbol in symbols), *("".join(merge) for merge in merges)]
    vocabulary = {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, bos_token="<|startoftext|>")


def reference(theirs: Any, text: str) -> list[int]:
    numbers: list[int] = theirs(text)["input_ids"]
    return numbers[1:-1]


@pytest.mark.parametrize("text", TRICKY)
def test_a_tricky_text_gets_the_numbers_of_transformers(text: str, ours: Tokenizer, theirs: Any) -> None:
    assert ours.encode(text) == reference(theirs, text)


# Letters newer than the Unicode tables of either side are classed differently; a prompt may hold anything older.
OLDER = st.characters(max_codepoint=0x1F9FF, exclude_categories=["Cs", "Cn", "Co", "Cc"])


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet=st.one_of(OLDER, st.sampled_from("aZ '’.,!-0<|>\n\t_"))))
def test_any_text_gets_the_numbers_of_transformers(text: str, ours: Tokenizer, theirs: Any) -> None:
    assert ours.encode(text) == reference(theirs, text)


def test_special_tokens_have_their_numbers(ours: Tokenizer) -> None:
    assert ours.encode("<|startoftext|><|endoftext|>") == [START, END]


def test_half_of_a_surrogate_pair_is_no_reason_to_fail(ours: Tokenizer) -> None:
    assert ours.encode("a\ud83d b") == [*ours.encode("a? b")]
