"""The samplers and schedules that a run may name: those of the library, and what packs have added."""

from typing import TYPE_CHECKING, cast

from nodeflow.api import Run
from nodeflow_nodes.refusals import blaming

if TYPE_CHECKING:
    from nodeflow.diffusion.sampling.schedules import Schedule
    from nodeflow.diffusion.sampling.solvers.step import Sampler
    from nodeflow.diffusion.sampling.table import SamplerEntry, SamplerTable


def table_with(run: Run, *, sampler: str | None = None, scheduler: str | None = None) -> "SamplerTable":
    """The built-in table and, where it lacks one of these names, what a pack has added under it.

    Raises:
        InputError: Nobody has added a sampler or schedule of that name.
    """
    from nodeflow.diffusion.sampling.table import builtin_table

    table = builtin_table()
    if sampler is not None:
        if sampler not in table.samplers and sampler in (added := run.extensions("samplers")):
            table = table.with_sampler(sampler, cast("Sampler | SamplerEntry", added[sampler]))
        with blaming("sampler"):
            table.sampler(sampler)
    if scheduler is not None:
        if scheduler not in table.schedules and scheduler in (added := run.extensions("schedulers")):
            table = table.with_schedule(scheduler, cast("Schedule", added[scheduler]))
        with blaming("scheduler"):
            table.schedule(scheduler)
    return table
