"""Requests for sweeps as jobs, one for each point, all of them checked before any is taken in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from pydantic import JsonValue

from nodeflow.core.canonical import record_bytes
from nodeflow.core.errors import InvalidDocument, Problem, UsageError, refusal
from nodeflow.core.json import JsonValue as Json
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.sweeps import SweepRequest
from nodeflow.server.submission import Submission
from nodeflow.server.wishes import Wish
from nodeflow.session.axes import MAX_POINTS, Axis, Point, axes_of, points_of
from nodeflow.session.pointproblems import point_problems
from nodeflow.session.sources import Value
from nodeflow.session.spread import Spread
from nodeflow.session.workplace import Workplace
from nodeflow.storage.database.records import NewJob
from nodeflow.storage.database.sweeps import Sweep

_MOST_BYTES: Final = 256 * 2**20
"""Of the documents of all points together: each point keeps its own."""


def jobs_of(asked: SweepRequest, wish: Wish, submission: Submission, room: int) -> tuple[Sweep, Sequence[NewJob]]:
    """The sweep that is asked for, and its jobs. Takes time.

    Args:
        asked: What varies.
        wish: What is the same at all points; its ``sweep`` is the id.
        submission: Makes jobs.
        room: How many jobs may be queued.

    Raises:
        UsageError: The axes make no sense.
        InvalidDocument: Some point cannot run; the problems say which.
        Refusal: There are more points than the queue has room for, or their documents are too much together.
    """
    workplace = submission.workplace(wish.client)
    axes = axes_read(asked, workplace, wish)
    _check_weight(wish, axes)
    points = points_of(axes)
    if len(points) > room:
        hint = "sweep over fewer values, or raise server.limits.queue"
        raise Refusal("queue.full", f"{len(points):,} points are more than the {room:,} jobs that may wait", hint=hint)
    _check(points, axes, workplace, wish, strict=asked.strict)
    made = [submission.made(_wish_of_point(wish, point)) for point in points]
    sweep = Sweep(
        id=wish.sweep,
        client=wish.client,
        created=made[0].created,
        plan={"axes": [[plain(step) for step in axis.steps] for axis in axes], "sheet": asked.sheet},
        points=len(points),
        title=made[0].title,
        workflow=wish.workflow,
        key=wish.key,
        body_digest=wish.digest,
    )
    return sweep, made


def axes_read(asked: SweepRequest, workplace: Workplace, wish: Wish) -> tuple[Axis, ...]:
    """What varies, with values that came as texts read by the types of their inputs.

    Raises:
        UsageError: A text cannot be read, an input is varied twice, or is given one value as well.
    """
    spread = workplace.spread(wish.loaded)
    over = {name: _values(spread, name, values) for name, values in asked.over.items()}
    axes = axes_of(cast("Mapping[str, Sequence[Value]]", over), asked.rows, zipped=asked.zip)
    if both := [name for axis in axes for name in axis.names if name in wish.inputs]:
        raise UsageError(f"{both[0]} is given one value and varied as well; keep one of them")
    return axes


def axes_of_plan(plan: Mapping[str, JsonValue]) -> tuple[Axis, ...]:
    """What varies, as a sweep that is kept has it."""
    return tuple([Axis(tuple(steps)) for steps in cast("list[list[dict[str, Any]]]", plan["axes"])])


def plain(values: Mapping[str, Value]) -> dict[str, JsonValue]:
    """Values that came as JSON, and so are."""
    return cast("dict[str, JsonValue]", dict(values))


def _values(spread: Spread, name: str, values: Sequence[JsonValue] | str) -> Sequence[JsonValue]:
    if not isinstance(values, str):
        return values
    if values.startswith("@") and not values.startswith("@@"):
        raise UsageError(f"{name}={values[:100]}: a file of values is read by the shell; send the values themselves")
    return spread.values(name, values)


def _check(points: Sequence[Point], axes: Sequence[Axis], workplace: Workplace, wish: Wish, *, strict: bool) -> None:
    """Says once what is wrong at several points."""

    def problems(point: Point) -> Sequence[Problem]:
        return workplace.prepare(wish.loaded, {**wish.inputs, **point.values}, wish.targets).resolution.problems

    found = point_problems(((point, problems(point)) for point in points), axes, len(points))
    if any(strict or problem.severity == "error" for problem in found):
        raise refusal(found) if not strict else InvalidDocument(found)


def _check_weight(wish: Wish, axes: Sequence[Axis]) -> None:
    """Refuses few bytes that would become very many; what is too many points is refused by their number."""
    count = math.prod(len(axis.steps) for axis in axes)
    if count > MAX_POINTS:
        return
    varied = sum(max(_bytes(dict(step)) for step in axis.steps) for axis in axes)
    weight = count * (_bytes(wish.loaded.document.tree) + _bytes(dict(wish.inputs)) + varied)
    if weight > _MOST_BYTES:
        message = f"the documents of {count:,} points would take {weight:,} bytes; at most {_MOST_BYTES:,} are taken"
        raise Refusal("request.too-large", message, hint="sweep over fewer values, or a smaller document")


def _bytes(value: object) -> int:
    return len(record_bytes(cast("Json", value)))


def _wish_of_point(wish: Wish, point: Point) -> Wish:
    options = wish.options.model_copy(update={"label": point.label})
    return replace(wish, inputs={**wish.inputs, **point.values}, options=options, point=point.index, key=None)
