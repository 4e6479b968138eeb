"""The table of samplers and schedules by name; a pack that adds one makes a new table from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TypeVar

from nodeflow.diffusion.errors import ValueRuleError
from nodeflow.diffusion.sampling.ode import Sampler, dpmpp_2m, euler
from nodeflow.diffusion.sampling.schedules import Schedule, karras, normal, simple
from nodeflow.diffusion.sampling.sde import euler_ancestral

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SamplerEntry:
    """A sampler and what it can solve.

    Attributes:
        solve: The sampler.
        flow: Whether its equations hold for flow models too.
    """

    solve: Sampler
    flow: bool


@dataclass(frozen=True, slots=True)
class SamplerTable:
    """Samplers and schedules by name."""

    samplers: Mapping[str, SamplerEntry]
    schedules: Mapping[str, Schedule]

    def sampler(self, name: str) -> SamplerEntry:
        """Looks a sampler up.

        Raises:
            ValueRuleError: There is none of that name; the nearest one is named.
        """
        return _find(self.samplers, name, "sampler")

    def schedule(self, name: str) -> Schedule:
        """Looks a schedule up.

        Raises:
            ValueRuleError: There is none of that name; the nearest one is named.
        """
        return _find(self.schedules, name, "scheduler")

    def with_sampler(self, name: str, solve: Sampler, *, flow: bool = False) -> "SamplerTable":
        """A table with one more sampler.

        Raises:
            ValueRuleError: The name is taken.
        """
        return replace(self, samplers=_added(self.samplers, name, SamplerEntry(solve, flow), "sampler"))

    def with_schedule(self, name: str, schedule: Schedule) -> "SamplerTable":
        """A table with one more schedule.

        Raises:
            ValueRuleError: The name is taken.
        """
        return replace(self, schedules=_added(self.schedules, name, schedule, "scheduler"))


def builtin_table() -> SamplerTable:
    """The samplers and schedules of this package."""
    samplers = {
        "euler": SamplerEntry(euler, flow=True),
        "euler_ancestral": SamplerEntry(euler_ancestral, flow=False),
        "ddim": SamplerEntry(euler, flow=True),
        "dpmpp_2m": SamplerEntry(dpmpp_2m, flow=False),
    }
    return SamplerTable(samplers, {"normal": normal, "karras": karras, "simple": simple})


def _find(entries: Mapping[str, T], name: str, what: str) -> T:
    if name in entries:
        return entries[name]
    nearest = get_close_matches(name, entries, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    raise ValueRuleError(f"{what} {name!r} is unknown; there are {', '.join(entries)}{hint}")


def _added(entries: Mapping[str, T], name: str, entry: T, what: str) -> Mapping[str, T]:
    if name in entries:
        raise ValueRuleError(f"{what} {name!r} exists already")
    return {**entries, name: entry}
