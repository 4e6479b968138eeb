"""What is done with the arguments of a call at the last moment, and afterwards, where a node needs more than values."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

from nodeflow.core.errors import InputError
from nodeflow.core.resolved import ResolvedNode
from nodeflow.core.secrets import SECRET, SecretFault
from nodeflow.core.spec import Input
from nodeflow.engine.failures import InputChanged
from nodeflow.engine.inside import at_texts, put_inside
from nodeflow.engine.mapping import Arguments
from nodeflow.engine.noderun import RunContext
from nodeflow.engine.nodetypes import NodeType
from nodeflow.engine.runtime import Check

Given: TypeAlias = Callable[[Arguments], Arguments]
"""Makes of the values that links bring what the inputs declare; raises InputError where they do not take them."""

_KINDS = frozenset((SECRET,))


class Handing:
    """Calls the function of one node: values of links are held against what the inputs declare and put inside lists
    and rows, names of secrets become the secrets, and in development the inputs are watched.
    """

    __slots__ = ("_context", "_held", "_node", "_type")

    def __init__(self, node: ResolvedNode, type: NodeType, context: RunContext, held: Given | None) -> None:
        self._held = held
        self._node = node
        self._type = type
        self._context = context

    @staticmethod
    def needed(node: ResolvedNode, type: NodeType, context: RunContext) -> bool:
        """Whether the node cannot simply be called, whatever links bring."""
        return node.nested is not None or bool(type.secrets) or context.guard is not None

    def call(self, arguments: Arguments) -> object:
        """Call a synchronous node."""
        given, check = self._given(arguments)
        result = self._type.function(**given)
        _see_to(check)
        return result

    async def awaited(self, arguments: Arguments) -> object:
        """Await an asynchronous node."""
        given, check = self._given(arguments)
        result = await cast("Callable[..., Awaitable[object]]", self._type.function)(**given)
        _see_to(check)
        return result

    def _given(self, arguments: Arguments) -> tuple[Arguments, Check | None]:
        held = arguments if self._held is None else self._held(arguments)
        given = put_inside(held, self._node.nested or {})
        guard = self._context.guard
        check = None if guard is None else guard({name: value for name, value in given.items() if name != "run"})
        for item in self._type.secrets:
            given[item.name] = at_texts(item, given.get(item.name), item.name, _KINDS, self._secret)
        return given, check

    def _secret(self, item: Input, label: str, name: str) -> str:
        try:
            return self._context.vault.read(name)
        except SecretFault as fault:
            raise InputError(label, str(fault)) from None


def _see_to(check: Check | None) -> None:
    """Make sure that nothing was changed.

    Raises:
        InputChanged: The node changed one of its inputs.
    """
    if check is not None and (changed := check()):
        raise InputChanged(changed)
