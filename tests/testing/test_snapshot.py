"""A change that saved documents would notice asks for a version and a migration; any other does not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nodeflow.core.manifest import dump_manifest
from nodeflow.core.packs import Manifest, MigrationSpec
from nodeflow.core.spec import Input, Output, Range, Spec, Widget
from nodeflow.core.types import Type
from nodeflow.testing.findings import Finding
from nodeflow.testing.snapshot import snapshot_findings

INT, TEXT = Type("int"), Type("str")
BLUR = Spec(
    "soft.Blur",
    version=2,
    inputs=(
        Input("image", Type("Image")),
        Input("radius", INT, required=False, default=2, range=Range(ge=0, le=64, multiple_of=2)),
        Input("mode", TEXT, required=False, default="box", choices=("box", "gauss")),
        Input("file", Type("Path"), widget=Widget("model_file", folder="kernels")),
        Input("rows", Type("list", (Type("Row"),)), required=False, default=[], fields=(Input("name", TEXT),)),
    ),
    outputs=(Output("image", Type("Image")),),
    implementation="soft.blur:blur",
)


def changed(name: str, /, **fields: object) -> Spec:
    """The node with one input changed."""
    inputs = tuple(replace(item, **fields) if item.name == name else item for item in BLUR.inputs)  # type: ignore[arg-type]
    return replace(BLUR, inputs=inputs)


def without(name: str) -> Spec:
    return replace(BLUR, inputs=tuple(item for item in BLUR.inputs if item.name != name))


@pytest.fixture
def compare(tmp_path: Path) -> Callable[..., list[Finding]]:
    """Compares a pack of one node with the snapshot of ``BLUR``."""
    (tmp_path / "spec.json").write_bytes(dump_manifest(Manifest("soft", specs=(BLUR,))))

    def found(*specs: Spec, migrations: tuple[MigrationSpec, ...] = ()) -> list[Finding]:
        manifest = Manifest("soft", specs=specs, migrations=migrations)
        return list(snapshot_findings(manifest, tmp_path, lambda spec: ("blur.py", 7)))

    return found


BREAKING = [
    (without("radius"), 'the input "radius" is gone; there is image, mode, file, rows'),
    (changed("radius", name="size"), 'the input "radius" is gone; there is image, size, mode, file, rows'),
    (changed("radius", type=TEXT), 'the input "radius" changed its type from int to str'),
    (changed("radius", required=True), 'the input "radius" lost its default'),
    (changed("radius", range=Range(ge=1, le=64, multiple_of=2)), 'the input "radius" allows less than before: ≥ 1'),
    (changed("radius", range=Range(ge=0, lt=64)), 'the input "radius" allows less than before: ≥ 0, < 64'),
    (changed("radius", range=Range(ge=0, le=64, multiple_of=4)), 'the input "radius" allows less than before'),
    (changed("mode", range=Range(min_length=4)), 'the input "mode" allows less than before: another length or form'),
    (changed("mode", choices=("gauss",)), 'the input "mode" lost the choices "box"'),
    (changed("radius", choices=(2, 4)), 'the input "radius" became a choice'),
    (changed("file", widget=Widget("model_file", folder="other")), 'the input "file" looks for its files in other'),
    (changed("rows", fields=()), 'the input "rows.name" is gone'),
    (replace(BLUR, inputs=(*BLUR.inputs, Input("new", INT))), 'the input "new" is new and has no default'),
    (replace(BLUR, outputs=()), 'the output "image" is gone; there is none'),
    (replace(BLUR, outputs=(Output("image", Type("Mask")),)), 'the type of the output "image" changed from Image to'),
]


@pytest.mark.parametrize(("spec", "words"), BREAKING, ids=[words for _, words in BREAKING])
def test_a_change_that_documents_notice_is_an_error(
    compare: Callable[..., list[Finding]], spec: Spec, words: str
) -> None:
    found = compare(spec)
    assert words in found[0].message
    assert {(finding.code, finding.node, finding.place) for finding in found} == {
        ("spec.changed", "soft.Blur", "blur.py:7")
    }
    assert 'raise version to 3 and add @migrates("soft.Blur", 2)' in found[0].way_out
    assert "--write-spec" in found[0].way_out


@pytest.mark.parametrize(("spec", "words"), BREAKING, ids=[words for _, words in BREAKING])
def test_with_a_version_and_a_migration_it_is_none(
    compare: Callable[..., list[Finding]], spec: Spec, words: str
) -> None:
    found = compare(replace(spec, version=3), migrations=(MigrationSpec("soft.Blur", 2, "soft.blur:old"),))
    assert {finding.code for finding in found} == {"snapshot.old"}


@pytest.mark.parametrize(
    "spec",
    [
        replace(BLUR, inputs=(*BLUR.inputs, Input("new", INT, required=False, default=1))),
        replace(BLUR, outputs=(*BLUR.outputs, Output("mask", Type("Mask")))),
        changed("radius", default=4),
        changed("radius", range=Range(ge=0, le=128)),
        changed("mode", choices=("box", "gauss", "median")),
        changed("file", required=False),
        replace(BLUR, help="Better words.", title="Blur"),
    ],
    ids=["new input with a default", "new output", "default", "wider", "new choice", "now optional", "words"],
)
def test_a_change_that_no_document_notices_is_a_note(compare: Callable[..., list[Finding]], spec: Spec) -> None:
    (found,) = compare(spec)
    assert (found.code, found.severity) == ("snapshot.old", "note")


def test_no_change_is_no_finding(compare: Callable[..., list[Finding]]) -> None:
    assert compare(BLUR) == []


def test_a_node_that_is_gone_needs_a_migration_to_what_replaces_it(compare: Callable[..., list[Finding]]) -> None:
    (found,) = compare()
    assert (found.code, found.message) == ("spec.changed", "the node is gone")
    assert [item.code for item in compare(migrations=(MigrationSpec("soft.Blur", 2, "soft:old"),))] == ["snapshot.old"]


def test_every_version_in_between_needs_a_migration_and_none_goes_back(
    compare: Callable[..., list[Finding]],
) -> None:
    found = compare(replace(BLUR, version=4), migrations=(MigrationSpec("soft.Blur", 2, "soft:old"),))
    assert [(item.code, item.message) for item in found] == [("spec.migration", "there is no way from version 3 to 4")]
    (found,) = compare(replace(BLUR, version=1))
    assert "went back from 2 to 1" in found.message


@pytest.mark.parametrize("text", ["{", '{"nodes": 1}'])
def test_a_snapshot_that_cannot_be_read_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "spec.json").write_text(text)
    (found,) = snapshot_findings(Manifest("soft"), tmp_path, lambda spec: ("", 0))
    assert found.code == "snapshot.missing"
    assert "cannot be read" in found.message


def test_the_way_out_names_the_pack_as_it_was_asked_for(tmp_path: Path) -> None:
    (found,) = snapshot_findings(Manifest("soft"), tmp_path, lambda spec: ("", 0), "my pack")
    assert found.way_out == "run `nodeflow pack check 'my pack' --write-spec` and check the file in"
