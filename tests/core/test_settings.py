"""Settings of packs: what the user may say, and what is said back."""

from pathlib import Path
from typing import Any

import pytest

from nodeflow.core.codedigest import code_digest, pack_digest
from nodeflow.core.errors import UsageError
from nodeflow.core.packs import Manifest, Setting
from nodeflow.core.registry import Registry
from nodeflow.core.settings import Given
from nodeflow.core.spec import Spec

SPEC = Spec("shop.One", pack="shop")
DECLARED = (Setting("strength", 0.5), Setting("count", 3), Setting("name", "x"), Setting("loud", False))


def registry_of(*more: Manifest, **given: Any) -> Registry:
    registry = Registry()
    registry.add(Manifest("shop", "1.0", settings=DECLARED, requires=("base",)))
    registry.add(Manifest("base", "1.0", settings=(Setting("depth", 1),)))
    for manifest in more:
        registry.add(manifest)
    registry.configure(Given("config.toml", given))
    return registry


def test_a_setting_is_what_the_user_says_or_its_default() -> None:
    registry = registry_of(shop={"strength": 1, "name": "y"})
    assert registry.settings("shop") == {"strength": 1.0, "count": 3, "name": "y", "loud": False}
    assert isinstance(registry.setting("shop", "strength"), float)
    assert registry.settings("nobody") == {}
    with pytest.raises(KeyError):
        registry.setting("shop", "other")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strenght": 1}, "there is no setting packs.shop.strenght; did you mean packs.shop.strength?"),
        ({"zzz": 1}, "there is no setting packs.shop.zzz; known: packs.shop.strength, packs.shop.count"),
        ({"strength": "much"}, 'packs.shop.strength must be a number, found "much"'),
        ({"strength": True}, "packs.shop.strength must be a number, found true"),
        ({"strength": float("nan")}, "packs.shop.strength must be a number, found float nan"),
        ({"count": 1.5}, "packs.shop.count must be a whole number, found 1.5"),
        ({"name": 1}, "packs.shop.name must be a text, found 1"),
        ({"loud": 1}, "packs.shop.loud must be true or false, found 1"),
        ({"count": {"a": 1}}, "packs.shop.count must be a whole number"),
    ],
)
def test_a_wrong_setting_is_one_error_with_the_way_out(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        registry_of(shop=given)
    assert str(caught.value).startswith(f"config.toml: {message}")


def test_a_pack_without_settings_takes_none() -> None:
    with pytest.raises(UsageError, match=r"there is no setting packs.plain.a; known: none"):
        registry_of(Manifest("plain", "1.0"), plain={"a": 1})


def test_the_section_of_a_pack_that_is_not_installed_is_only_told() -> None:
    registry = Registry()
    registry.add(Manifest("shop", "1.0", settings=DECLARED))
    lines = registry.configure(Given("config.toml", {"shpo": {"x": 1}, "other": {}}))
    assert lines == (
        "config.toml: [packs.shpo] is for a pack that is not installed; did you mean packs.shop?",
        "config.toml: [packs.other] is for a pack that is not installed",
    )


def test_the_settings_of_a_pack_that_cannot_be_imported_are_left_alone() -> None:
    registry = Registry()
    registry.add(Manifest("shop", problems=("shop cannot be imported: boom",)))
    assert registry.configure(Given("config.toml", {"shop": {"strength": 1}})) == ()
    assert registry.settings("shop") == {}


def test_a_setting_of_the_pack_or_of_what_it_requires_changes_the_digest_of_its_nodes(tmp_path: Path) -> None:
    digests = {
        code_digest(registry_of(**given), SPEC, tmp_path)
        for given in ({}, {"shop": {"count": 4}}, {"base": {"depth": 2}}, {"shop": {"count": 3}})
    }
    assert len(digests) == 3
    plain = {pack_digest(registry_of(**given), "shop", tmp_path) for given in ({}, {"shop": {"count": 4}})}
    assert len(plain) == 1
