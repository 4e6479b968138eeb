"""Packs that require packs: which are usable, and what is said of those that are not."""

from nodeflow.core.packs import Manifest, Setting
from nodeflow.core.registry import Registry
from nodeflow.core.requirements import read_requirement, with_required
from nodeflow.core.spec import Spec


def pack(name: str, version: str = "1.0", *requires: str, problems: tuple[str, ...] = ()) -> Manifest:
    spec = Spec(f"{name}.Node", pack=name)
    settings = (Setting("size", 1),)
    return Manifest(name, version, name, requires, (spec,), settings=settings, problems=problems)


def registry_of(*packs: Manifest) -> Registry:
    registry = Registry()
    for item in packs:
        registry.add(item)
    return registry


def reasons(registry: Registry) -> dict[str, str]:
    return {problem.pack: problem.reason for problem in registry.problems}


def test_a_requirement_that_holds_changes_nothing() -> None:
    registry = registry_of(pack("user", "1.0", "base", "other >=1.2,<2"), pack("base"), pack("other", "1.9"))
    assert sorted(registry.specs) == ["base.Node", "other.Node", "user.Node"]
    assert registry.problems == ()


def test_a_version_before_the_final_one_counts() -> None:
    assert registry_of(pack("user", "1", "base>=1.2"), pack("base", "1.3rc1")).problems == ()


def test_an_absent_pack_is_named_and_what_requires_it_has_no_nodes() -> None:
    registry = registry_of(pack("user", "1.0", "base>=1.2", problems=("user.nodes cannot be imported: …",)))
    assert reasons(registry) == {"user": "it requires base>=1.2, which is not installed; install base"}
    assert registry.specs == {}
    assert registry.missing("user.Node") == ("pack user: it requires base>=1.2, which is not installed; install base")


def test_a_misspelt_requirement_is_told_the_nearest_name() -> None:
    registry = registry_of(pack("user", "1.0", "base-pack"), pack("base_pack"))
    assert 'did you mean "base_pack"?' in reasons(registry)["user"]


def test_a_wrong_version_is_named_with_the_one_that_is_there() -> None:
    registry = registry_of(pack("user", "1.0", "base>=1.2"), pack("base", "1.1"))
    assert reasons(registry) == {
        "user": "it requires base>=1.2, but base 1.1 is installed; install another version of either"
    }
    odd = registry_of(pack("user", "1.0", "base>=1.2"), pack("base", "newest"))
    assert "but base newest is installed" in reasons(odd)["user"]


def test_a_requirement_that_cannot_be_read_is_told_so() -> None:
    for text in ("base >> 2", ">=1.2", ""):
        registry = registry_of(pack("user", "1.0", text), pack("base"))
        assert f'its requirement "{text}" cannot be read' in reasons(registry)["user"]


def test_packs_in_a_circle_are_all_unusable_and_each_is_shown_its_way() -> None:
    registry = registry_of(pack("a", "1", "b"), pack("b", "1", "x", "c"), pack("c", "1", "a"), pack("d", "1", "d"))
    found = reasons(registry)
    assert "a → b → c → a" in found["a"]
    assert "c → a → b → c" in found["c"]
    assert "d → d" in found["d"]
    assert registry.specs == {}


def test_what_requires_an_unusable_pack_is_unusable_too() -> None:
    registry = registry_of(pack("top", "1", "user"), pack("user", "1", "base"), pack("free"))
    assert list(registry.specs) == ["free.Node"]
    assert reasons(registry)["top"] == (
        "it requires user, which cannot be used: it requires base, which is not installed; install base"
    )


def test_what_requires_a_pack_that_cannot_be_imported_says_why() -> None:
    broken = Manifest("base", package="base", problems=("base cannot be imported: boom",))
    registry = registry_of(pack("user", "1", "base>=1"), broken)
    assert reasons(registry) == {
        "user": "it requires base, which cannot be used: base cannot be imported: boom",
        "base": "base cannot be imported: boom",
    }


def test_an_unusable_pack_is_still_known_with_its_version_and_settings() -> None:
    known = registry_of(pack("user", "1.5", "base")).packs["user"]
    assert (known.version, known.requires, [item.name for item in known.settings]) == ("1.5", ("base",), ["size"])


def test_requirements_are_followed_by_name_alone() -> None:
    packs = {
        item.name: item for item in (pack("top", "1", "mid>=1", "gone", "?"), pack("mid", "1", "low"), pack("low"))
    }
    assert with_required(packs, "top") == ("low", "mid", "top")
    assert with_required(packs, "nothing") == ()
    assert read_requirement(" a_b.c-d ").name == "a_b.c-d"


def test_a_pack_that_is_imported_counts_although_it_is_not_required() -> None:
    packs = {
        "top": Manifest("top", "1", "top_package", imports=("mid_package", "gone")),
        "mid": Manifest("mid", "1", "mid_package.deep", requires=("low",)),
        "low": Manifest("low", "1", "low", imports=("top_package",)),
    }
    assert with_required(packs, "top") == ("low", "mid", "top")
