"""The prompt syntax, and how prompts are laid into chunks."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.prompts import CHUNK, EMPTY, Chunk, chunks, learned_names, left_out, parse, weighted
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
    ("((a):1.2)", [("a", 1.32)]),
    ("(a (b) :0.5)", [("a ", 0.5), ("b", 0.55), (" ", 0.5)]),
    ("(a (b:1.5))(c", [("a ", 1.1), ("b", 1.5), ("(c", 1.0)]),
    ("(a:1:x)(b:)", [("a:1:x", 1.1), ("b:", 1.1)]),
    ("(a:x:1.3)(b : 2)", [("a:x", 1.3), ("b ", 2.0)]),
    ("(\\(:1.2)(a\\:1.4)", [("(", 1.2), ("a\\", 1.4)]),
    ("(a (b (c:0.2) d:3) e:0.5)", [("a ", 0.5), ("b ", 3.0), ("c", 0.2), (" d", 3.0), (" e", 0.5)]),
    ("(\n:1.5)[(x)]", [("\n", 1.5), ("[", 1.0), ("x", 1.1), ("]", 1.0)]),
    ("(a\x00b\x07:2)", [("a\x00b\x07", 2.0)]),
)

LEARNED: tuple[tuple[str, list[tuple[str, float, bool]]], ...] = (
    ("embedding:cat", [("cat", 1.0, True)]),
    ("a embedding:cat b", [("a ", 1.0, False), ("cat", 1.0, True), (" b", 1.0, False)]),
    ("a\nembedding:cat\nb", [("a\n", 1.0, False), ("cat", 1.0, True), ("\nb", 1.0, False)]),
    ("(embedding:cat:1.2)", [("cat", 1.2, True)]),
    ("(embedding:cat : 1.2 )", [("cat", 1.2, True), (" ", 1.2, False)]),
    ("((embedding:cat))", [("cat", 1.21, True)]),
    ("(a embedding:cat b:0.5)", [("a ", 0.5, False), ("cat", 0.5, True), (" b", 0.5, False)]),
    ("(a)embedding:cat", [("a", 1.1, False), ("cat", 1.0, True)]),
    ("embedding:cat, dog", [("cat", 1.0, True), (", dog", 1.0, False)]),
    ("embedding:cat,,", [("cat", 1.0, True), (",,", 1.0, False)]),
    ("embedding:cat,dog", [("cat,dog", 1.0, True)]),
    ("(embedding:cat,:1.2)", [("cat", 1.2, True), (",", 1.2, False)]),
    ("embedding:cat:1.2", [("cat:1.2", 1.0, True)]),
    ("(embedding:cat:x)", [("cat:x", 1.1, True)]),
    (
        "embedding:style/cat.safetensors (b)",
        [("style/cat.safetensors", 1.0, True), (" ", 1.0, False), ("b", 1.1, False)],
    ),
    ("embedding:cat(b)", [("cat", 1.0, True), ("b", 1.1, False)]),
    ("embedding:a embedding:b", [("a", 1.0, True), (" ", 1.0, False), ("b", 1.0, True)]),
    ("a,embedding:cat", [("a,embedding:cat", 1.0, False)]),
    ("\\(embedding:cat", [("(embedding:cat", 1.0, False)]),
    ("embedding: cat", [("embedding: cat", 1.0, False)]),
    ("embedding:,", [(",", 1.0, True)]),
    ("Embedding:cat", [("Embedding:cat", 1.0, False)]),
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


@pytest.mark.parametrize(("prompt", "expected"), LEARNED)
def test_where_a_prompt_names_a_learned_word(prompt: str, expected: list[tuple[str, float, bool]]) -> None:
    found = [(segment.text, pytest.approx(segment.weight), segment.learned) for segment in parse(prompt)]
    assert found == expected
    assert learned_names(prompt) == tuple(text for text, _, learned in expected if learned)


@given(
    pieces=st.lists(st.sampled_from(["embedding:a", "embedding:b,", " ", "(", ")", "\\(", "\\)", ":1.2)", ",", "x"]))
)
def test_a_prompt_names_what_its_pieces_are(pieces: list[str]) -> None:
    prompt = "".join(pieces)
    assert learned_names(prompt) == tuple(dict.fromkeys(each.text for each in parse(prompt) if each.learned))


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


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("word " * 70 + "embedding:five", [75]),
        ("word " * 71 + "embedding:five", [71, 5]),
        ("word " * 71 + "embedding:nine", [75, 5]),
        ("word " * 71 + "embedding:five, dog", [71, 7]),
        ("embedding:hundred word", [75, 26]),
    ],
)
def test_the_vectors_of_a_learned_word_stay_together_where_they_are_few(
    prompt: str, expected: list[int], tokenizer: Tokenizer
) -> None:
    learned = {"five": range(50_000, 50_005), "nine": range(50_000, 50_009), "hundred": range(50_000, 50_100)}
    assert [live(chunk) for chunk in chunks(prompt, tokenizer, learned)] == expected


def test_each_vector_is_a_position_with_the_weight_of_its_word(tokenizer: Tokenizer) -> None:
    (chunk,) = chunks("a (embedding:two:1.3) cat", tokenizer, {"two": range(50_000, 50_002)})
    assert chunk.tokens[:6] == (START, *tokenizer.encode("a"), 50_000, 50_001, *tokenizer.encode("cat"), END)
    assert chunk.weights[:6] == (1.0, 1.0, 1.3, 1.3, 1.0, 1.0)


def test_an_unknown_word_is_told_with_the_nearest_one(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueRuleError, match=r"^there is no embedding 'stile'; did you mean 'style'\?$"):
        chunks("embedding:stile", tokenizer, {"style": [50_000]})
    with pytest.raises(ValueRuleError, match=r"^there is no embedding 'stile'$"):
        chunks("embedding:stile", tokenizer)


@pytest.mark.parametrize(
    ("limit", "kept", "left"), [(0, 4, ""), (4, 4, ""), (3, 3, "embedding:two"), (1, 1, "dog embedding:two")]
)
def test_a_limit_cuts_tokens_and_tells_what_is_left_out(limit: int, kept: int, left: str, tokenizer: Tokenizer) -> None:
    prompt, learned = "cat (dog:1.2) embedding:two", {"two": range(50_000, 50_002)}
    (chunk,) = chunks(prompt, tokenizer, learned, limit)
    assert live(chunk) == kept
    assert left_out(prompt, tokenizer, learned, limit) == left


def test_a_limit_may_lie_in_a_later_chunk(tokenizer: Tokenizer) -> None:
    assert [live(chunk) for chunk in chunks("word " * 100, tokenizer, limit=80)] == [75, 5]


def test_a_huge_piece_is_laid_out_in_time_proportional_to_it(tokenizer: Tokenizer) -> None:
    begin = time.process_time()
    rows = chunks("embedding:x", tokenizer, {"x": range(600_000)})
    assert time.process_time() - begin < 5.0  # 0.3 s; were the rest copied for each chunk, 15 s
    assert len(rows) == 8_000
    assert [token for row in rows for token in row.tokens[1:-1]] == [*range(600_000)]


def test_ten_thousand_words_and_as_many_brackets_take_no_time(tokenizer: Tokenizer) -> None:
    prompt = "(word:1.1) " * 10_000 + "(" * 10_000 + "embedding:x" + "," * 10_000
    found = chunks(prompt, tokenizer, {"x": [50_000]})
    assert sum(live(chunk) for chunk in found) > 10_000


def test_weights_follow_their_tokens_into_the_next_chunk(tokenizer: Tokenizer) -> None:
    first, second = chunks("(" + "word " * 80 + ":1.5)", tokenizer)
    assert set(first.weights[1:76]) == {1.5}
    assert second.weights[:7] == (1.0, 1.5, 1.5, 1.5, 1.5, 1.5, 1.0)


def test_only_weights_other_than_one_count(tokenizer: Tokenizer) -> None:
    assert not weighted(chunks("a cat (dog:1)", tokenizer))
    assert weighted(chunks("a cat (dog:1.1)", tokenizer))
