"""Exceptions of others' code in one line, whatever their own words do."""

import pytest

from nodeflow.core.errors import UsageError
from nodeflow.core.raised import told, words_of


class Wordless(Exception):
    """Raises what it was given when it is asked for its words."""

    def __str__(self) -> str:
        raise self.args[0]


def test_type_and_words_are_told() -> None:
    assert told(ValueError(" no ")) == "ValueError: no"
    assert told(ValueError()) == "ValueError"


def test_an_error_of_ours_is_told_by_its_words() -> None:
    assert told(UsageError("not like this")) == "not like this"
    assert told(UsageError()) == "UsageError"


@pytest.mark.parametrize("worse", [ValueError("x"), SystemExit(3)])
def test_words_that_cannot_be_had_are_said_to_be_missing(worse: BaseException) -> None:
    words = f"(it has no words: its __str__ raised {type(worse).__name__})"
    assert words_of(Wordless(worse)) == words
    assert told(Wordless(worse)) == f"Wordless: {words}"


def test_an_interrupt_gets_out() -> None:
    with pytest.raises(KeyboardInterrupt):
        words_of(Wordless(KeyboardInterrupt()))
