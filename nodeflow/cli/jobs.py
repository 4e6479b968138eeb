"""``nodeflow jobs``: the jobs of a server, and its queue."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from nodeflow.cli import wire
from nodeflow.cli.messages import counted, printable, warned
from nodeflow.client import Client
from nodeflow.core.errors import UsageError
from nodeflow.protocol.base import Message
from nodeflow.protocol.jobs import JobChange, JobInfo, JobState, JobSummary, QueueInfo
from nodeflow.protocol.queue import QueueExport

_MOST: Final = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    _list_options(parser, main=True)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions")
    for name, (summary, options, _) in _ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=f"{summary.capitalize()}.", allow_abbrev=False)
        options(action)


def execute(args: argparse.Namespace) -> int:
    """Does what is asked for; lists jobs when that is nothing."""
    _, _, act = _ACTIONS[args.action or "list"]
    with Client(args.server) as client:
        for line in act(client, args):
            print(line)
    return 0


def _list_options(parser: argparse.ArgumentParser, *, main: bool = False) -> None:
    """Options of the list, which is shown without an action, too; then the action's own count."""
    _common(parser, main=main)
    add, states = parser.add_argument, ", ".join(JobState)
    add("--state", default=_unless(main, None), metavar="STATE", help=f"only those: {states}; several with commas")
    add("--workflow", default=_unless(main, None), metavar="NAME@V", help="only those of a published workflow")
    add("--limit", type=int, default=_unless(main, _MOST), metavar="N", help=f"at most so many (default: {_MOST})")


def _common(parser: argparse.ArgumentParser, *, main: bool = False) -> None:
    parser.add_argument("--server", default=_unless(main, None), metavar="URL", help=wire.SERVER_HELP)
    parser.add_argument(
        "--json", action="store_true", default=_unless(main, False), help="print what the server answers, as JSON"
    )


def _unless(main: bool, value: object) -> object:
    return value if main else argparse.SUPPRESS


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="ID", help="the job")
    _common(parser)


def _move_options(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--before", metavar="ID", help="the job in front of which it goes")
    place.add_argument("--last", action="store_const", const="", dest="before", help="behind all others")
    parser.add_argument("--priority", type=int, metavar="N", help="-100 to 100; the higher, the earlier")


def _list(client: Client, args: argparse.Namespace) -> Iterator[str]:
    states = [_state(name) for name in args.state.split(",")] if args.state else []
    page = client.jobs(states=states, workflow=args.workflow, limit=args.limit)
    if args.json:
        yield page.model_dump_json()
        return
    yield from map(_row, page.jobs)
    if page.next is not None:
        yield f"… {page.total} in all; --limit shows more"


def _state(name: str) -> JobState:
    try:
        return JobState(name)
    except ValueError:
        raise UsageError(f"--state {name}: expected one of {', '.join(JobState)}") from None


def _row(job: JobSummary) -> str:
    return printable(f"{job.id}  {job.state:<9}  {_progress(job):<16}  {job.workflow or job.title}").rstrip()


def _progress(job: JobSummary) -> str:
    if job.position is not None:
        return f"{job.position} in front"
    if job.state is JobState.RUNNING:
        return f"{job.node} {job.step}/{job.steps}" if job.step is not None else job.node
    return "" if job.started is None or job.finished is None else f"{job.finished - job.started:.1f} s"


def _show(client: Client, args: argparse.Namespace) -> Iterator[str]:
    job = client.info(args.job)
    return iter([job.model_dump_json()]) if args.json else map(printable, _told(job))


def _told(job: JobInfo) -> Iterator[str]:
    yield _row(job)
    for attempt in job.attempts:
        reason = f": {attempt.reason}" if attempt.reason else ""
        yield f"attempt {attempt.number} on {attempt.worker}: {attempt.ending}{reason}"
    for name, node in job.nodes.items():
        yield f"  {name}: {node.status}" + (f" in {node.seconds:.3f} s" if node.seconds else "")
    yield from map(warned, job.warnings)
    for name, outputs in job.outputs.items():
        for output in outputs:
            partial = " (partial)" if output.partial else ""
            yield f"{name}: {output.file or output.value}{partial}"
    if job.error is not None:
        where = f'{job.error.type} "{job.error.node}": ' if job.error.node else ""
        yield f"error: {where}{job.error.message}" + (f" → {job.error.hint}" if job.error.hint else "")


def _queue(client: Client, args: argparse.Namespace) -> Iterator[str]:
    return _answered(client.queue(), args)


def _pause(client: Client, args: argparse.Namespace) -> Iterator[str]:
    return _answered(client.pause(), args)


def _resume(client: Client, args: argparse.Namespace) -> Iterator[str]:
    return _answered(client.resume(), args)


def _answered(queue: QueueInfo, args: argparse.Namespace) -> Iterator[str]:
    if args.json:
        yield queue.model_dump_json()
        return
    yield f"{'paused' if queue.paused else 'open'}: {queue.running} running, {queue.queued} of {queue.limit} queued"
    for worker in queue.workers:
        told = [worker.state, worker.job, *worker.models, worker.problem]
        yield printable(f"  {worker.name}: {' '.join(filter(None, told))}")


def _clear(client: Client, args: argparse.Namespace) -> Iterator[str]:
    cleared = client.clear()
    yield _json_or(cleared, args, f"{counted(cleared.cancelled, 'job')} cancelled")


def _export(client: Client, _: argparse.Namespace) -> Iterator[str]:
    yield client.export_queue().model_dump_json()


def _import_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="what `nodeflow jobs export` has printed; - for standard input")
    _common(parser)


def _import(client: Client, args: argparse.Namespace) -> Iterator[str]:
    imported = client.import_queue(_exported(args.file))
    yield _json_or(imported, args, f"{counted(len(imported.jobs), 'job')} queued")


def _exported(name: str) -> QueueExport:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from error
    try:
        return QueueExport.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"{part}." for part in first["loc"]).rstrip(".")
        told = f"{where}: {first['msg']}" if where else first["msg"]
        raise UsageError(f"{name}: is no export of a queue: {told} → write one: nodeflow jobs export > FILE") from error


def _retry(client: Client, args: argparse.Namespace) -> Iterator[str]:
    job = client.retry(args.job)
    yield _json_or(job, args, job.id)


def _delete(client: Client, args: argparse.Namespace) -> Iterator[str]:
    client.delete(args.job)
    return iter(())


def _move(client: Client, args: argparse.Namespace) -> Iterator[str]:
    if args.before is None and args.priority is None:
        raise UsageError("nodeflow jobs move ID: where? give --before ID, --last or --priority N")
    job = client.change(args.job, wire.message(JobChange, priority=args.priority, before=args.before))
    yield _json_or(job, args, _row(job))


def _json_or(message: Message, args: argparse.Namespace, text: str) -> str:
    return message.model_dump_json() if args.json else text


_Options = Callable[[argparse.ArgumentParser], None]
_Act = Callable[[Client, argparse.Namespace], Iterator[str]]
_ACTIONS: Final[Mapping[str, tuple[str, _Options, _Act]]] = MappingProxyType(
    {
        "list": ("list jobs, the latest first; this is what happens without an action", _list_options, _list),
        "show": ("show everything about a job", _one, _show),
        "queue": ("show the queue and the workers", _common, _queue),
        "pause": ("begin no further job, also not after a restart; what runs goes on", _common, _pause),
        "resume": ("begin jobs again", _common, _resume),
        "export": ("print all queued jobs with their documents, for another server", _common, _export),
        "import": ("queue the jobs that another server has exported, all of them or none", _import_options, _import),
        "clear": ("cancel all queued jobs", _common, _clear),
        "move": ("give a queued job another place or priority", _move_options, _move),
        "retry": ("run a job that has ended once more, as a new job", _one, _retry),
        "delete": ("forget a job that has ended; its files stay", _one, _delete),
    }
)
