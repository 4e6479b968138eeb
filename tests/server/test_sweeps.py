"""Sweeps over HTTP: one thing with all its points, or nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from nodeflow.protocol.tokens import Role
from nodeflow.server.settings import Limits, ServerSettings
from tests.server.documents_of_tests import number, shipped
from tests.server.serving import API, Server, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("sweeps")) as server:
        server.ask("POST", f"{API}/workflows/counted", {"document": number()})
        yield server


def sweep(server: Server, *, key: str | None = None, token: str | None = None, **asked: Any) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"document": number()} | asked if "workflow" not in asked else asked
    return server.ask("POST", f"{API}/sweeps", body, headers=headers, token=token)


def values(answer: Any) -> list[dict[str, Any]]:
    return [point["values"] for point in answer.json["points"]]


def test_every_point_is_a_job_of_its_own(server: Server) -> None:
    made = sweep(server, over={"value": [3, 4]}, priority=7)
    assert (made.status, made.json["total"], made.json["axes"]) == (201, 2, [["value"]])
    points = server.get(made.headers["location"]).json["points"]
    assert [(point["index"], point["values"], point["label"]) for point in points] == [
        (1, {"value": 3}, "value-3"),
        (2, {"value": 4}, "value-4"),
    ]
    jobs = server.get(f"{API}/jobs?sweep={made.json['id']}").json["jobs"]
    assert {job["id"] for job in jobs} == {point["job"] for point in points}
    assert {job["priority"] for job in jobs} == {7}
    document = server.get(f"{API}/jobs/{points[1]['job']}/document").json
    assert document["nodes"]["n"]["inputs"]["value"] == 4


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"over": {"value": "1..3"}}, [{"value": 1}, {"value": 2}, {"value": 3}]),
        ({"over": {"value": "0..1/3"}}, [{"value": 0}, {"value": 0.5}, {"value": 1}]),
        ({"over": {"value": "5,6"}}, [{"value": 5}, {"value": 6}]),
        ({"rows": [{"value": 1}, {"value": 9}]}, [{"value": 1}, {"value": 9}]),
        ({"workflow": "counted", "over": {"value": [8]}}, [{"value": 8}]),
    ],
)
def test_values_are_given_as_in_the_shell(server: Server, asked: dict[str, Any], found: list[dict[str, Any]]) -> None:
    assert values(sweep(server, **asked)) == found


def test_axes_are_combined_or_walk_together(server: Server) -> None:
    over = {"sample.steps": [1, 2], "seed": [3, 4]}
    assert len(values(sweep(server, document=shipped("txt2img"), over=over))) == 4
    together = values(sweep(server, document=shipped("txt2img"), over=over, zip=True))
    assert together == [{"sample.steps": 1, "seed": 3}, {"sample.steps": 2, "seed": 4}]


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ({}, "request.invalid", "nothing to vary"),
        ({"over": {"value": []}}, "request.invalid", "over.value"),
        ({"over": {"value": "@/etc/passwd"}}, "request.invalid", "send the values themselves"),
        ({"over": {"value": [1]}, "inputs": {"value": 2}}, "request.invalid", "varied as well"),
        ({"over": {"value": [1]}, "rows": [{"value": 2}]}, "request.invalid", "varied twice"),
        ({"over": {"value": [1], "n.value": [1, 2]}, "zip": True}, "request.invalid", "equally many"),
        ({"over": {"value": "1..9999999"}}, "request.invalid", "100,000"),
        ({"over": {f"a{n}": [1, 2] for n in range(15_000)}}, "request.invalid", "more than 1,000,000,000,000"),
        (
            {"over": {"value": "1..9000"}, "document": number(meta={"title": "x" * 40_000})},
            "request.too-large",
            "9,000",
        ),
        ({"over": {"value": "1..9000", "n.x": ["x" * 40_000]}}, "request.too-large", "9,000 points"),
        ({"over": {"value": ["many"]}}, "document.invalid", "number"),
        ({"over": {"valu": [1]}}, "document.invalid", 'did you mean "value"'),
        ({"over": {"value": [1]}, "workflow": "counted", "document": number()}, "request.invalid", "one of the two"),
        ({"over": {"value": [1]}, "workflow": "absent"}, "workflow.unknown", "absent"),
        ({"over": {"n.value": [1]}, "workflow": "counted"}, "document.invalid", "n.value"),
        ({"over": {"value": [1]}, "workflow": "counted", "targets": ["n"]}, "document.invalid", 'no output "n"'),
    ],
)
def test_what_makes_no_sense_is_refused(server: Server, asked: dict[str, Any], code: str, said: str) -> None:
    before = server.get(f"{API}/jobs").json["total"]
    answer = sweep(server, **asked)
    assert answer.code == code, answer.body
    assert said in answer.body.decode().replace('\\"', '"')
    assert server.get(f"{API}/jobs").json["total"] == before


def test_a_point_that_cannot_run_stops_all_of_them_and_is_named(server: Server) -> None:
    answer = sweep(server, document=shipped("txt2img"), over={"sample.steps": [4, -4], "seed": [1, 2]})
    (problem,) = answer.json["problems"]
    assert (problem["node"], problem["input"]) == ("sample", "steps")
    assert "where sample.steps=-4, point 3 of 4 and 1 more" in problem["message"]


def test_the_key_of_a_sweep_is_good_for_one_body(server: Server) -> None:
    first = sweep(server, key="s", over={"value": [1]})
    assert (first.status, sweep(server, key="s", over={"value": [1]}).status) == (201, 200)
    again = sweep(server, key="s", over={"value": [2]})
    assert (again.status, again.code, again.json["detail"]["id"]) == (409, "key.reused", first.json["id"])


def test_points_draw_each_for_themselves(server: Server) -> None:
    made = sweep(server, document=number({"draw": "random", "max": 2**53 - 1}), rows=[{}, {}, {}])
    drawn = [server.get(f"{API}/jobs/{point['job']}").json["drawn"]["n.value"] for point in made.json["points"]]
    assert len(set(drawn)) == 3


def test_a_long_sweep_is_read_in_parts_and_cancelled_as_a_whole(server: Server) -> None:
    id = sweep(server, over={"value": "1..250"}).json["id"]
    first = server.get(f"{API}/sweeps/{id}?limit=100").json
    second = server.get(f"{API}/sweeps/{id}?limit=200&after={first['next']}").json
    assert [point["index"] for point in first["points"] + second["points"]] == list(range(1, 251))
    assert second["next"] is None
    other = sweep(server, over={"value": [1]}).json["id"]
    cancelled = server.ask("POST", f"{API}/sweeps/{id}/cancel").json
    assert cancelled["counts"]["cancelled"] == 250
    assert server.get(f"{API}/sweeps/{other}").json["counts"]["cancelled"] == 0


def test_sweeps_are_listed_from_the_latest_on(server: Server) -> None:
    ids = [sweep(server, over={"value": [n]}).json["id"] for n in range(3)]
    page = server.get(f"{API}/sweeps?limit=2").json
    assert [each["id"] for each in page["sweeps"]] == ids[:0:-1]
    assert server.get(f"{API}/sweeps?limit=1&after={page['next']}").json["sweeps"][0]["id"] == ids[0]


def test_there_is_room_for_all_points_or_for_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = ServerSettings(port=0, limits=Limits(queue=5))
    with served(tmp_path_factory.mktemp("full"), settings) as small:
        assert sweep(small, over={"value": "1..3"}).status == 201
        for asked in ("1..3", "1..6"):
            answer = sweep(small, over={"value": asked})
            assert (answer.status, answer.code) == (429, "queue.full")
        assert small.get(f"{API}/jobs").json["total"] == 3
        assert len(small.get(f"{API}/sweeps").json["sweeps"]) == 1


def test_clients_see_their_own_sweeps_only(server: Server) -> None:
    ann, bob = server.make_token("ann", Role.RUN), server.make_token("bob", Role.RUN)
    id = sweep(server, over={"value": [1]}, token=ann).json["id"]
    assert server.get(f"{API}/sweeps/{id}", token=ann).status == 200
    assert server.get(f"{API}/sweeps/{id}", token=bob).code == "sweep.unknown"
    assert server.ask("POST", f"{API}/sweeps/{id}/cancel", token=bob).code == "sweep.unknown"
    assert server.get(f"{API}/sweeps", token=bob).json["sweeps"] == []
