"""The registry: what packs bring together, what several of them claim, and the code behind it on demand."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import pytest

from nodeflow.api import Encoded, Field, InputError, Lazy, ModelFile, Pack, Row, Socket, later, migrates, node
from nodeflow.core.errors import PackFailed
from nodeflow.core.packs import BUILT_IN, Manifest, MigrationSpec, SocketSpec
from nodeflow.core.registry import Registry
from nodeflow.core.rules import Known
from nodeflow.core.signature import read_spec
from nodeflow.core.spec import Spec

Make = Callable[..., Pack]


class Tile:
    """A value type of a pack."""


class Mode(Enum):
    FAST = "fast"
    GOOD = "good"


class Place(Row):
    file: str
    strength: float = 1.0
    mode: Mode = Mode.FAST
    others: Sequence[Path] = ()


@node("shop.Add")
def add(a: int, b: int = 1) -> int:
    return a + b


@add.check
def small(a: int, b: int = 0) -> None:
    if a + b > 10:
        raise InputError("a", "is too large")


@migrates("shop.Add", 0)
def old_add(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"a": inputs["x"]}


@pytest.fixture
def make_pack() -> Iterator[Make]:
    """Makes an importable package out of functions and values."""
    made: list[str] = []
    moved: list[tuple[Any, str]] = []

    def make(name: str, *contents: Any, **about: Any) -> Pack:
        module = ModuleType(name)
        for item in contents:
            if hasattr(item, "__qualname__"):
                moved.append((item, item.__module__))
                item.__module__ = name
            vars(module)[getattr(item, "__name__", type(item).__name__)] = item
        sys.modules[name] = module
        made.append(name)
        return Pack(name, "1.0", **about)

    yield make
    for item, module in moved:
        item.__module__ = module
    for name in made:
        del sys.modules[name]


def numbered(id: str) -> Any:
    @node(id)
    def number() -> int:
        return 1

    return number


def test_a_registry_knows_only_what_was_added_to_it() -> None:
    registry = Registry()
    assert (dict(registry.specs), dict(registry.packs), registry.problems) == ({}, {}, ())
    with pytest.raises(KeyError):
        registry.spec("shop.Add")


def test_a_pack_brings_its_nodes_and_says_who_it_is(make_pack: Make) -> None:
    registry = Registry()
    registry.add(make_pack("shop", numbered("shop.One"), requires=("other>=1",)))
    registry.add(Manifest("other", "1.0"))
    spec = registry.spec("shop.One")
    pack = registry.pack_of(spec)
    assert pack is not None
    assert (pack.name, pack.version, pack.requires, spec.pack) == ("shop", "1.0", ("other>=1",), "shop")
    assert registry.implementation(spec)() == 1
    assert registry.problems == ()


def test_a_function_with_two_names_is_one_node(make_pack: Make) -> None:
    one = numbered("shop.One")
    pack = make_pack("shop", one)
    vars(sys.modules["shop"])["alias"] = one
    registry = Registry()
    registry.add(pack)
    assert registry.spec("shop.One").implementation == "shop:number"
    assert registry.problems == ()


def test_what_a_module_imports_from_others_is_not_its_own(make_pack: Make) -> None:
    pack = make_pack("shop", numbered("shop.One"))
    vars(sys.modules["shop"])["foreign"] = add
    registry = Registry()
    registry.add(pack)
    assert list(registry.specs) == ["shop.One"]


def test_a_node_that_cannot_be_read_is_missing_alone(make_pack: Make) -> None:
    @node("shop.Bad")
    def bad(value) -> None:  # type: ignore[no-untyped-def]
        ...

    registry = Registry()
    registry.add(make_pack("shop", numbered("shop.One"), bad))
    assert list(registry.specs) == ["shop.One"]
    (problem,) = registry.problems
    assert problem.pack == "shop"
    assert problem.reason.endswith("bad(value): has no type; so there is no node shop.Bad")
    assert registry.missing("shop.Bad") == str(problem)
    assert registry.missing("shop.Ba") is None
    assert registry.missing("other.Node") is None


def test_the_place_of_a_pack_is_looked_up_or_told(make_pack: Make, tmp_path: Path) -> None:
    registry = Registry()
    registry.add(make_pack("shop"), root=tmp_path)
    registry.add(Manifest("json", package="json.decoder"))
    assert registry.roots["shop"] == tmp_path
    assert registry.roots["json"].name == "json"


@pytest.mark.parametrize("id", ["shop.has space", "shop.", "shop..One", "shop.1", "a:b", ""])
def test_an_id_that_no_document_could_name_well_is_refused_with_its_place(make_pack: Make, id: str) -> None:
    registry = Registry()
    registry.add(make_pack("shop", numbered(id)))
    assert not registry.specs
    (problem,) = registry.problems
    assert problem.reason.startswith(f"{__file__}:")
    assert f"the id {id!r} is not made of names of letters, digits and _ with dots between them" in problem.reason


def test_a_missing_node_is_explained_by_its_own_fault_else_by_all_those_of_the_pack() -> None:
    registry = Registry()
    faults = ("a: unreadable; so there is no node shop.A", "b: unreadable; so there is no node shop.AB")
    registry.add(Manifest("shop", problems=(*faults, "shop.c cannot be imported", "shop.d cannot be imported")))
    assert registry.missing("shop.A") == "pack shop: a: unreadable; so there is no node shop.A"
    assert registry.missing("shop.C") == "pack shop: shop.c cannot be imported; shop.d cannot be imported"


@pytest.mark.parametrize("order", [1, -1])
def test_neither_of_two_packs_gets_an_id_that_both_claim(order: int) -> None:
    registry = Registry()
    for name in ("first", "second")[::order]:
        registry.add(Manifest(name, specs=(Spec("third.Blur"), Spec(f"{name}.Own"))))
    assert sorted(registry.specs) == ["first.Own", "second.Own"]
    assert sorted(problem.pack for problem in registry.problems) == ["first", "second"]
    for problem in registry.problems:
        assert "node 'third.Blur' is claimed by" in problem.reason
        assert "'first'" in problem.reason
        assert "'second'" in problem.reason
    assert "is claimed by" in str(registry.missing("third.Blur"))


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("id", "owner"), [("first.Blur", "first"), ("KSampler", BUILT_IN)])
def test_an_id_goes_to_the_pack_whose_name_it_carries(id: str, owner: str, order: int) -> None:
    registry = Registry()
    for name in (owner, "second")[::order]:
        registry.add(Manifest(name, specs=(Spec(id, pack=name),)))
    assert registry.spec(id).pack == owner
    (problem,) = registry.problems
    assert problem.pack == "second"
    assert repr(owner) in problem.reason
    assert registry.missing("second.Other") == str(problem)


def test_a_pack_that_claims_an_id_twice_does_not_get_it() -> None:
    registry = Registry()
    registry.add(Manifest("shop", specs=(Spec("shop.One", title="a"), Spec("shop.One", title="b"))))
    assert not registry.specs
    assert [problem.pack for problem in registry.problems] == ["shop"]


def test_of_two_packs_with_one_name_the_one_in_the_package_of_that_name_stays() -> None:
    registry = Registry()
    registry.add(Manifest("shop", package="other", specs=(Spec("shop.Other"),)))
    registry.add(Manifest("shop", package="shop", specs=(Spec("shop.One"),)))
    assert list(registry.specs) == ["shop.One"]
    assert [str(item) for item in registry.problems] == [
        "pack shop: the packages other and shop both say that they are this pack"
    ]
    stranger = Registry()
    stranger.add(Manifest("shop", package="a", specs=(Spec("shop.A"),)))
    stranger.add(Manifest("shop", package="b", specs=(Spec("shop.B"),)))
    assert not stranger.specs


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_packs_with_one_name_the_files_are_those_of_the_one_that_stays(tmp_path: Path, order: int) -> None:
    registry = Registry()
    for package in ("other", "shop")[::order]:
        registry.add(Manifest("shop", package=package), root=tmp_path / package)
    assert registry.roots == {"shop": tmp_path / "shop"}


def test_problems_of_packs_and_of_the_search_for_packs_are_kept() -> None:
    registry = Registry()
    registry.add(Manifest("shop", problems=("shop.nodes cannot be imported: boom",)))
    registry.report(PackFailed("stall", "has no __init__.py"))
    assert [str(problem) for problem in registry.problems] == [
        "pack stall: has no __init__.py",
        "pack shop: shop.nodes cannot be imported: boom",
    ]


def test_a_node_made_at_run_time_is_a_spec_and_a_function() -> None:
    registry = Registry()
    spec = Spec("foreign.Node", inputs=read_spec(add).inputs, outputs=read_spec(add).outputs)
    registry.add_spec(spec, lambda a, b: a * b)
    assert registry.spec("foreign.Node") == spec
    assert registry.implementation(spec)(a=3, b=4) == 12
    assert registry.pack_of(spec) is None
    first = registry.digests["foreign.Node"]
    registry.add_spec(spec, lambda a, b: a - b)
    assert registry.implementation(spec)(a=3, b=4) == -1
    assert registry.digests["foreign.Node"] != first
    registry.add_spec(spec, lambda a, b: a + b, digest="v1")
    assert registry.digests["foreign.Node"] == "v1"


def test_a_function_is_added_once_and_anew_when_it_is_another(make_pack: Make) -> None:
    registry = Registry()
    one, again = numbered("shop.One"), numbered("shop.One")
    registry.add_node(one)
    digest = registry.digests["shop.One"]
    registry.add_node(one)
    assert registry.digests["shop.One"] == digest
    registry.add_node(again)
    assert registry.digests["shop.One"] != digest
    packed = Registry()
    packed.add(make_pack("shop", old_add, add))
    packed.add_node(add)
    assert not packed.digests


def test_a_function_typed_in_under_the_id_of_a_pack_takes_its_place(make_pack: Make) -> None:
    registry = Registry()
    registry.add(make_pack("mall", numbered("shop.Add")))
    registry.add_node(add)
    assert registry.implementation(registry.spec("shop.Add"))(a=1, b=2) == 3


class NoGraphs:
    """A document without sub-graphs."""

    def takes(self, name: str) -> Sequence[str]:
        raise KeyError(name)

    gives = takes

    def check(self, name: str, inputs: Mapping[str, Any]) -> None:
        raise KeyError(name)


def known(**literals: Any) -> Known:
    return Known(literals, literals, (), NoGraphs())


def test_rules_take_all_literals_and_pass_when_one_of_theirs_is_missing() -> None:
    registry = Registry()
    spec = registry.add_node(add)
    (rule,) = registry.checks(spec)
    rule(known(a=4, b=2, other="x"))
    rule(known(b=20))
    with pytest.raises(InputError, match="a: is too large"):
        rule(known(a=9, b=2, other="x"))
    with pytest.raises(InputError, match="a: is too large"):
        rule(known(a=11))


def test_a_node_without_rules_is_not_imported_for_them() -> None:
    registry = Registry()
    spec = Spec("shop.Gone", implementation="no_such_module:gone", pack="shop")
    registry.add(Manifest("shop", specs=(spec,)))
    assert registry.checks(spec) == ()


def test_rules_of_a_function_that_has_lost_its_mark_are_none() -> None:
    registry = Registry()
    spec = Spec("shop.Plain", checks=True)
    registry.add_spec(spec, lambda: None)
    assert registry.checks(spec) == ()


def test_code_that_cannot_be_imported_is_one_line_that_names_the_pack() -> None:
    registry = Registry()
    spec = Spec("shop.Gone", implementation="no_such_module:gone", pack="shop")
    registry.add(Manifest("shop", specs=(spec,)))
    with pytest.raises(PackFailed, match=r"pack shop: no_such_module cannot be imported: ModuleNotFound"):
        registry.implementation(spec)
    missing = Spec("shop.Missing", implementation="json:gone", pack="shop")
    with pytest.raises(PackFailed, match="pack shop: json has no gone"):
        registry.implementation(missing)


def test_migrations_are_found_by_id_and_version(make_pack: Make) -> None:
    registry = Registry()
    registry.add(make_pack("shop", old_add))
    step = registry.migration("shop.Add", 0)
    assert step is not None
    assert step({"x": 3}) == {"a": 3}
    assert registry.migration("shop.Add", 1) is None


def test_two_migrations_of_one_version_are_a_problem() -> None:
    step = MigrationSpec("shop.Add", 1, "shop:a")
    registry = Registry()
    registry.add(Manifest("shop", migrations=(step,)))
    registry.add(Manifest("other", migrations=(step,)))
    assert [problem.pack for problem in registry.problems] == ["other"]


def test_sockets_say_how_values_look_and_where_their_codec_is(make_pack: Make) -> None:
    class TileCodec:
        def encode(self, value: object) -> Encoded:
            return Encoded({"is": "a tile"}, [b"blob"])

        def decode(self, encoded: Encoded) -> object:
            return Tile()

    codec = TileCodec()
    pack = make_pack("shop", codec, sockets=(Socket(Tile, color="#123456", codec=":TileCodec"), Socket(Mode, "A mode")))
    registry = Registry()
    registry.add(pack)
    found = registry.codec("Tile")
    assert found is not None
    encoded = found.encode(Tile())
    assert (encoded.header, bytes(encoded.blobs[0])) == ({"is": "a tile"}, b"blob")
    assert type(found.decode(encoded)) is Tile
    assert registry.codec("Other") is None
    assert registry.sockets == {
        "Tile": SocketSpec("Tile", "Tile", "#123456", "shop:TileCodec"),
        "Mode": SocketSpec("Mode", "A mode", "#888888"),
    }
    assert registry.codec("Mode") is None


class HalfwayCodec:
    """Breaks in one of its many ways, as its value says."""

    def encode(self, value: str) -> Any:
        def blobs() -> Iterator[bytes]:
            yield b"first"
            raise RuntimeError("the second half is missing")

        ways: dict[str, Any] = {
            "raises": lambda: 1 / 0,
            "halfway": lambda: Encoded({}, blobs()),  # type: ignore[arg-type]
            "no json": lambda: Encoded({"a": {1, 2}}, []),  # type: ignore[dict-item]
            "no bytes": lambda: Encoded({}, ["text"]),  # type: ignore[list-item]
            "nothing": lambda: None,
            "leaves": lambda: sys.exit(4),
            "interrupts": interrupt,
        }
        return ways[value]()

    def decode(self, encoded: Encoded) -> Any:
        ways: dict[str, Any] = {
            "raises": lambda: {}["gone"],
            "leaves": lambda: sys.exit(3),
            "another": lambda: "text",
            "interrupts": interrupt,
        }
        return ways[str(encoded.header)]()


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("raises", "ZeroDivisionError: division by zero"),
        ("halfway", "RuntimeError: the second half is missing"),
        ("no json", "TypeError: Object of type set is not JSON serializable"),
        ("no bytes", "TypeError: memoryview: a bytes-like object is required"),
        ("nothing", "TypeError: encode returned NoneType instead of Encoded"),
        ("leaves", "SystemExit: 4"),
    ],
)
def test_a_codec_that_breaks_names_its_pack_and_its_type(make_pack: Make, way: str, words: str) -> None:
    registry = Registry()
    registry.add(make_pack("shop", HalfwayCodec(), sockets=(Socket(Tile, codec=":HalfwayCodec"),)))
    codec = registry.codec("Tile")
    assert codec is not None
    with pytest.raises(PackFailed) as caught:
        codec.encode(way)
    assert str(caught.value).startswith(f"pack shop: its codec for Tile failed: {words}")


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("raises", "KeyError: 'gone'"),
        ("leaves", "SystemExit: 3"),
        ("another", "TypeError: decode returned str instead of Tile"),
    ],
)
def test_a_codec_that_cannot_make_a_value_again_says_so_in_the_same_way(make_pack: Make, way: str, words: str) -> None:
    registry = Registry()
    registry.add(make_pack("shop", HalfwayCodec(), sockets=(Socket(Tile, codec=":HalfwayCodec"),)))
    codec = registry.codec("Tile")
    assert codec is not None
    with pytest.raises(PackFailed) as caught:
        codec.decode(Encoded(way, []))
    assert str(caught.value) == f"pack shop: its codec for Tile failed: {words}"


def test_an_interrupt_gets_through_a_codec(make_pack: Make) -> None:
    registry = Registry()
    registry.add(make_pack("shop", HalfwayCodec(), sockets=(Socket(Tile, codec=":HalfwayCodec"),)))
    codec = registry.codec("Tile")
    assert codec is not None
    for call in (lambda: codec.encode("interrupts"), lambda: codec.decode(Encoded("interrupts", []))):
        with pytest.raises(KeyboardInterrupt):
            call()


def test_a_codec_that_is_not_there_breaks_when_it_is_used_and_not_before(make_pack: Make) -> None:
    registry = Registry()
    registry.add(make_pack("shop", sockets=(Socket(Tile, codec=":Gone"),)))
    codec = registry.codec("Tile")
    assert codec is not None
    with pytest.raises(PackFailed, match="pack shop: shop has no Gone"):
        codec.encode(Tile())


def test_open_tables_list_names_without_importing_and_values_with() -> None:
    registry = Registry()
    registry.add(
        Manifest("shop", package="shop", extensions={"samplers": {"shop.a": "json:dumps", "shop.b": "gone:x"}})
    )
    registry.add(Manifest("stall", extensions={"samplers": {"stall.c": "stall:c"}, "other": {}}))
    assert registry.choices("samplers") == ("shop.a", "shop.b", "stall.c")
    assert registry.choices("nothing") == ()
    table = registry.extensions("samplers")
    import json

    assert table["shop.a"] is json.dumps
    assert (len(table), list(table)) == (3, ["shop.a", "shop.b", "stall.c"])
    with pytest.raises(PackFailed, match="pack gone: gone cannot be imported"):
        table["shop.b"]
    with pytest.raises(KeyError):
        table["none"]


def test_an_entry_that_two_packs_claim_is_nobodys() -> None:
    registry = Registry()
    for name in ("first", "second"):
        registry.add(Manifest(name, extensions={"samplers": {"third.a": "json:dumps"}}))
    assert registry.choices("samplers") == ()
    assert [problem.pack for problem in registry.problems] == ["first", "second"]


def test_places_with_a_leading_dot_are_relative_to_the_package(make_pack: Make) -> None:
    pack = make_pack("shop", extensions={"samplers": {"shop.a": ".samplers:a", "shop.b": "else:b"}})
    registry = Registry()
    registry.add(pack)
    assert registry.packs["shop"].extensions == {"samplers": {"shop.a": "shop.samplers:a", "shop.b": "else:b"}}


def test_texts_arrive_as_what_the_function_asks_for() -> None:
    @node("shop.Typed")
    def typed(
        file: Annotated[Path, ModelFile("x")],
        mode: Mode = Mode.FAST,
        rows: Sequence[Place] = (),
        maybe: Mode | None = None,
        count: Annotated[int, Field(ge=1)] = 1,
    ) -> Any:
        return file, mode, rows, maybe, count

    registry = Registry()
    call = registry.implementation(registry.add_node(typed))
    assert call(file="a/b", mode="good", rows=[{"file": "x"}], maybe=None, count=2) == (
        Path("a/b"),
        Mode.GOOD,
        [Place(file="x")],
        None,
        2,
    )
    assert call(Path("a"), mode=Mode.GOOD, maybe="fast")[3] is Mode.FAST


def test_items_of_a_list_arrive_as_what_the_function_asks_for() -> None:
    @node("shop.Lists")
    def lists(modes: list[Mode], deep: list[list[Path]], names: list[str], rows: list[Place] | None = None) -> Any:
        return modes, deep, names, rows

    registry = Registry()
    call = registry.implementation(registry.add_node(lists))
    assert call(modes=["good", Mode.FAST], deep=[["a"]], names=["b"], rows=[Place(file="x"), {"file": "y"}]) == (
        [Mode.GOOD, Mode.FAST],
        [[Path("a")]],
        ["b"],
        [Place(file="x"), Place(file="y")],
    )
    assert call(modes=[], deep=[], names=[], rows=None)[3] is None


def test_a_rule_sees_what_the_function_sees() -> None:
    @node("shop.Ruled")
    def ruled(mode: Mode = Mode.FAST, rows: Sequence[Place] = (), other: int = 0) -> Any: ...

    @ruled.check
    def _good_has_rows(mode: Mode, rows: Sequence[Place]) -> None:
        if mode is Mode.GOOD and all(row.strength == 0 for row in rows):
            raise InputError("rows", "are all at strength 0")

    registry = Registry()
    spec = registry.add_node(ruled)
    (rule,) = registry.checks(spec)
    rule(known(mode="good", rows=[{"file": "a", "strength": 1}], other=3))
    with pytest.raises(InputError, match="rows: are all at strength 0"):
        rule(known(mode="good", rows=[{"file": "a", "strength": 0}], other=3))
    assert registry.checks(spec) is registry.checks(spec)


def test_a_function_that_asks_for_nothing_special_is_called_as_it_is() -> None:
    @node("shop.Plain")
    async def plain(a: int, mode: Literal["x"], later_mode: Lazy[Mode]) -> Mode:
        return await later_mode

    registry = Registry()
    assert registry.implementation(registry.add_node(plain)) is plain
    assert later(Mode.FAST) is not None


def test_code_made_at_run_time_may_have_hints_that_nobody_can_read() -> None:
    def odd(value: "NoSuchName", size: tuple[int, int] = (1, 1)) -> Any:  # type: ignore[name-defined]  # noqa: F821
        return value

    def pair(value: int, size: tuple[int, int] = (1, 1)) -> Any:
        return value

    registry = Registry()
    registry.add_spec(Spec("foreign.Odd"), odd)
    registry.add_spec(Spec("foreign.Pair"), pair)
    assert registry.implementation(registry.spec("foreign.Odd")) is odd
    assert registry.implementation(registry.spec("foreign.Pair")) is pair
