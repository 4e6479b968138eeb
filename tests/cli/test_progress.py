"""What is said on standard error while a run goes on."""

from nodeflow.cli.progress import text_of
from nodeflow.engine.events import Progress, Saved, Shown, Warned


def test_what_is_shown_is_a_line_where_it_is_text_numbers_or_a_list_of_such() -> None:
    assert text_of(Shown("a", "cat")) == "a: cat"
    assert text_of(Shown("a", 0.5)) == "a: 0.5"
    assert text_of(Shown("a", ["é", 1, [True]])) == 'a: ["é", 1, [true]]'
    assert text_of(Shown("a", [object()])) is None
    assert text_of(Shown("a", object())) is None


def test_warnings_and_files_are_lines_and_steps_are_not() -> None:
    assert text_of(Warned("a", "too long")) == "warning: a: too long"
    assert text_of(Warned("", "too long")) == "warning: too long"
    assert text_of(Saved("a", "out/a.png")) == "a: wrote out/a.png"
    assert text_of(Saved("a", "out/a.png", True)) == "a: out/a.png is unchanged"
    assert text_of(Progress("a", 1, 2, None)) is None
