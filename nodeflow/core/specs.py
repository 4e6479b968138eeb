"""What documents need to know of the nodes there are; a registry satisfies it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from nodeflow.core.draws import Draw
from nodeflow.core.migrations import Migration
from nodeflow.core.rules import Rule
from nodeflow.core.spec import Spec


class Specs(Protocol):
    """Node types by id, and the few things of them that are no plain data."""

    @property
    def specs(self) -> Mapping[str, Spec]:
        """All nodes that can be used, by type id."""
        ...

    def missing(self, id: str, /) -> str | None:
        """Why there is no node of this id although a pack should have it, as far as that is known."""
        ...

    def choices(self, table: str, /) -> Sequence[str]:
        """The names that packs have put into an open table, such as ``samplers``."""
        ...

    def checks(self, spec: Spec, /) -> Sequence[Rule]:
        """The rules over several inputs; each is called with what is known of them, and raises InputError."""
        ...

    def migration(self, id: str, version: int, /) -> Migration | None:
        """The step that takes inputs saved at ``version`` to the next, or None."""
        ...

    def draw(self, name: str, /) -> type[Draw] | None:
        """The draw of that name, built in or of a pack, or None.

        Raises:
            PackFailed: A pack has it, and it cannot be used.
        """
        ...
