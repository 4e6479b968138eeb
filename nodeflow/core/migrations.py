"""Old inputs of a node become today's, before anything is validated.

A pack marks one pure function per step, ``@migrates("KSampler", 1)`` from version 1 to 2. It is given the saved inputs
(literals, draws, and links as ``{"link": "node.output"}``) and returns the new ones; where outputs are renamed, or the
node is replaced by another or by several, it returns a :class:`Migrated`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nodeflow.core.json import JsonValue


@dataclass(frozen=True, slots=True)
class ExtraNode:
    """A further node that takes over a part of what an old node did.

    Attributes:
        inputs: As a document has them.
        version: The version that ``inputs`` are of; by default the current one.
        title: Shown on it.
    """

    type: str
    inputs: Mapping[str, JsonValue]
    version: int | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Migrated:
    """A node one version later.

    Where one node becomes several, names that start with a dot stand for what the document calls them later: the link
    ``.image`` comes from the output ``image`` of the migrated node itself, ``.sharpen.image`` from that of the extra
    node ``sharpen``. So ``outputs={"image": ".sharpen.image"}`` leads what was linked to the old node to the new one.

    Attributes:
        inputs: All inputs of the new version.
        outputs: Outputs that have a new name, old to new; links to them are rewritten.
        renamed: Inputs that have a new name, old to new, so that the interface follows them.
        type: The type that replaces the old one, when the id changed.
        version: The version that ``inputs`` are of; by default one more than before, or the current
            version of ``type`` when that is given.
        extra: Further nodes by what is put behind the id of the old one: ``sharpen`` for ``old_sharpen``.
    """

    inputs: Mapping[str, JsonValue]
    outputs: Mapping[str, str] = field(default_factory=dict[str, str])
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    type: str | None = None
    version: int | None = None
    extra: Mapping[str, ExtraNode] = field(default_factory=dict[str, ExtraNode])


Migration = Callable[[dict[str, JsonValue]], Mapping[str, JsonValue] | Migrated]
"""What ``Registry.migrations(type_id, version)`` returns: the step from ``version`` to the next."""
