"""What is wrong at some points of a sweep, said once, with the values at which it is."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from nodeflow.core.errors import Problem
from nodeflow.session.axes import Axis, Point, spelled


def point_problems(
    found: Iterable[tuple[Point, Sequence[Problem]]], axes: Sequence[Axis], count: int
) -> tuple[Problem, ...]:
    """Every problem once; one that is not at all of the points says where it is.

    Args:
        found: The problems of each point.
        axes: What varies.
        count: Of all points.
    """
    points: dict[Problem, list[Point]] = {}
    for point, problems in found:
        for problem in problems:
            points.setdefault(problem, []).append(point)
    return tuple(_placed(problem, where, axes, count) for problem, where in points.items())


def _placed(problem: Problem, points: Sequence[Point], axes: Sequence[Axis], count: int) -> Problem:
    if len(points) == count:
        return problem
    first = points[0]
    shared = [axis for axis, step in enumerate(first.place) if all(point.place[axis] == step for point in points)]
    values = {name: value for axis in shared for name, value in axes[axis].steps[first.place[axis]].items()}
    where = f"{spelled(values) or first}, point {first.index} of {count}"
    more = f" and {len(points) - 1} more" if len(points) > 1 else ""
    return replace(problem, message=f"{problem.message} (where {where}{more})")
