"""Letting an expander record, once or for each item of the lists that it is given."""

from nodeflow.core.errors import NodeflowError
from nodeflow.core.resolved import ResolvedGraph
from nodeflow.engine.expansion import splice, splice_items
from nodeflow.engine.holding import Holding
from nodeflow.engine.inside import put_inside
from nodeflow.engine.mapping import Arguments, Call, spread
from nodeflow.engine.noderun import RunContext
from nodeflow.engine.plan import Plan
from nodeflow.engine.runtime import Constant, Expansion


class Recording:
    """The expanders of one run."""

    def __init__(self, plan: Plan, context: RunContext, holding: Holding) -> None:
        self._plan = plan
        self._board = plan.board
        self._context = context
        self._holding = holding

    def record(self, index: int, values: Arguments) -> None:
        """Let an expander record, and put that into the plan.

        Args:
            values: The inputs that have a value.

        Raises:
            Exception: Whatever the expander raises, or what is wrong with what it recorded.
        """
        if self._board.nodes[index].depth:
            self._each(index, values)
        else:
            splice(self._plan, index, self._one(index, values))

    def _one(self, index: int, values: Arguments) -> Expansion:
        board = self._board
        hold = self._plan.holds.given(index)
        held = values if hold is None else hold(values)
        given = put_inside(held, board.nodes[index].nested or {})
        return self._context.services.expand(board.types[index].spec, given, board.references(index))

    def _each(self, index: int, values: Arguments) -> None:
        board = self._board
        node, lazy = board.nodes[index], board.types[index].lazy
        calls = spread(values, board.depths(index), node.depth)
        if calls.uneven:
            self._context.warn(node.id, calls.complaint)
            if self._context.strict:
                raise NodeflowError(calls.complaint)

        def record(call: Call) -> Expansion:
            blocked = self._holding.back_item(value for name, value in call.arguments.items() if name not in lazy)
            if blocked is None:
                return self._one(index, call.arguments)
            held = {output.name: Constant(blocked) for output in node.spec.outputs}
            return Expansion(ResolvedGraph((), {}, {}), {}, held)

        splice_items(self._plan, index, calls, values, [record(call) for call in calls])
