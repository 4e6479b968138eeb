"""What else a server keeps: documents, published workflows, tokens, sweeps, files, settings; and for how long."""

import pytest
from sqlalchemy import Connection

from nodeflow.protocol.jobs import JobState
from nodeflow.storage.database import documents, jobs, outputs, retention, settings, sweeps, tokens, workflows
from nodeflow.storage.database.records import KeyReused, NewOutput
from nodeflow.storage.database.sweeps import Sweep
from nodeflow.storage.database.tokens import Token, TokenExists
from nodeflow.storage.database.workflows import NewWorkflow


def save(c: Connection, name: str, text: str, expected: int | None = None, now: float = 1.0) -> documents.Document:
    return documents.save(c, name, text.encode(), sha256=f"sha-{text}", client="ann", now=now, expected=expected)


def test_a_document_keeps_its_versions(c: Connection) -> None:
    first = save(c, "cat", "1", expected=0)
    second = save(c, "cat", "2", expected=1, now=2.0)
    assert (second.version, second.created, second.saved) == (2, 1.0, 2.0)
    assert save(c, "cat", "2", expected=2, now=3.0) == second
    assert [(one.version, one.latest) for one in documents.versions(c, "cat")] == [(2, 2), (1, 2)]
    old = documents.find(c, "cat", 1)
    assert old is not None
    assert documents.text(c, old) == b"1"
    assert old.id == first.id
    assert documents.find(c, "cat", 9) is None


def test_a_stale_save_gets_the_other_side(c: Connection) -> None:
    save(c, "cat", "1")
    save(c, "cat", "2")
    with pytest.raises(documents.Stale) as stale:
        save(c, "cat", "3", expected=1)
    assert stale.value.current is not None
    assert (stale.value.current.version, stale.value.body) == (2, b"2")
    with pytest.raises(documents.Stale):
        save(c, "cat", "3", expected=0)
    with pytest.raises(documents.Stale) as gone:
        save(c, "dog", "3", expected=1)
    assert gone.value.current is None


def test_documents_are_listed_renamed_trashed_and_restored(c: Connection) -> None:
    for name in ("b", "a", "c"):
        save(c, name, name)
    assert [one.name for one in documents.page(c, limit=2)] == ["a", "b"]
    assert [one.name for one in documents.page(c, after="b")] == ["c"]
    with pytest.raises(documents.NameTaken, match="named b already"):
        documents.rename(c, "a", "b")
    assert documents.rename(c, "a", "d").name == "d"
    assert documents.rename(c, "a", "e") is None
    trashed = documents.trash(c, "d", 5.0)
    assert documents.trash(c, "d", 5.0) is None
    assert [one.id for one in documents.page(c, trashed=True)] == [trashed.id]
    assert documents.page(c, trashed=True, after=trashed.id) == ()
    save(c, "d", "another")
    with pytest.raises(documents.NameTaken):
        documents.restore(c, trashed.id)
    documents.rename(c, "d", "e")
    assert documents.restore(c, trashed.id).name == "d"
    assert documents.restore(c, trashed.id) is None
    assert documents.count(c) == 4
    documents.trash(c, "d", 6.0)
    assert retention.drop_documents(c, 7.0) == 1
    assert documents.page(c, trashed=True) == ()


def test_a_document_has_a_small_picture(c: Connection) -> None:
    save(c, "cat", "1")
    assert documents.thumbnail(c, "cat") is None
    assert documents.set_thumbnail(c, "cat", b"webp")
    assert documents.thumbnail(c, "cat") == b"webp"
    assert not documents.set_thumbnail(c, "dog", b"webp")


def test_published_versions_count_up_and_never_change(c: Connection) -> None:
    def publish(text: str) -> workflows.Workflow:
        return workflows.publish(
            c,
            NewWorkflow(
                name="cats",
                client="ann",
                published=1.0,
                document=text.encode(),
                sha256=text,
                interface={"inputs": {}},
                schema={"type": "object"},
                note=text,
            ),
        )

    assert [publish(text).version for text in ("a", "b", "b", "a")] == [1, 2, 2, 3]
    assert workflows.document(c, "cats", 2) == b"b"
    assert workflows.find(c, "cats", 1).note == "a"
    assert workflows.find(c, "cats", None).version == 3
    assert workflows.find(c, "dogs", None) is None
    assert workflows.find(c, "cats", 4) is None
    assert [one.version for one in workflows.listed(c)] == [3, 2, 1]


def test_tokens_open_until_they_are_revoked_and_their_names_stay_taken(c: Connection) -> None:
    ann = Token("ann", "run", b"d1", 1.0)
    tokens.add(c, ann)
    assert tokens.listed(c) == (ann,)
    tokens.used(c, "ann", 2.0)
    assert tokens.listed(c)[0].last_used == 2.0
    assert tokens.revoke(c, "ann", 3.0)
    assert not tokens.revoke(c, "ann", 3.0)
    assert tokens.listed(c)[0].revoked == 3.0
    with pytest.raises(TokenExists, match="ann"):
        tokens.add(c, Token("ann", "admin", b"d3", 4.0))


def test_a_replaced_token_counts_anew_for_the_same_client_and_the_old_proof_finds_nobody(c: Connection) -> None:
    tokens.add(c, Token("ann", "run", b"d1", 1.0))
    tokens.used(c, "ann", 2.0)
    assert tokens.revoke(c, "ann", 3.0)
    assert tokens.rotate(c, "ann", b"d2", 4.0) == Token("ann", "run", b"d2", 4.0)
    assert tokens.listed(c) == (Token("ann", "run", b"d2", 4.0),)
    assert tokens.rotate(c, "bob", b"d3", 5.0) is None


def test_a_sweep_is_one_thing(c: Connection, a_job) -> None:
    sweep = Sweep(
        id="s1", client="ann", created=1.0, plan={"over": {"seed": [1, 2]}}, points=2, key="k", body_digest="1"
    )
    assert sweeps.known(c, "ann", "k", "1") is None
    sweeps.add(c, sweep)
    new = [a_job(sweep="s1", point=place) for place in range(2)]
    jobs.add_many(c, new, limit=9)
    assert sweeps.known(c, "ann", "k", "1") == "s1"
    assert sweeps.known(c, "ann", None, "1") is None
    with pytest.raises(KeyReused):
        sweeps.known(c, "ann", "k", "2")
    assert sweeps.find(c, "s1", None) == sweep
    assert sweeps.find(c, "s1", "bob") is None
    jobs.cancel(c, new[1].id, 2.0)
    assert sweeps.points(c, "s1") == (
        (0, new[0].id, JobState.QUEUED),
        (1, new[1].id, JobState.CANCELLED),
    )
    assert sweeps.counts(c, "s1")[JobState.CANCELLED] == 1
    assert sweeps.unfinished(c) == (sweep,)
    assert sweeps.finish(c, "s1", 3.0)
    assert not sweeps.finish(c, "s1", 4.0)
    assert sweeps.unfinished(c) == ()
    assert [one.id for one in sweeps.page(c, client="ann")] == ["s1"]
    assert sweeps.page(c, client="ann", after="s1") == ()
    jobs.cancel(c, new[0].id, 3.0)
    assert retention.drop_sweeps(c, 9.0) == 0
    assert retention.drop_jobs(c, 9.0) == 2
    assert retention.drop_sweeps(c, 9.0) == 1


def test_files_go_to_the_trash_and_come_back(c: Connection) -> None:
    new = [NewOutput(f"o{place}", "p", "n", "Image", path=f"{place}.png", bytes=10) for place in range(3)]
    outputs.add(c, "ann", "j", new, 1.0)
    outputs.add(c, "ann", "j", [NewOutput("o3", "v", "n", "Int", value=1)], 2.0)
    outputs.add(c, "ann", "j", [], 2.0)
    assert [one.id for one in outputs.of_job(c, "j")] == ["o0", "o1", "o2", "o3"]
    assert outputs.find(c, "o3", None) is None
    assert outputs.find(c, "o0", "bob") is None
    assert [one.id for one in outputs.page(c, client="ann")] == ["o2", "o1", "o0"]
    assert [one.id for one in outputs.page(c, client=None, after="o2", limit=1)] == ["o1"]
    assert outputs.trash(c, "o1", 5.0)
    assert not outputs.trash(c, "o1", 6.0)
    assert outputs.find(c, "o1", "ann").info.trashed
    assert retention.output_bytes(c) == 20
    assert [one.id for one in outputs.page(c, client=None, trashed=True)] == ["o1"]
    assert [one.id for one in retention.trashed_outputs(c, 6.0)] == ["o1"]
    assert [one.id for one in retention.old_outputs(c, 2.0)] == ["o0", "o2"]
    assert outputs.restore(c, "o1", "elsewhere/1.png")
    assert not outputs.restore(c, "o1")
    assert outputs.find(c, "o1", None).path == "elsewhere/1.png"
    assert outputs.forget(c, ["o0", "o1"]) == 2


def test_settings_are_remembered(c: Connection) -> None:
    assert not settings.paused(c)
    settings.pause(c, True)
    assert settings.paused(c)
    settings.pause(c, False)
    assert not settings.paused(c)
    settings.put(c, "x", {"a": [1.0]})
    assert settings.get(c, "x") == {"a": [1.0]}


def test_old_jobs_go_the_oldest_first_with_all_but_their_files(c: Connection, a_job) -> None:
    ids = [a_job().id for _ in range(4)]
    jobs.add_many(c, [a_job(id=id) for id in ids], limit=9)
    for moment, id in enumerate(ids[:3]):
        jobs.begin(c, id, "cpu-0", 1.0)
        given = [NewOutput(f"f{id}", "p", "n", "Image", path="a.png"), NewOutput(f"v{id}", "v", "n", "Int", value=1)]
        jobs.finish(c, id, 1, jobs.Ending(JobState.SUCCEEDED, outputs=given), float(moment))
    assert retention.drop_jobs(c, 0.5) == 1
    assert [job.id for job in jobs.page(c, client=None).jobs] == ids[:0:-1]
    assert [one.id for one in outputs.of_job(c, ids[0])] == [f"f{ids[0]}"]
    assert retention.drop_jobs_beyond(c, 2) == 0
    assert retention.drop_jobs_beyond(c, 1) == 1
    assert [job.id for job in jobs.page(c, client=None).jobs] == [ids[3], ids[2]]
    assert retention.drop_jobs_beyond(c, 0) == 1
    assert retention.drop_jobs(c, 99.0) == 0
    assert [job.id for job in jobs.page(c, client=None).jobs] == [ids[3]]
