"""The order in which queued jobs run: clients take turns; within a client priority counts, then the dragged order."""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued job as far as its turn depends on it.

    Attributes:
        rank: Place in the order that people have dragged jobs into; lower is sooner.
        models: Names of the model files that it needs.
    """

    id: str
    client: str
    priority: int = 0
    rank: float = 0.0
    sweep: str = ""
    models: tuple[str, ...] = ()


class Turn(NamedTuple):
    """A job, and the worker that is to run it."""

    job: Waiting
    worker: str


_Place = tuple[int, float, str]
"""What orders the jobs of one client."""


class Line:
    """Queued jobs in memory; no clock, no files, no processes.

    Clients take turns, whoever was served least recently first, so that a client with a hundred jobs delays one with a
    single job by at most one of them.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, Waiting] = {}
        self._places: dict[str, list[_Place]] = {}
        self._served: dict[str, int] = {}
        self._turns = 0
        self._last = 0.0

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job: str) -> bool:
        return job in self._jobs

    def __iter__(self) -> Iterator[str]:
        """Ids in the order in which they would run."""
        queues = [self._places[client] for client in self._clients()]
        for round in range(max(map(len, queues), default=0)):
            yield from (queue[round][2] for queue in queues if round < len(queue))

    @property
    def back(self) -> float:
        """A rank behind all jobs."""
        return self._last + 1.0

    @property
    def front(self) -> float:
        """A rank in front of all jobs."""
        return min((job.rank for job in self._jobs.values()), default=0.0) - 1.0

    def get(self, job: str) -> Waiting | None:
        """A job that waits; None when it does not."""
        return self._jobs.get(job)

    def add(self, job: Waiting) -> None:
        """Puts a job into its place; one that is there already is put where it now belongs."""
        self.remove(job.id)
        self._jobs[job.id] = job
        self._last = max(self._last, job.rank)
        insort(self._places.setdefault(job.client, []), _place(job))

    def move(self, job: str, before: str) -> bool:
        """Puts a job in front of another one, whose priority it takes over; behind all others where that is empty.

        Returns:
            False, and nothing is changed, when one of them is not in the line, or when no rank is left between that
            other job and the one in front of it.
        """
        moved, following = self._jobs.get(job), self._jobs.get(before)
        if moved is None or (before and following is None):
            return False
        if following is None:
            self.add(replace(moved, rank=self.back))
            return True
        if following is moved:
            return True
        lower = (each.rank for each in self._jobs.values() if each.rank < following.rank)
        front = max(lower, default=following.rank - 2.0)
        rank = (front + following.rank) / 2
        if not front < rank < following.rank:
            return False
        self.add(replace(moved, rank=rank, priority=following.priority))
        return True

    def prioritise(self, job: str, priority: int) -> None:
        """Gives a job another priority, when it is in the line."""
        found = self._jobs.get(job)
        if found is not None:
            self.add(replace(found, priority=priority))

    def remove(self, job: str) -> bool:
        """Takes a job out; False when it is not in the line."""
        found = self._jobs.pop(job, None)
        if found is None:
            return False
        places = self._places[found.client]
        del places[bisect_left(places, _place(found))]
        if not places:
            del self._places[found.client]
        return True

    def take(self, free: Mapping[str, Collection[str]]) -> Turn | None:
        """Takes the next job out of the line.

        Args:
            free: The workers that have nothing to do, and the models that each holds.

        Returns:
            The job and the best worker for it; None when there is no job or no worker.
        """
        if not free or not self._jobs:
            return None
        client = self._clients()[0]
        job = self._jobs[self._places[client][0][2]]
        self.remove(job.id)
        self._turns += 1
        self._served[client] = self._turns
        return Turn(job, _best(job, free))

    def position(self, job: str) -> int | None:
        """How many jobs are in front of one; None when it is not in the line."""
        found = self._jobs.get(job)
        if found is None:
            return None
        ahead = bisect_left(self._places[found.client], _place(found))
        before = ahead
        sooner = 1
        for client in self._clients():
            if client == found.client:
                sooner = 0
            else:
                before += min(len(self._places[client]), ahead + sooner)
        return before

    def _clients(self) -> list[str]:
        """Those with jobs, in the order of their turns."""
        return sorted(self._places, key=lambda client: (self._served.get(client, 0), client))


def _place(job: Waiting) -> _Place:
    return (-job.priority, job.rank, job.id)


def _best(job: Waiting, free: Mapping[str, Collection[str]]) -> str:
    """The worker that holds most of the job's models; else one that holds few, whose loss costs least."""
    wanted = set(job.models)
    return min(free, key=lambda name: (-len(wanted.intersection(free[name])), len(free[name]), name))
