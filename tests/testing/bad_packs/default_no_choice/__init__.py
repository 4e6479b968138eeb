"""A default that is none of the values that its type allows, so that the node cannot be read."""

from typing import Literal

from nodeflow.api import Pack, node

pack = Pack("default_no_choice", "1.0")


@node("default_no_choice.Say")
def say(mood: Literal["glad", "calm"] = "sad") -> str:  # type: ignore[assignment]
    """Say how it feels.

    Args:
        mood: One of the moods.
    """
    return mood
