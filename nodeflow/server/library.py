"""Published workflows: their versions, which never change, ready to be called."""

import re
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, cast

from nodeflow.core.errors import InvalidDocument, Problem, refusal
from nodeflow.core.suggest import did_you_mean, listing
from nodeflow.core.upgrade import migrate
from nodeflow.core.workflow import fed_inputs, parse_document
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.workflows import InputInfo, ResultInfo, WorkflowDetail, WorkflowInfo
from nodeflow.server.interfaces import interface_of
from nodeflow.session.sources import Loaded
from nodeflow.session.workplace import Workplace
from nodeflow.storage.database import workflows
from nodeflow.storage.database.store import Store
from nodeflow.storage.database.workflows import NewWorkflow, Workflow

_NAMED: Final = re.compile(r"(?P<name>[^@]+)(?:@(?P<version>latest|\d{1,9}))?")
_LEFT_TO_CALLERS: Final = frozenset({"input.missing", "file.missing"})
_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Published:
    """One version, ready to be called."""

    info: WorkflowInfo
    loaded: Loaded

    @property
    def label(self) -> str:
        """``name@version``."""
        return f"{self.info.name}@{self.info.version}"

    def check_names(self, names: Sequence[str]) -> None:
        """Only what the interface shows may be set.

        Raises:
            InvalidDocument: With every name that it does not show.
        """
        self._check(names, [each.name for each in self.info.inputs], "input", "setting.unknown")

    def check_targets(self, names: Sequence[str]) -> None:
        """Only what the interface shows may be asked for: what lies behind it is not the caller's to run by itself.

        Raises:
            InvalidDocument: With every name that it does not show.
        """
        self._check(names, [each.name for each in self.info.outputs], "output", "target.unknown")

    def _check(self, names: Sequence[str], shown: Sequence[str], what: str, code: str) -> None:
        wrong = [
            Problem(
                code,
                f'{self.label} has no {what} "{name[:100]}"',
                expected=listing(shown),
                hint=did_you_mean(name, shown),
            )
            for name in names
            if name not in shown
        ]
        if wrong:
            raise InvalidDocument(wrong)


class Library:
    """All published workflows of a server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ready: OrderedDict[tuple[str, int], Published] = OrderedDict()

    async def find(self, reference: str) -> Published:
        """The version that is meant by ``name``, ``name@latest`` or ``name@3``.

        Raises:
            Refusal: workflow.unknown.
        """
        match = _NAMED.fullmatch(reference)
        if match is None:
            raise _unknown(reference)
        name, version = match["name"], match["version"]
        number = None if version is None or version == "latest" else int(version)
        if number is not None and (name, number) in self._ready:
            return self._ready[name, number]
        found = await self._store.read(lambda connection: workflows.find(connection, name, number))
        if found is None:
            raise _unknown(reference)
        return self._ready.get((found.name, found.version)) or await self._made_ready(found)

    async def detail(self, reference: str) -> WorkflowDetail:
        """A version with its document and the schema of its inputs."""
        published = await self.find(reference)
        info = published.info
        return WorkflowDetail(
            **{name: getattr(info, name) for name in WorkflowInfo.model_fields},
            document=published.loaded.document.tree,
            input_schema=await self.schema(published),
        )

    async def schema(self, published: Published) -> Mapping[str, Any]:
        """The JSON Schema of the inputs of a version."""
        name, version = published.info.name, published.info.version
        found = await self._store.read(lambda connection: workflows.find(connection, name, version))
        return {} if found is None else found.schema

    async def listed(self) -> tuple[WorkflowInfo, ...]:
        """All versions of all workflows, by name, the latest first."""
        return tuple(map(info_of, await self._store.read(workflows.listed)))

    async def publish(self, new: NewWorkflow) -> tuple[WorkflowInfo, bool]:
        """Keeps the next version; False when the latest one is the same document."""
        kept = await self._store.write(lambda connection: workflows.publish(connection, new))
        return info_of(kept), kept.published == new.published

    async def _made_ready(self, found: Workflow) -> Published:
        data = await self._store.read(lambda connection: workflows.document(connection, found.name, found.version))
        published = Published(info_of(found), Loaded(parse_document(cast("bytes", data))))
        self._ready[found.name, found.version] = published
        if len(self._ready) > _KEPT:
            self._ready.popitem(last=False)
        return published


def new_version(name: str, client: str, loaded: Loaded, note: str, workplace: Workplace) -> NewWorkflow:
    """A document as it is published. What only its inputs lack is left to those who call it. Takes time.

    Raises:
        InvalidDocument: It cannot run, with all problems.
    """
    document, _ = migrate(loaded.document, workplace.registry)
    fed = fed_inputs(document)
    problems = workplace.prepare(loaded).resolution.problems
    wrong = [problem for problem in problems if problem.severity == "error" and not _is_left_to_callers(problem, fed)]
    if wrong:
        raise refusal(wrong)
    saved = workplace.saved(loaded)
    data = saved.dumps()
    interface = interface_of(saved, workplace.registry)
    title = saved.meta.get("title")
    return NewWorkflow(
        name=name,
        client=client,
        published=time.time(),
        document=data,
        sha256=sha256(data).hexdigest(),
        interface={
            "inputs": [each.model_dump(mode="json") for each in interface.inputs],
            "outputs": [each.model_dump(mode="json") for each in interface.outputs],
        },
        schema=interface.schema,
        title=title if isinstance(title, str) else "",
        note=note,
    )


def info_of(kept: Workflow) -> WorkflowInfo:
    """A version as clients see it."""
    inputs, outputs = cast("list[Any]", kept.interface["inputs"]), cast("list[Any]", kept.interface["outputs"])
    return WorkflowInfo(
        name=kept.name,
        version=kept.version,
        title=kept.title,
        note=kept.note,
        client=kept.client,
        published=kept.published,
        sha256=kept.sha256,
        inputs=tuple(map(InputInfo.model_validate, inputs)),
        outputs=tuple(map(ResultInfo.model_validate, outputs)),
    )


def _is_left_to_callers(problem: Problem, fed: Mapping[str, Mapping[str, str]]) -> bool:
    input = (problem.input or "").partition("[")[0]
    return problem.code in _LEFT_TO_CALLERS and input in fed.get(problem.node or "", {})


def _unknown(reference: str) -> Refusal:
    message = f"no workflow {reference[:100]!r} is published here"
    return Refusal("workflow.unknown", message, hint="GET /api/v1/workflows lists those that are")
