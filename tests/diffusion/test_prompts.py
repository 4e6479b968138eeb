"""The prompt syntax, and how prompts are laid into chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.diffusion.prompts import CHUNK, EMPTY, Chunk, chunks, parse, weighted
from nodeflow.diffusion.tokens import END, START, Tokenizer

SYNTAX: tuple[tuple[str, list[tuple[str, float]]], ...] = (
    ("", []),
    ("a cat", [("a cat", 1.0)]),
    ("a (cat)", [("a ", 1.0), ("cat", 1.1)]),
    ("((red)) apple", [("red", 1.21), (" apple", 1.0)]),
    ("(cat:1.3) dog", [("cat", 1.3), (" dog", 1.0)]),
    ("(a (b:1.5) c:0.5)", [("a ", 0.5), ("b", 1.5), (" c", 0.5)]),
    ("(a (b:1.5))", [("a ", 1.1), ("b", 1.5)]),
    ("((a:2))", [("a", 2.0)]),
    ("(a:-1)(b:1e1)(c:.5)(d: 2 )", [("a", -1.0), ("b", 10.0), ("c", 0.5), ("d", 2.0)]),
    ("(b:x)", [("b:x", 1.1)]),
    ("(b:nan)(c:inf)", [("b:nan", 1.1), ("c:inf", 1.1)]),
    ("(:1.2)", [(":1.2", 1.1)]),
    ("(a:1:1.2)", [("a:1", 1.2)]),
    ("(12:30:1.5)", [("12:30", 1.5)]),
    ("()", []),
    ("[blue]", [("[blue]", 1.0)]),
    ("\\(plain\\)", [("(plain)", 1.0)]),
    ("(a \\) b:1.2)", [("a ) b", 1.2)]),
    ("a\\b", [("a\\b", 1.0)]),
    ("(a:1.2", [("(a:1.2", 1.0)]),
    ("a) b", [("a) b", 1.0)]),
    (":) (cat:1.2)", [(":) ", 1.0), ("cat", 1.2)]),
    ("((a)", [("(", 1.0), ("a", 1.1)]),
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_package()


def live(chunk: Chunk) -> int:
    """How many tokens of a chunk come from the prompt."""
    return sum(token not in (START, END) for token in chunk.tokens)


@pytest.mark.parametrize(("prompt", "expected"), SYNTAX)
def test_the_syntax_of_weights(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert [(segment.text, pytest.approx(segment.weight)) for segment in parse(prompt)] == expected


@given(prompt=st.text(alphabet="ab(): .12\\"))
def test_no_prompt_fails_and_no_letter_is_lost(prompt: str) -> None:
    text = "".join(segment.text for segment in parse(prompt))
    assert [letter for letter in text if letter in "ab"] == [letter for letter in prompt if letter in "ab"]


@given(prompt=st.text(alphabet="ab :.12"))
def test_without_brackets_a_prompt_is_itself(prompt: str) -> None:
    assert "".join(segment.text for segment in parse(prompt)) == prompt


def test_deep_nesting_does_not_overflow_the_stack() -> None:
    assert parse("(" * 5000 + "a" + ")" * 5000)[0].text == "a"


def test_an_empty_prompt_is_one_empty_chunk(tokenizer: Tokenizer) -> None:
    assert chunks("", tokenizer) == chunks("()", tokenizer) == (EMPTY,)
    assert EMPTY.tokens == (START, *[END] * 76)


def test_a_chunk_is_start_tokens_end_and_padding(tokenizer: Tokenizer) -> None:
    (chunk,) = chunks("a (cat:1.3)", tokenizer)
    assert chunk.tokens[:4] == (START, *tokenizer.encode("a cat"), END)
    assert chunk.weights[:4] == (1.0, 1.0, 1.3, 1.0)
    assert len(chunk.tokens) == len(chunk.weights) == CHUNK


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("word " * 75, [75]),
        ("word " * 76, [75, 1]),
        ("word " * 80, [75, 5]),
        ("word " * 200, [75, 75, 50]),
        ("word " * 72 + "(a b c d e:1.2)", [72, 5]),
        ("word " * 70 + "(a b c d e:1.2)", [75]),
        ("word " * 72 + "(a b c d e f g h:1.2)", [75, 5]),
        ("word " * 75 + "(a b c d e f g h:1.2)", [75, 8]),
    ],
)
def test_long_prompts_continue_in_the_next_chunk(prompt: str, expected: list[int], tokenizer: Tokenizer) -> None:
    assert [live(chunk) for chunk in chunks(prompt, tokenizer)] == expected


def test_weights_follow_their_tokens_into_the_next_chunk(tokenizer: Tokenizer) -> None:
    first, second = chunks("(" + "word " * 80 + ":1.5)", tokenizer)
    assert set(first.weights[1:76]) == {1.5}
    assert second.weights[:7] == (1.0, 1.5, 1.5, 1.5, 1.5, 1.5, 1.0)


def test_only_weights_other_than_one_count(tokenizer: Tokenizer) -> None:
    assert not weighted(chunks("a cat (dog:1)", tokenizer))
    assert weighted(chunks("a cat (dog:1.1)", tokenizer))
