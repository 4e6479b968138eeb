"""Marks on functions: which of them are nodes, expanders and migrations. Nothing is registered here."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from nodeflow.core.migrations import Migration
from nodeflow.core.spec import Form, Kind, Lane, Scope

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
G = TypeVar("G")
G_contra = TypeVar("G_contra", contravariant=True)
Rule = TypeVar("Rule", bound=Callable[..., None])
Step = TypeVar("Step", bound=Migration)

MARK = "__nodeflow__"
MIGRATION_MARK = "__nodeflow_migration__"


@dataclass(frozen=True, slots=True)
class NodeMark:
    """What ``@node`` and ``@expander`` leave on a function, to be read when its spec is first asked for."""

    id: str
    category: str
    version: int
    kind: Kind
    lane: Lane
    title: str
    form: Form | None = None
    scope: Scope = Scope.RUN
    age: float = 0.0
    concurrency: int = 1
    converts: bool = False
    checks: tuple[Callable[..., None], ...] = ()


@dataclass(frozen=True, slots=True)
class MigrationMark:
    """What ``@migrates`` leaves on a function: it takes inputs saved with ``version`` to the next version."""

    id: str
    version: int


class NodeFunction(Protocol[P, R_co]):
    """A function that is also a node; calling it is calling the function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def check(self, rule: Rule, /) -> Rule:
        """Add a rule over several inputs, tried on literal values before anything runs.

        The rule names the inputs it looks at as its parameters and raises ``InputError``. It is tried only when all
        of them are literals that can be read. A parameter that is a ``Ref`` is given whether the input is linked or
        not, with a ``Link`` at each place that is; one of type ``Graphs`` is given the sub-graphs of the document.
        """
        ...


class ExpanderFunction(Protocol[G_contra, P, R_co]):
    """A function that records other nodes; its first parameter is the graph it records into."""

    @property
    def expands(self) -> bool: ...

    def __call__(self, graph: G_contra, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def check(self, rule: Rule, /) -> Rule:
        """Add a rule over several inputs; see ``NodeFunction.check``."""
        ...


class Lazy(Protocol[T_co]):
    """An input that is computed only when the node awaits it."""

    def __await__(self) -> Generator[Any, Any, T_co]: ...


@dataclass(frozen=True, slots=True)
class Later(Lazy[Any]):
    """A value that is there already, where a lazy input is asked for."""

    value: Any

    def __await__(self) -> Generator[Any, Any, Any]:
        yield from ()
        return self.value


def later(value: T) -> Lazy[T]:
    """``value`` as a lazy input: for calling a lazy node in a test, and for linking to one in a graph."""
    return Later(value)


@dataclass(frozen=True, slots=True)
class RefMark:
    """Stands inside ``Ref``."""


Ref = Annotated[T, RefMark()]
"""A value that is not there yet: what the inputs and the result of an expander are. Checkers see the plain type."""


def node(
    id: str,
    *,
    category: str = "",
    version: int = 1,
    kind: Kind = Kind.PURE,
    lane: Lane = Lane.DEVICE,
    title: str = "",
    scope: Scope = Scope.RUN,
    age: float = 0.0,
    concurrency: int = 1,
    converts: bool = False,
) -> Callable[[Callable[P, R]], NodeFunction[P, R]]:
    """Mark a function as a node. The function stays what it is; its signature is read when it is first needed.

    An input that is an ``int`` takes no number below 0 unless it says so: ``shift: Annotated[int, Field(ge=-10)] = 0``.

    Args:
        id: The type id that documents name; a pack's ids start with the pack's name and a dot.
        category: Where the editor lists it; levels are parted by ``/``.
        version: Counts changes of the saved inputs and outputs, and nothing else.
        kind: How results are remembered; a function that returns None is an effect by itself.
        lane: Which thread runs it; async nodes need none.
        title: What the editor shows; made from ``id`` when empty.
        scope: How far the result of an external node is remembered.
        age: For how many seconds it is; 0 means that the node runs again whenever it is asked for.
        concurrency: How many calls of an async node may be under way at once when it is mapped over a list.
        converts: Offer the node where a link does not fit; it has one required input and one output.
    """
    mark = NodeMark(
        id, category, version, kind, lane, title, scope=scope, age=age, concurrency=concurrency, converts=converts
    )

    def mark_node(fn: Callable[P, R]) -> NodeFunction[P, R]:
        return cast(NodeFunction[P, R], _put(mark, fn))

    return mark_node


def expander(
    id: str, *, category: str = "", version: int = 1, title: str = ""
) -> Callable[[Callable[Concatenate[G, P], R]], ExpanderFunction[G, P, R]]:
    """Mark a function as an expander: it gets a ``Graph`` and records nodes into it instead of computing values."""
    mark = NodeMark(id, category, version, Kind.PURE, Lane.CPU, title, form=Form.EXPANDER)

    def mark_expander(fn: Callable[Concatenate[G, P], R]) -> ExpanderFunction[G, P, R]:
        marked = _put(mark, fn)
        marked.__dict__["expands"] = True
        return cast(ExpanderFunction[G, P, R], marked)

    return mark_expander


def migrates(id: str, version: int) -> Callable[[Step], Step]:
    """Mark a pure function that takes the inputs saved for node ``id`` at ``version`` to the next version.

    It is given the inputs as they stand in the document and returns the new ones, or a ``Migrated`` where outputs got
    other names or another node took over.
    """
    mark = MigrationMark(id, version)

    def mark_migration(fn: Step) -> Step:
        setattr(fn, MIGRATION_MARK, mark)
        return fn

    return mark_migration


def node_mark(value: object) -> NodeMark | None:
    """The mark of a node or expander, or None for anything else."""
    mark = getattr(value, MARK, None)
    return mark if isinstance(mark, NodeMark) else None


def migration_mark(value: object) -> MigrationMark | None:
    """The mark of a migration, or None for anything else."""
    mark = getattr(value, MIGRATION_MARK, None)
    return mark if isinstance(mark, MigrationMark) else None


def _put(mark: NodeMark, fn: Callable[..., Any]) -> Callable[..., Any]:
    def check(rule: Rule) -> Rule:
        before = fn.__dict__[MARK]
        fn.__dict__[MARK] = replace(before, checks=(*before.checks, rule))
        return rule

    fn.__dict__[MARK] = mark
    fn.__dict__["check"] = check
    return fn
