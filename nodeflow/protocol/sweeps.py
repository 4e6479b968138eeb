"""Sweeps: one document run with many values, as one thing."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, JsonValue

from nodeflow.protocol.base import JobId, Message, Moment
from nodeflow.protocol.jobs import JobOptions, JobState, Key, OutputInfo

Values = Annotated[tuple[JsonValue, ...], Field(min_length=1)] | Annotated[str, Field(min_length=1, max_length=100_000)]
"""Values of an input: a list, or a text as in the shell: ``a,b,c``, ``4..8``, ``4..8/5``, names with wildcards."""


class SweepState(StrEnum):
    """Where a sweep is. It has failed when one of its points has, and was cancelled when one of the others was."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SweepRequest(JobOptions):
    """What varies: each input in ``over`` by itself, in all combinations, or, with ``zip``, all of them together.

    ``rows`` is one more axis, whose steps set several inputs at once.
    """

    document: Mapping[str, Any] | None = None
    workflow: Annotated[str, Field(max_length=120)] | None = None
    """``name@version`` of a published workflow, in the place of a document."""
    inputs: Mapping[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    over: Mapping[str, Values] = Field(default_factory=dict[str, Values])
    rows: tuple[Mapping[str, JsonValue], ...] = ()
    zip: bool = False
    targets: tuple[str, ...] | None = None
    sheet: bool = True
    """Lay the pictures out by their values, at the end."""
    key: Key | None = None


class SweepPointInfo(Message):
    """One combination of values, and the job that runs it; ``label`` stands in the names of its files."""

    index: int
    values: Mapping[str, JsonValue]
    label: str
    job: str
    state: JobState
    outputs: Mapping[str, tuple[OutputInfo, ...]] = Field(default_factory=dict[str, tuple[OutputInfo, ...]])


class SweepSummary(Message):
    """A sweep in a list. ``axes`` are the inputs that vary, those of one axis together; the last changes fastest."""

    id: JobId
    state: SweepState
    client: str
    title: str = ""
    workflow: str = ""
    axes: tuple[tuple[str, ...], ...]
    total: int
    counts: Mapping[JobState, int]
    """Jobs by state."""
    created: Moment
    finished: Moment | None = None


class SweepInfo(SweepSummary):
    """A sweep with a part of its points; ``next`` is the ``after`` of the following part.

    ``sheets`` are the contact sheets, once all points have ended.
    """

    points: tuple[SweepPointInfo, ...]
    next: int | None = None
    sheets: tuple[OutputInfo, ...] = ()


class SweepPage(Message):
    """Sweeps, the latest first; ``next`` is the ``after`` of the following part."""

    sweeps: tuple[SweepSummary, ...]
    next: str | None = None
