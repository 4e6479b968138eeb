"""A default that is not in the table it is chosen from."""

from typing import Annotated

from nodeflow.api import Open, Pack, node

pack = Pack("default_not_offered", "1.0", extensions={"default_not_offered.moods": {"glad": ":say", "calm": ":say"}})


@node("default_not_offered.Say")
def say(mood: Annotated[str, Open("default_not_offered.moods")] = "sad") -> str:
    """Say how it feels.

    Args:
        mood: One of the moods.
    """
    return mood
