"""Google docstrings, taken apart."""

from nodeflow.core.docstring import read_docstring


def test_everything_before_the_first_section_is_the_help() -> None:
    docstring = read_docstring("""Soften an image.

    In a second paragraph.

    Args:
        radius: How far.
    """)
    assert docstring.help == "Soften an image.\n\nIn a second paragraph."


def test_entries_go_over_several_lines_and_may_name_their_type() -> None:
    docstring = read_docstring("""Help.

    Args:
        radius (float): Standard deviation
            in pixels: zero changes nothing.

        image: What is softened.

    Returns:
        The soft
        image.

    Raises:
        ValueError: Never.
    """)
    assert docstring.entries == {
        "radius": "Standard deviation in pixels: zero changes nothing.",
        "image": "What is softened.",
    }
    assert docstring.returns == "The soft image."


def test_text_that_describes_no_name_belongs_to_the_name_before_it() -> None:
    docstring = read_docstring("Help.\n\nArgs:\n    loose words\n    radius: How far.\n    and more words\n")
    assert docstring.entries == {"radius": "How far. and more words"}


def test_no_docstring_says_nothing() -> None:
    docstring = read_docstring(None)
    assert (docstring.help, docstring.entries, docstring.returns) == ("", {}, "")
