"""What a client would rather have: the picture itself, or everything about the job."""

from collections.abc import Sequence


def wanted_pictures(accept: str) -> tuple[str, ...]:
    """The kinds of pictures that are wanted most, as ``image/png`` or ``image/*``; none when it is JSON."""
    wanted = sorted(_ranges(accept), key=lambda each: -each[1])
    if not wanted or not wanted[0][0].startswith("image/"):
        return ()
    return tuple([kind for kind, _ in wanted if kind.startswith("image/") or kind == "*/*"])


def suits(media_type: str, wanted: Sequence[str]) -> bool:
    """Whether a picture is of a kind that is wanted."""
    return media_type.startswith("image/") and any(kind in (media_type, "image/*", "*/*") for kind in wanted)


def _ranges(accept: str) -> list[tuple[str, float]]:
    """Media ranges and how much each is wanted, without those that are not."""
    found: list[tuple[str, float]] = []
    for part in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((each.removeprefix("q=") for each in parameters if each.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            continue
        if kind and weight > 0:
            found.append((kind, weight))
    return found
