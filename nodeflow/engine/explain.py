"""Why each node would run again: which input, file, code or parent changed since it last ran."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from time import time
from typing import Any

from nodeflow.core.resolved import ResolvedGraph
from nodeflow.core.spec import Kind, Spec
from nodeflow.engine.board import DONE, IDLE, KEYLESS, LOST, PLANNED, Outputs, Place
from nodeflow.engine.cache import Entry, MemoryCache
from nodeflow.engine.encoding import decode_entry
from nodeflow.engine.expansion import splice
from nodeflow.engine.failures import failure_of
from nodeflow.engine.keys import KeyRecord, read_record
from nodeflow.engine.nodetypes import NodeType
from nodeflow.engine.outside import Refresh
from nodeflow.engine.plan import Plan
from nodeflow.engine.prospects import Prospects
from nodeflow.engine.runtime import Constant, DiskTier, Services

_SHOWN_LENGTH = 60


class State(StrEnum):
    """What would become of a node if the graph ran now."""

    HIT_MEMORY = "hit-memory"
    HIT_DISK = "hit-disk"
    RUN = "run"
    SKIPPED = "skipped"
    """Not needed: what hangs below it is remembered."""
    UNKNOWN = "unknown"
    """Depends on what a lazy or expanding node will ask for."""
    FAILED = "failed"
    """Cannot run; the reason says why."""


@dataclass(frozen=True, slots=True)
class NodeExplanation:
    """What would become of one node, and why.

    Attributes:
        reasons: For a node that would run, one sentence per thing that changed since it last ran.
    """

    node: str
    type: str
    state: State
    reasons: tuple[str, ...] = ()


def explain(
    graph: ResolvedGraph,
    services: Services,
    memory: MemoryCache,
    disk: DiskTier | None,
    *,
    targets: Sequence[Place] | None = None,
    device: str = "cpu",
    dtype: str = "auto",
    refresh: Collection[str] | bool = False,
    clock: Callable[[], float] = time,
) -> tuple[NodeExplanation, ...]:
    """Plan a run of ``graph`` without running anything, and compare it with the runs that were recorded.

    Raises:
        UsageError: ``refresh`` names something else than external nodes; see ``Engine.run``.
    """
    again = Refresh(refresh)
    again.check(graph)
    forecast = Forecast(graph, services, memory, disk, services.environment(device, dtype), again, clock)
    forecast.plan_for(targets)
    return tuple(forecast.explanations())


class Forecast:
    """A plan that is made and never carried out."""

    def __init__(
        self,
        graph: ResolvedGraph,
        services: Services,
        memory: MemoryCache,
        disk: DiskTier | None,
        environment: str,
        refresh: Refresh,
        clock: Callable[[], float],
    ) -> None:
        self._services = services
        self._memory = memory
        self._disk = disk
        self._environment = environment
        self._known = frozenset(disk.known()) if disk is not None else frozenset[bytes]()
        self._earlier = disk.recorded() if disk is not None else ()
        self._types: dict[int, NodeType] = {}
        self._hits: dict[int, State] = {}
        self._errors: dict[int, str] = {}
        self._graph = graph
        self._prospects = Prospects(self._find, clock, refresh)
        self._plan = Plan(graph, self, services, keep_records=True)
        self._board = self._plan.board

    def plan_for(self, targets: Sequence[Place] | None) -> None:
        """Plan what a run for ``targets`` would do first."""
        plan = self._plan
        wanted = plan.wanted(self._graph, targets)
        plan.identities.identify_all({index for index, _ in wanted})
        for place in wanted:
            found = self._board.resolve(place)
            if not isinstance(found, Constant):
                plan.want(found[0])
        plan.want_roots()

    def explanations(self) -> list[NodeExplanation]:
        """One for every node, those that expanders recorded included."""
        undecided = self._undecided()
        found: list[NodeExplanation] = []
        for index, node in enumerate(self._board.nodes):
            state = self._state(index, undecided)
            reasons = self._reasons(index, state)
            found.append(NodeExplanation(node.id, node.spec.id, state, reasons))
        return found

    # What the plan asks.

    def type_of(self, spec: Spec) -> NodeType:
        type = self._types.get(id(spec))
        if type is None:
            type = self._types[id(spec)] = NodeType(spec, self._services, self._environment)
        return type

    def recall(self, index: int, key: bytes) -> Outputs | None:
        if key in self._memory:
            self._hits[index] = State.HIT_MEMORY
        elif key in self._known:
            self._hits[index] = State.HIT_DISK
        else:
            return None
        return ()

    def recall_choice(self, state: bytes) -> str | None:
        entry = self._find(state)
        return None if entry is None else str(entry.outputs[0])

    def outside_key(self, index: int, base: bytes) -> bytes:
        return self._prospects.key(self._board, index, base)

    def expand(self, index: int) -> None:
        node, type = self._board.nodes[index], self._board.types[index]
        linked = self._board.references(index)
        splice(self._plan, index, self._services.expand(type.spec, type.arguments(node), linked))
        self._plan.propagate(index)

    def fail(self, index: int, error: BaseException) -> None:
        self._errors[index] = failure_of(self._board.nodes[index], error, self._services.vault).message
        self._plan.lose(index)

    def delivered(self, index: int) -> None:
        """Nobody waits in a forecast."""

    def _find(self, key: bytes) -> Entry | None:
        entry = self._memory.get(key)
        if entry is None and self._disk is not None and key in self._known:
            stored = self._disk.read(key)
            with suppress(Exception):  # whatever a codec stumbles over is not a result, as in a run
                entry = None if stored is None else decode_entry(stored, self._services.codec)
        return entry

    # States and reasons.

    def _undecided(self) -> frozenset[int]:
        """Nodes that may or may not be needed, which a lazy or an expanding node will decide."""
        board = self._board
        found: set[int] = set()
        work = [
            wire.source
            for index, state in enumerate(board.state)
            if state == KEYLESS or (state == PLANNED and board.types[index].lazy)
            for wire in board.wires[index]
        ]
        while work:
            index = work.pop()
            if board.state[index] == IDLE and index not in found:
                found.add(index)
                work += (wire.source for wire in board.wires[index])
        return frozenset(found)

    def _state(self, index: int, undecided: frozenset[int]) -> State:
        state = self._board.state[index]
        if index in self._hits:
            return self._hits[index]
        if state == LOST:
            return State.FAILED
        if state in (PLANNED, DONE):
            return State.RUN
        if state == IDLE and index not in undecided:
            return State.SKIPPED
        return State.UNKNOWN

    def _reasons(self, index: int, state: State) -> tuple[str, ...]:
        match state:
            case State.RUN:
                return self._why_it_runs(index)
            case State.FAILED:
                return (self._errors.get(index, "something above it cannot run"),)
            case State.UNKNOWN:
                return ("depends on what a lazy or an expanding node will ask for",)
            case _:
                remark = self._prospects.remarks.get(index)
                return () if remark is None else (remark,)

    def _why_it_runs(self, index: int) -> tuple[str, ...]:
        type = self._board.types[index]
        if type.expands:
            return ("an expanding node always runs; what it records may be remembered",)
        if type.lazy:
            return ("a lazy node always runs; what it asks for may be remembered",)
        if type.spec.kind is Kind.EFFECT:
            return ("an effect always runs",)
        remark = self._prospects.remarks.get(index)
        return self._what_changed(index) if remark is None else (remark,)

    def _what_changed(self, index: int) -> tuple[str, ...]:
        board = self._board
        name = board.nodes[index].id
        data = (self._plan.identities.records or {}).get(name)
        before = next((records[name] for records in self._earlier if name in records), None)
        if before is None or data is None:
            return ("it has not run here before",)
        if before == data:
            return ("its result was not kept",)
        sources = {wire.input: board.nodes[wire.source].id for wire in board.wires[index]}
        return tuple(differences(read_record(before), read_record(data), sources))


def differences(before: KeyRecord, now: KeyRecord, sources: Mapping[str, str]) -> list[str]:
    """What differs between two records of one node, as sentences.

    Args:
        sources: Input name to the id of the node that feeds it now.
    """
    return [
        *_type_differences(json.loads(before.type), json.loads(now.type)),
        *_literal_differences(json.loads(before.literals), json.loads(now.literals)),
        *(f"{name}: the file changed" for name, mark in now.files.items() if before.files.get(name, mark) != mark),
        *_link_differences(before, now, sources),
        *(["it is mapped over a list now, or no longer"] if before.depth != now.depth else []),
    ]


def _type_differences(before: Sequence[Any], now: Sequence[Any]) -> list[str]:
    labels = ("type", "version", "code", "environment")
    return [
        "the code that computes it changed" if label == "code" else f"{label}: {_short(old)} → {_short(new)}"
        for label, old, new in zip(labels, before, now, strict=True)
        if old != new
    ]


def _literal_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: {_short(before[name])} → {_short(now[name])}"
        for name in now
        if before.get(name, now[name]) != now[name]
    ]


def _link_differences(before: KeyRecord, now: KeyRecord, sources: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    for name, link in now.links.items():
        old = before.links.get(name)
        if old is None:
            found.append(f"{name}: linked to {sources[name]} now")
        elif old != link:
            found.append(f"{name}: {sources[name]} above it changed")
    found += (f"{name}: no longer linked" for name in before.links if name not in now.links)
    return found


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"
