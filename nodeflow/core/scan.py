"""What a pack contains, found by importing it."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

from nodeflow.core.converters import converter_fault
from nodeflow.core.declarations import kinds_of, settings_of
from nodeflow.core.errors import PackFailed
from nodeflow.core.foreign import import_module
from nodeflow.core.node import migration_mark, node_mark
from nodeflow.core.packs import Manifest, MigrationSpec, Pack, SocketSpec
from nodeflow.core.signature import read_spec
from nodeflow.core.tables import without
from nodeflow.core.types import Socket
from nodeflow.core.whereabouts import whereabouts


def scan(pack: Pack) -> Manifest:
    """Import the modules of a pack into this process and list what they hold; a module that fails is a problem."""
    manifest = described(pack)
    for _, found in scan_modules(pack):
        manifest = joined(manifest, found)
    return manifest


def scan_modules(
    pack: Pack, *, skip: Collection[str] = (), begin: Callable[[str], object] = str
) -> Iterator[tuple[str, Manifest]]:
    """Import module after module, the pack's own first, and give the part of the manifest that each adds.

    Args:
        skip: Modules that are not to be imported.
        begin: Called with the name of a module before it is imported.
    """
    for name in dict.fromkeys(("", *(module.removeprefix(".") for module in pack.modules))):
        if name in skip:
            continue
        begin(name)
        try:
            module = import_module(pack.name, f"{pack.import_name}.{name}" if name else pack.import_name)
        except PackFailed as error:
            yield name, Manifest(pack.name, problems=(error.reason,))
        else:
            yield name, _contents(module, pack.name)


def described(pack: Pack) -> Manifest:
    """What a pack says about itself, as a manifest without nodes."""
    package = pack.import_name
    problems: list[str] = []
    return Manifest(
        name=pack.name,
        version=pack.version,
        package=package,
        requires=tuple(pack.requires),
        sockets=tuple(_socket(item, package) for item in pack.sockets),
        extensions={
            table: {name: _absolute(place, package) for name, place in entries.items()}
            for table, entries in pack.extensions.items()
        },
        kinds=kinds_of(pack, problems),
        settings=settings_of(pack, problems),
        problems=tuple(problems),
    )


def joined(manifest: Manifest, found: Manifest) -> Manifest:
    """A manifest with what one module of the pack adds to it."""
    return replace(
        manifest,
        specs=manifest.specs + found.specs,
        migrations=manifest.migrations + found.migrations,
        imports=tuple(sorted({*manifest.imports, *found.imports})),
        problems=manifest.problems + found.problems,
    )


def _contents(module: ModuleType, pack: str) -> Manifest:
    """The nodes and migrations that a module defines itself; what it imports from others is theirs."""
    own = {
        id(value): (name, value)
        for name, value in reversed(vars(module).items())
        if getattr(value, "__module__", None) == module.__name__
    }
    manifest = Manifest(pack)
    for name, value in reversed(own.values()):
        place = f"{module.__name__}:{name}"
        if (marked := node_mark(value)) is not None:
            manifest = joined(manifest, _node(value, pack, place, marked.id))
        if (mark := migration_mark(value)) is not None:
            manifest = joined(manifest, Manifest(pack, migrations=(MigrationSpec(mark.id, mark.version, place),)))
    return manifest


def _node(fn: Callable[..., Any], pack: str, place: str, id: str) -> Manifest:
    try:
        spec = replace(read_spec(fn, pack=pack), implementation=place)
    except PackFailed as error:
        return Manifest(pack, problems=(f"{error.reason}{without(id)}",))
    if not all(map(str.isidentifier, id.removeprefix(f"{pack}.").split("."))):
        fault = f"the id {id!r} is not made of names of letters, digits and _ with dots between them"
        return Manifest(pack, problems=(f"{whereabouts(fn)}: {fault}{without(id)}",))
    if spec.converts and (fault := converter_fault(spec)):
        return Manifest(pack, problems=(f"{place}: {fault}{without(id)}",))
    return Manifest(pack, specs=(spec,))


def _socket(socket: Socket[Any], package: str) -> SocketSpec:
    name = socket.type.__name__
    return SocketSpec(name, socket.title or name, socket.color, socket.codec and _absolute(socket.codec, package))


def _absolute(place: str, package: str) -> str:
    return f"{package}{place}" if place.startswith((".", ":")) else place


def import_pack(package: str) -> Pack:
    """The ``pack`` of a package, with the package it was found under; raises PackFailed when there is none."""
    name = package.partition(".")[0]
    pack = getattr(import_module(name, package), "pack", None)
    if not isinstance(pack, Pack):
        raise PackFailed(name, f"{package} has no `pack = Pack(...)`")
    return replace(pack, package=package)
