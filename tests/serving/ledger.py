"""What a server promised, kept by its clients, and whether the store holds it."""

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FINAL = frozenset({"succeeded", "failed", "cancelled"})


@dataclass
class Promise:
    """A job that a server has acknowledged.

    Attributes:
        name: What its work is called, and what its outputs must say.
        key: Idempotency key; empty for a retry.
        retry_of: The job it repeats.
        cancelled_at: When a cancellation was acknowledged.
        final: The final state that a client has seen.
        told: Events that a client was given, by number.
    """

    id: str
    name: str
    key: str = ""
    retry_of: str = ""
    cancelled_at: float | None = None
    final: str = ""
    told: dict[int, Mapping[str, Any]] = field(default_factory=dict)


@dataclass
class Ledger:
    """Every promise of a server.

    Attributes:
        lost_retries: Jobs of which a retry was asked for without an answer: the store may hold one that nobody knows.
        broken: What was noticed to be wrong while the server ran.
    """

    promises: dict[str, Promise] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    lost_retries: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def taken(self, promise: Promise) -> None:
        """A submission was acknowledged."""
        known = self.promises.setdefault(promise.id, promise)
        if (known.name, known.key) != (promise.name, promise.key):
            self.broken.append(f"{promise.id} was given for {known.name} and for {promise.name}")
        if promise.key and self.keys.setdefault(promise.key, promise.id) != promise.id:
            self.broken.append(f"the key {promise.key} made {self.keys[promise.key]} and {promise.id}")

    def seen(self, id: str, state: str) -> None:
        """A client was told of a state."""
        promise = self.promises[id]
        if promise.final and state != promise.final:
            self.broken.append(f"{id} was {promise.final}, and then {state}")
        if state in FINAL:
            promise.final = state

    def told(self, id: str, event: Mapping[str, Any]) -> None:
        """A client was given an event."""
        promise = self.promises[id]
        if promise.told.setdefault(event["seq"], event) != event:
            self.broken.append(f"{id} had two events {event['seq']}: {promise.told[event['seq']]} and {event}")


@dataclass
class Compared:
    """What a ledger and a store say of each other."""

    broken: list[str]
    states: Counter[str]
    attempts: int
    lost_attempts: int
    orphans: int
    """Files in the output folder that belong to no job: their attempt was killed between the file and its end."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A job as the store has it."""

    id: str
    state: str
    attempt: int
    key: str | None
    retry_of: str
    error: Mapping[str, Any]
    attempts: Sequence[sqlite3.Row]
    events: Sequence[sqlite3.Row]
    outputs: Sequence[sqlite3.Row]
    cancelling: float | None


def compare(ledger: Ledger, database: Path, output: Path, book: Path, *, allowed: int = 2) -> Compared:
    """Holds every promise against the store of a server that has stopped and had nothing left to do."""
    stored = {job.id: job for job in _stored(database)}
    broken = [*ledger.broken, *_sound(database)]
    for promise in ledger.promises.values():
        job = stored.get(promise.id)
        if job is None:
            broken.append(f"{promise.id} ({promise.name}) is lost")
            continue
        broken += [f"{job.id} ({promise.name}, {job.state}): {what}" for what in _kept(promise, job, output, allowed)]
    broken += _unknown(ledger, stored)
    broken += _worked(ledger, stored, book)
    broken += _shared(stored)
    files = {path for job in stored.values() for path in _paths(job)}
    found = {str(path.relative_to(output)) for path in output.rglob("*.*") if path.is_file() and path.name[0] != "."}
    return Compared(
        broken,
        Counter(job.state for job in stored.values()),
        sum(len(job.attempts) for job in stored.values()),
        sum(attempt["ending"] == "worker_lost" for job in stored.values() for attempt in job.attempts),
        len(found - files),
    )


def _sound(database: Path) -> Iterator[str]:
    with closing(sqlite3.connect(database)) as connection:
        for pragma, fine in (("integrity_check", [("ok",)]), ("foreign_key_check", [])):
            found = connection.execute(f"PRAGMA {pragma}").fetchall()
            if found != fine:
                yield f"{pragma}: {found[:5]}"


def sound_copy(database: Path, folder: Path) -> list[str]:
    """What is wrong with the database of a server that was just killed, seen in a copy."""
    folder.mkdir(exist_ok=True)
    for suffix in ("", "-wal"):
        source, copy = Path(f"{database}{suffix}"), folder / f"{database.name}{suffix}"
        copy.write_bytes(source.read_bytes()) if source.exists() else copy.unlink(missing_ok=True)
    (folder / f"{database.name}-shm").unlink(missing_ok=True)
    return list(_sound(folder / database.name))


def _stored(database: Path) -> list[Stored]:
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row

        def by_job(table: str, order: str) -> Mapping[str, list[sqlite3.Row]]:
            rows: defaultdict[str, list[sqlite3.Row]] = defaultdict(list)
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY job, {order}"):
                rows[row["job"]].append(row)
            return rows

        attempts, events = by_job("attempts", "number"), by_job("events", "seq")
        outputs, reports = by_job("outputs", "place"), by_job("reports", "job")
        return [
            Stored(
                id=row["id"],
                state=row["state"],
                attempt=row["attempt"],
                key=row["key"],
                retry_of=row["retry_of"],
                error=json.loads((reports[row["id"]][0]["error"] if reports[row["id"]] else None) or "{}"),
                attempts=attempts[row["id"]],
                events=events[row["id"]],
                outputs=outputs[row["id"]],
                cancelling=row["cancelling"],
            )
            for row in connection.execute("SELECT * FROM jobs ORDER BY id").fetchall()
        ]


def _kept(promise: Promise, job: Stored, output: Path, allowed: int) -> Iterator[str]:
    if job.state not in FINAL:
        yield "it has come to no end"
    if promise.final and promise.final != job.state:
        yield f"a client was told that it is {promise.final}"
    if promise.key and job.key != promise.key:
        yield f"its key is {job.key}, not {promise.key}"
    yield from _events(promise, job)
    yield from _attempts(promise, job, allowed)
    yield from _outputs(promise, job, output)


def _events(promise: Promise, job: Stored) -> Iterator[str]:
    if [event["seq"] for event in job.events] != [*range(1, len(job.events) + 1)]:
        yield f"its events are numbered {[event['seq'] for event in job.events]}"
    kinds = [event["kind"] for event in job.events]
    if kinds.count("finished") != 1 or kinds[-1] != "finished":
        yield f"its events are {kinds}"
    elif json.loads(job.events[-1]["data"])["state"] != job.state:
        yield f"its last event is {job.events[-1]['data']}"
    begun = [json.loads(event["data"])["number"] for event in job.events if event["kind"] == "attempt"]
    if begun != [attempt["number"] for attempt in job.attempts]:
        yield f"its events tell of the attempts {begun}"
    on_disk = {row["seq"]: (row["kind"], json.loads(row["data"])) for row in job.events}
    for seq, event in promise.told.items():
        if on_disk.get(seq) != (event["kind"], event["data"]):
            yield f"a client was told {event}, and on disk is {on_disk.get(seq)}"


def _attempts(promise: Promise, job: Stored, allowed: int) -> Iterator[str]:
    numbers = [attempt["number"] for attempt in job.attempts]
    if numbers != [*range(1, job.attempt + 1)]:
        yield f"its attempts are {numbers}"
    endings = [attempt["ending"] for attempt in job.attempts]
    if "running" in endings:
        yield f"its attempts ended with {endings}"
    if any(ending in ("succeeded", "failed") for ending in endings[:-1]):
        yield f"it was run again after an end: {endings}"
    lost = endings.count("worker_lost")
    if lost > allowed:
        yield f"{lost} of its attempts were lost, and {allowed} are allowed"
    if job.state == "failed" and not (job.error.get("code") == "worker_lost" and lost == allowed):
        yield f"it failed with {job.error} after {endings}"
    if promise.cancelled_at is not None:
        late = [row["number"] for row in job.attempts if row["started"] > promise.cancelled_at]
        if late:
            yield f"its attempts {late} began after it was cancelled"
        if job.state == "failed":
            yield "it was cancelled"


def _outputs(promise: Promise, job: Stored, output: Path) -> Iterator[str]:
    named = Counter((row["name"], row["node"], row["path"]) for row in job.outputs)
    twice = [name for name, count in named.items() if count > 1]
    if twice:
        yield f"outputs were set twice: {twice}"
    said = [json.loads(row["value"]) for row in job.outputs if row["name"] == "said"]
    if job.state == "succeeded" and said != [promise.name]:
        yield f"it gave {said}"
    if job.state != "succeeded" and any(not row["partial"] for row in job.outputs):
        yield "it has outputs that are not marked as partial"
    for row in job.outputs:
        if not row["path"]:
            continue
        try:
            data = (output / row["path"]).read_bytes()
        except OSError as error:
            yield f"its file {row['path']} is not there: {error}"
            continue
        if (len(data), hashlib.sha256(data).hexdigest()) != (row["size"], row["sha256"]):
            yield f"its file {row['path']} is not what it was"
        if row["path"].endswith(".txt") and data.decode() != promise.name:
            yield f"its file {row['path']} is another job's: {data!r}"


def _paths(job: Stored) -> Iterator[str]:
    return (row["path"] for row in job.outputs if row["path"])


def _unknown(ledger: Ledger, stored: Mapping[str, Stored]) -> Iterator[str]:
    """Jobs that nobody was promised can only be retries whose answer was lost."""
    strange = Counter(job.retry_of for job in stored.values() if job.id not in ledger.promises)
    for of, count in strange.items():
        if count > ledger.lost_retries[of]:
            yield f"{count} jobs that repeat {of or 'nothing'} were promised to nobody"


def _worked(ledger: Ledger, stored: Mapping[str, Stored], book: Path) -> Iterator[str]:
    """Work is begun at least once for what succeeded, and at most once for each attempt."""
    lines = book.read_text().splitlines() if book.exists() else []
    begun = Counter(line.split()[0] for line in lines)
    attempts: Counter[str] = Counter()
    succeeded: set[str] = set()
    for job in stored.values():
        name = _name(ledger, stored, job)
        attempts[name] += len(job.attempts)
        if job.state == "succeeded":
            succeeded.add(name)
    for name, count in begun.items():
        if count > attempts[name]:
            yield f"{name} was begun {count} times in {attempts[name]} attempts"
    for name in succeeded - begun.keys():
        yield f"{name} succeeded and was never begun"


def _name(ledger: Ledger, stored: Mapping[str, Stored], job: Stored) -> str:
    while job.id not in ledger.promises and job.retry_of in stored:
        job = stored[job.retry_of]
    return ledger.promises[job.id].name if job.id in ledger.promises else ""


def _shared(stored: Mapping[str, Stored]) -> Iterator[str]:
    """A file belongs to one job, or to jobs that repeat each other."""
    owners: dict[str, str] = {}
    for job in stored.values():
        first = job
        while first.retry_of in stored:
            first = stored[first.retry_of]
        for path in _paths(job):
            if owners.setdefault(path, first.id) != first.id:
                yield f"{path} belongs to {owners[path]} and to {first.id}"
