"""Nodes that turn text into what a picture should follow."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from nodeflow.api import Field, InputError, Row, Run, Text, node, quiet
from nodeflow.diffusion.prompts import LEARNED, learned_names
from nodeflow.diffusion.types import Clip, Conditioning, Entry
from nodeflow_nodes.refusals import blaming

EMBEDDINGS = "embeddings"
LearnedPrompt = Annotated[str, Text(lines=4, kind=EMBEDDINGS, naming=LEARNED)]
"""A prompt that may name learned words, `embedding:name`."""
_SHOWN = 200
"""Letters of what is cut off that a warning shows."""


class PromptRow(Row):
    """A text of a schedule.

    Attributes:
        text: What to show in that time.
        start: When it begins to hold.
        end: When it ceases to hold; empty: at the end of the run.
    """

    text: LearnedPrompt
    start: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    end: Annotated[float, Field(ge=0, le=10_000)] | None = None


@node("CLIPTextEncode", category="conditioning", title="Text prompt")
def clip_text_encode(clip: Clip, text: LearnedPrompt, *, run: Run = quiet) -> Conditioning:
    """Encode a text for the model to follow.

    `(word:1.2)` gives a word more weight, `(word:0.8)` less; `\\(` and `\\)` are plain brackets. A text of more than
    77 tokens is encoded in several chunks; nothing is cut off. `embedding:name`, at the beginning or after a blank or a
    bracket, is a word learned as vectors: a safetensors file in one of the folders for embeddings.

    Args:
        clip: The text encoder that came with the model.
        text: What to show, or, for the negative side, what to avoid; may be empty.
    """
    with blaming("text", network="clip"):
        return _encoded(clip, text, run)


@node("CLIPSetLastLayer", category="conditioning", title="Last layer of the text encoder")
def clip_set_last_layer(clip: Clip, stop_at_clip_layer: Annotated[int, Field(ge=-24, le=-1)] = -1) -> Clip:
    """Let the text encoder stop before its last layer ("clip skip"), as some models were trained to be used.

    Args:
        clip: The text encoder.
        stop_at_clip_layer: Counted from the end: -1 is the last layer, -2 the one before; where there are fewer layers
            than that, the last one is taken.
    """
    from nodeflow.diffusion.conditioning import with_last_layer

    with blaming("stop_at_clip_layer", network="clip"):
        return with_last_layer(clip, stop_at_clip_layer)


@node("CLIPSetTokenLimit", category="conditioning", title="Limit of tokens")
def clip_set_token_limit(clip: Clip, max_tokens: Annotated[int, Field(ge=0, le=100_000)] = 75) -> Clip:
    """Let a text encoder read so many tokens of a text and no more; what is cut off is told as a warning.

    Args:
        clip: The text encoder.
        max_tokens: 75 is one chunk, 150 are two; 0 is no limit.
    """
    return replace(clip, max_tokens=max_tokens)


@node("PromptSchedule", category="conditioning", title="Prompt schedule")
def prompt_schedule(
    clip: Clip,
    rows: Annotated[Sequence[PromptRow], Field(min_length=1)],
    steps: Annotated[int, Field(ge=0, le=10_000)] = 0,
    *,
    run: Run = quiet,
) -> Conditioning:
    """Let different texts hold at different times of a run, so that one thing turns into another.

    Where several hold at once, what each of them wants is averaged; there is no time without one.

    Args:
        clip: The text encoder that came with the model.
        rows: The texts, each with its time.
        steps: 0: times are shares of the run, 0.25 being a quarter of it. Else the number of steps that the sampler
            makes, and times are steps, 5 being the moment after the fifth; exact for schedules that are even in time,
            such as normal, simple, sgm_uniform and ddim_uniform.
    """
    _check_times(rows, steps)
    entries: list[Entry] = []
    for number, row in enumerate(rows):
        start, end = _times(row, steps)
        with blaming(f"rows[{number}].text", network="clip"):
            found = _encoded(clip, row.text, run)
        entries += (replace(entry, start=start, end=end) for entry in found.entries)
    return Conditioning(tuple(entries))


@prompt_schedule.check
def _check_times(rows: Sequence[PromptRow], steps: int) -> None:
    """Refuses times that are none, and gaps between them."""
    last = steps or 1
    for number, row in enumerate(rows):
        end = last if row.end is None else row.end
        if not row.start < end <= last:
            unit = f"steps of {steps}" if steps else "shares of the run, 0 to 1; for steps set their number in `steps`"
            raise InputError(f"rows[{number}]", f"from {row.start:g} to {end:g} is no time; these are {unit}")
    covered = 0.0
    for row in sorted(rows, key=lambda row: row.start):
        if row.start > covered:
            break
        covered = max(covered, last if row.end is None else row.end)
    if covered < last:
        following = min((row.start for row in rows if row.start > covered), default=last)
        raise InputError("rows", f"from {covered:g} to {following:g} no text holds; let one begin earlier or end later")


def _times(row: PromptRow, steps: int) -> tuple[float, float]:
    """When a text holds, as shares of the run."""
    if not steps:
        return row.start, 1.0 if row.end is None else row.end
    return _share(row.start, steps), _share(steps if row.end is None else row.end, steps)


def _share(step: float, steps: int) -> float:
    """A moment between two steps as a share of the run.

    The middle of where schedules that are even in time put it: their steps lie at i / (n - 1), or at i / n.
    """
    if not 0 < step < steps:
        return min(max(step / steps, 0.0), 1.0)
    return ((step - 1) / (steps - 1) + step / steps) / 2


def _encoded(clip: Clip, text: str, run: Run) -> Conditioning:
    from nodeflow.diffusion.conditioning import cut, encode
    from nodeflow.diffusion.embeddings import read_embedding

    learned = {name: read_embedding(run.model_file(EMBEDDINGS, name), clip) for name in learned_names(text)}
    missing = cut(clip, text, learned)
    if missing:
        shown = missing if len(missing) <= _SHOWN else f"{missing[:_SHOWN].rstrip()}…"
        run.warn(f"the text was cut after {clip.max_tokens} tokens; left out: {shown}")
    return encode(clip, text, learned)
