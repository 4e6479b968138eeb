"""Whether what is to be asked again is there: found out before anything runs."""

from nodeflow.core.resolved import ResolvedGraph
from nodeflow.engine.outside import Refresh


def check_refresh(wanted: bool | tuple[str, ...], graph: ResolvedGraph) -> None:
    """Makes sure that every id means a node that can be asked again.

    Raises:
        UsageError: There is no such node, or it is not external.
    """
    Refresh(wanted).check(graph)
