"""Switching, repeating, and plain values."""

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from nodeflow.api import later
from nodeflow_nodes.control import switch
from nodeflow_nodes.primitives import boolean, integer, number, text


class Forbidden:
    """A lazy input that nobody may ask for."""

    def __await__(self) -> Generator[Any, Any, str]:
        pytest.fail("the branch that was not taken was computed")
        yield


def test_the_other_branch_is_never_computed() -> None:
    assert asyncio.run(switch(True, later("yes"), Forbidden())) == "yes"
    assert asyncio.run(switch(False, Forbidden(), later("no"))) == "no"


def test_plain_values_are_handed_on() -> None:
    assert (text("a"), number(0.5), integer(3), boolean(True)) == ("a", 0.5, 3, True)
