"""The table of samplers and schedules by name; a pack that adds one makes a new table from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from importlib import import_module
from inspect import signature
from typing import Any, TypeVar

from nodeflow.diffusion.choices import Option
from nodeflow.diffusion.errors import SamplerError, ValueRuleError
from nodeflow.diffusion.sampling.names import SAMPLERS, SCHEDULES, SamplerRow
from nodeflow.diffusion.sampling.prediction import NoiseLevels
from nodeflow.diffusion.sampling.schedules import Schedule
from nodeflow.diffusion.sampling.solvers.step import Sampler

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SamplerEntry:
    """A sampler and what a run has to know of it; see `names.SamplerRow` for what the marks mean.

    Attributes:
        solve: Its function.
        solve_flow: Its function for flow models, if that is another.
    """

    solve: Sampler
    flow: bool = False
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])
    drops_penultimate: bool = False
    negative: bool = False
    fresh_mask_noise: bool = False
    own_steps: bool = False
    rises: bool = False
    levels_at: Mapping[str, float] = field(default_factory=dict[str, float])
    solve_flow: Sampler | None = None

    @classmethod
    def of(cls, row: SamplerRow) -> "SamplerEntry":
        """The entry of a built-in sampler, whose module is imported."""
        marks = {mark.name: getattr(row, mark.name) for mark in fields(cls) if not mark.name.startswith("solve")}
        return cls(_imported(row.path), solve_flow=_imported(row.flow_path) if row.flow_path else None, **marks)

    def with_options(self, name: str, options: Mapping[str, Option]) -> "SamplerEntry":
        """The same with other options.

        Args:
            name: What it is called, for messages.
            options: Override what the name stands for.

        Raises:
            SamplerError: It has no such option; those there are are named.
        """
        known = [each.name for each in signature(self.solve).parameters.values() if each.default is not each.empty]
        unknown = [option for option in options if option not in known]
        if unknown:
            there_are = f"it has {', '.join(known)}" if known else "it has none"
            raise SamplerError(f"sampler {name!r} has no option {unknown[0]!r}; {there_are}")
        return replace(self, options={**self.options, **options})

    def method(self, levels: NoiseLevels) -> Sampler:
        """The function for a model of these levels."""
        return self.solve_flow if levels.is_flow and self.solve_flow is not None else self.solve

    def keywords(self, levels: NoiseLevels) -> dict[str, Option]:
        """The options that the sampler is called with, for a model of these levels."""
        return {**{option: levels.at(share) for option, share in self.levels_at.items()}, **self.options}


@dataclass(frozen=True, slots=True)
class SamplerTable:
    """Samplers and schedules by name; the built-in ones are imported when they are asked for."""

    samplers: Mapping[str, SamplerEntry | SamplerRow]
    schedules: Mapping[str, Schedule | str]

    def sampler(self, name: str) -> SamplerEntry:
        """Looks a sampler up.

        Raises:
            ValueRuleError: There is none of that name; the nearest one is named.
        """
        found = _find(self.samplers, name, "sampler")
        return SamplerEntry.of(found) if isinstance(found, SamplerRow) else found

    def schedule(self, name: str) -> Schedule:
        """Looks a schedule up.

        Raises:
            ValueRuleError: There is none of that name; the nearest one is named.
        """
        found = _find(self.schedules, name, "scheduler")
        schedule: Schedule = _imported(found) if isinstance(found, str) else found
        return schedule

    def with_sampler(self, name: str, solve: Sampler | SamplerEntry, *, flow: bool = False) -> "SamplerTable":
        """A table with one more sampler, an entry as it is.

        Raises:
            ValueRuleError: The name is taken.
        """
        entry = solve if isinstance(solve, SamplerEntry) else SamplerEntry(solve, flow=flow)
        return replace(self, samplers=_added(self.samplers, name, entry, "sampler"))

    def with_schedule(self, name: str, schedule: Schedule) -> "SamplerTable":
        """A table with one more schedule.

        Raises:
            ValueRuleError: The name is taken.
        """
        return replace(self, schedules=_added(self.schedules, name, schedule, "scheduler"))


def builtin_table() -> SamplerTable:
    """The samplers and schedules of this package."""
    return SamplerTable(SAMPLERS, SCHEDULES)


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


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
