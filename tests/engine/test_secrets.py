"""Secrets in a run: values at the call and nowhere else, masked in everything that is told."""

from pathlib import Path
from typing import Any

import pytest

from nodeflow.core.errors import InputError, NodeflowError, Retry
from nodeflow.core.secrets import MASK, SecretFault, Vault
from nodeflow.core.spec import Form, Input, Kind, Scope, Widget
from nodeflow.core.types import Type
from nodeflow.engine.events import Waiting
from nodeflow.engine.runtime import Expansion
from nodeflow.storage.results import DiskResults
from tests.engine.conftest import Bench, Sheet
from tests.engine.test_expansion import Recorder

VALUE = "hunter-22"


class Drawer:
    def read(self, name: str) -> str:
        if name != "KEY":
            raise SecretFault(f"{name} is not there", "put it there")
        return VALUE


@pytest.fixture
def safe(bench: Bench) -> Bench:
    bench.vault = Vault(Drawer())
    return bench


def asking(bench: Bench, function: Any, key: Any = "KEY", **options: Any) -> Any:
    drawing = bench.draw()
    drawing.output("answer", drawing.add("ask", bench.node(function, id="Ask", secrets=("key",), **options), key=key))
    return drawing


def test_a_node_is_given_the_value_and_its_key_is_that_of_the_name(safe: Bench, tmp_path: Path) -> None:
    disk = DiskResults(tmp_path, 1 << 20)
    drawing = asking(safe, lambda key: len(key))
    assert VALUE.encode() not in drawing.nodes[0].record
    with safe.engine(disk=disk) as engine:
        assert safe.run(drawing, engine).values == {("ask", "out"): len(VALUE)}
        safe.run(drawing, engine)
        assert safe.counts() == {"Ask": 1}
    assert not any(VALUE.encode() in record for records in disk.recorded() for record in records.values())


def test_an_async_node_and_each_item_of_a_mapped_one_get_it_too(safe: Bench) -> None:
    async def ask(key: str, value: int = 0) -> str:
        return f"{value} {len(key)}"

    drawing = asking(safe, ask)
    node = safe.node(ask, id="Ask", secrets=("key",))
    many = drawing.add("many", safe.node(lambda: [1, 2], id="Many"))
    drawing.output("each", drawing.add("each", node, depth=1, depths={"value": 1}, key="KEY", value=many))
    assert safe.run(drawing).values == {("ask", "out"): "0 9", ("each", "out"): ["1 9", "2 9"]}


def test_rows_and_links_name_secrets_as_well_and_an_empty_name_is_none(safe: Bench) -> None:
    field = Input("key", Type("str"), widget=Widget("secret"))
    stack = safe.node(lambda rows: [row["key"] for row in rows], id="Stack", fields={"rows": (field,)})
    drawing = safe.draw()
    name = drawing.add("name", safe.node(lambda: "KEY", id="Name"))
    drawing.output("stack", drawing.add("stack", stack, rows=[{"key": "KEY"}, {"key": name}, {"key": ""}]))
    assert safe.run(drawing).values == {("stack", "out"): [VALUE, VALUE, ""]}


def test_an_input_that_is_left_out_or_null_stays_so(safe: Bench) -> None:
    drawing = safe.draw()
    drawing.output("out", drawing.add("ask", safe.node(lambda key=None: key, id="Ask", secrets=("key",))))
    assert safe.run(drawing).values == {("ask", "out"): None}


def test_an_expander_hands_the_name_on(safe: Bench) -> None:
    ask = safe.node(lambda key: len(key), id="Ask", secrets=("key",))
    seen: list[Any] = []

    def expand(values: Any, linked: Any) -> Expansion:
        seen.append(dict(values))
        recorder = Recorder(safe, linked)
        return recorder.result(out=recorder.drawing.add("ask", ask, key=values["key"]))

    safe.expansions["Loop"] = expand
    drawing = safe.draw()
    loop = safe.node(lambda key: None, id="Loop", form=Form.EXPANDER, secrets=("key",))
    drawing.output("out", drawing.add("loop", loop, key="KEY"))
    assert safe.run(drawing).values == {("loop", "out"): len(VALUE)}
    assert seen == [{"key": "KEY"}]


def test_a_secret_that_is_missing_is_the_users_mistake_at_its_input(safe: Bench) -> None:
    (failure,) = safe.run(asking(safe, lambda key: key, key="NONE")).failures
    assert str(failure) == 'Ask "ask" · key: NONE is not there → put it there'
    assert failure.traceback is None
    (failure,) = safe.run(asking(safe, lambda key: key, key="hunter 22")).failures
    assert "hunter" not in str(failure)
    assert safe.counts() == {}


def told(bench: Bench, function: Any, **options: Any) -> str:
    """Everything that a run of a node which uses a secret tells anybody, as one text."""
    result, events = bench.listen(asking(bench, function), **options)
    failures = [(str(failure), failure.message, failure.traceback) for failure in result.failures]
    return repr((failures, result.warnings, result.shown, events))


def raising(error: Any) -> Any:
    def ask(key: str) -> str:
        raise error(key)

    return ask


def test_no_failure_tells_it(safe: Bench) -> None:
    def nested(key: str) -> str:
        try:
            raise KeyError(key)
        except KeyError:
            raise RuntimeError(f"https://x.org/?key={key}") from ValueError(key)

    for ask in (
        raising(ValueError),
        raising(NodeflowError),
        raising(lambda key: InputError("key", f"{key} is refused")),
        nested,
    ):
        text = told(safe, ask)
        assert MASK in text
        assert VALUE not in text


def test_no_warning_no_shown_value_and_no_reason_to_wait_tells_it(safe: Bench) -> None:
    tries: list[int] = []

    def ask(key: str, run: Any) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise Retry(0, f"{key} is used too often")
        run.warn(f"used {key}")
        run.show([key, {"key": key}])
        run.show(len(key))
        return 1

    text = told(safe, ask)
    assert text.count(MASK) == 7
    assert VALUE not in text
    assert Waiting.__name__ in text


def test_a_strict_run_and_a_listener_that_raises_do_not_tell_it_either(safe: Bench) -> None:
    def ask(key: str, run: Any) -> int:
        run.warn(f"used {key}")
        return 1

    assert VALUE not in told(safe, ask, strict=True)

    def listener(event: Any) -> None:
        raise ValueError(VALUE)

    result = safe.run(asking(safe, lambda key: key), on_event=listener)
    safe.vault.read("KEY")
    assert [warning.message for warning in safe.run(asking(safe, ask), on_event=listener).warnings] == [
        f"the listener raised ValueError: {MASK}",
        f"used {MASK}",
    ]
    assert result.values == {("ask", "out"): VALUE}


def test_what_a_node_returns_is_the_nodes_business_but_it_never_reaches_the_disk(safe: Bench, tmp_path: Path) -> None:
    drawing = asking(safe, lambda key: f"token {key}", kind=Kind.EXTERNAL, scope=Scope.HOME, age=60)
    disk = DiskResults(tmp_path, 1 << 20)
    with safe.engine(disk=disk) as engine:
        result = safe.run(drawing, engine)
        assert result.values == {("ask", "out"): f"token {VALUE}"}
    assert [warning.message for warning in result.warnings] == [
        "Ask: its result holds a secret, so it is not kept on disk"
    ]
    assert not any(VALUE.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_value_with_a_codec_is_looked_into(safe: Bench, tmp_path: Path) -> None:
    drawing = asking(safe, lambda key: Sheet(key.encode()), kind=Kind.EXTERNAL, scope=Scope.HOME, age=60)
    with safe.engine(disk=DiskResults(tmp_path, 1 << 20)) as engine:
        (warning,) = safe.run(drawing, engine).warnings
    assert "holds a secret" in warning.message


def test_a_result_without_the_secret_is_kept_on_disk(safe: Bench, tmp_path: Path) -> None:
    drawing = asking(safe, lambda key: len(key), kind=Kind.EXTERNAL, scope=Scope.HOME, age=60)
    for _ in range(2):
        with safe.engine(disk=DiskResults(tmp_path, 1 << 20)) as engine:
            assert not safe.run(drawing, engine).warnings
    assert safe.counts() == {"Ask": 1}


def test_a_complaint_that_names_the_secret_as_its_input_does_not_tell_it(safe: Bench) -> None:
    def ask(key: str) -> str:
        raise InputError(key, f"{key} is refused")

    (failure,) = safe.run(asking(safe, ask)).failures
    assert (failure.input, failure.message) == (None, f"{MASK}: {MASK} is refused")
    assert VALUE not in str(failure)


@pytest.mark.parametrize("place", ["rows[{}]", "rows.{}"])
def test_a_complaint_about_a_place_inside_an_input_is_masked_too(safe: Bench, place: str) -> None:
    def ask(key: str, rows: Any = None) -> str:
        raise InputError(place.format(key), "is refused")

    (failure,) = safe.run(asking(safe, ask)).failures
    assert failure.input == place.format(MASK)


@pytest.mark.parametrize(("prefix", "suffix"), [("cats/{}", "txt"), ("cats", "{}")])
def test_no_file_is_named_after_a_secret(safe: Bench, prefix: str, suffix: str) -> None:
    def save(key: str, run: Any) -> None:
        run.save("cats", "txt", b"")
        run.save(prefix.format(key), suffix.format(key), b"")

    (failure,) = safe.run(asking(safe, save, kind=Kind.EFFECT)).failures
    assert "the name of a file would show a secret" in failure.message
    assert failure.traceback is None
    assert VALUE not in str(failure)
    assert [prefix for prefix, _, _ in safe.written] == ["cats"]
