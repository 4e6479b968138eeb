"""Old inputs of a node become today's, before anything is validated.

A pack marks one pure function per step, ``@migrates("KSampler", 1)`` from version 1 to 2. It is given the saved inputs
(literals, and links as ``{"link": "node.output"}``) and returns the new ones; where outputs are renamed or the node
is replaced by another, it returns a :class:`Migrated`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nodeflow.core.json import JsonValue


@dataclass(frozen=True, slots=True)
class Migrated:
    """A node one version later.

    Attributes:
        inputs: All inputs of the new version.
        outputs: Outputs that have a new name, old to new; links to them are rewritten.
        renamed: Inputs that have a new name, old to new, so that the interface follows them.
        type: The type that replaces the old one, when the id changed.
        version: The version that ``inputs`` are of; by default one more than before, or the current
            version of ``type`` when that is given.
    """

    inputs: Mapping[str, JsonValue]
    outputs: Mapping[str, str] = field(default_factory=dict[str, str])
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    type: str | None = None
    version: int | None = None


Migration = Callable[[dict[str, JsonValue]], Mapping[str, JsonValue] | Migrated]
"""What ``Registry.migrations(type_id, version)`` returns: the step from ``version`` to the next."""
