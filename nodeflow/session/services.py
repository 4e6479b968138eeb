"""What the engine needs from outside, put together for one run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nodeflow.core.codedigest import code_digest
from nodeflow.core.packs import SettingValue
from nodeflow.core.registry import Registry
from nodeflow.core.secrets import Vault
from nodeflow.core.spec import Input, Spec
from nodeflow.core.types import Codec
from nodeflow.engine.inside import Nested
from nodeflow.engine.runtime import Expansion, Guard, ResolvedFile, SavedFile
from nodeflow.session.environment import Environment
from nodeflow.session.expansion import Expanders
from nodeflow.session.files import FileDigests
from nodeflow.session.memory import is_out_of_memory, release_memory
from nodeflow.session.record import Recorder
from nodeflow.storage.home import Home
from nodeflow.storage.outputs import Outputs


@dataclass(frozen=True, slots=True)
class RunServices:
    """Implements ``nodeflow.engine.runtime.Services``.

    Attributes:
        vault: Of the session, because what it keeps in memory may hold secrets that an earlier run was given.
        watched: Nodes that change an input are found out.
    """

    registry: Registry
    environment_of_run: Environment
    files: FileDigests
    outputs: Outputs
    recorder: Recorder
    home: Home
    expanders: Expanders
    vault: Vault
    watched: bool = False

    def guard(self) -> Guard | None:
        """How to find out that a node changed one of its inputs."""
        if not self.watched:
            return None
        from nodeflow.session.guarding import watch

        return watch

    def setting(self, spec: Spec, name: str) -> SettingValue:
        """A setting of the pack that a node belongs to."""
        return self.registry.setting(spec.pack, name)

    def implementation(self, spec: Spec) -> Callable[..., object]:
        """The function that computes ``spec``."""
        return self.registry.implementation(spec)

    def resolve_file(self, input: Input, value: str) -> ResolvedFile:
        """The file that a literal names."""
        return self.files.resolve(input, value)

    def fingerprint(self, kind: str) -> str:
        """Changes with the name and the content of every model file of one kind."""
        return self.files.fingerprint(kind)

    def code_digest(self, spec: Spec) -> str:
        """Digest of the code that computes ``spec``."""
        return code_digest(self.registry, spec, self.home.root)

    def environment(self, device: str, dtype: str) -> str:
        """What of the machine changes results."""
        return self.environment_of_run.key

    def expand(self, spec: Spec, values: Mapping[str, object], linked: Nested) -> Expansion:
        """Let an expander record its graph."""
        return self.expanders.expand(spec, values, linked)

    def codec(self, type_name: str) -> Codec | None:
        """How values of a socket type are kept on disk."""
        return self.registry.codec(type_name)

    def extensions(self, table: str) -> Mapping[str, object]:
        """What packs have added to an open table."""
        return self.registry.extensions(table)

    def choices(self, table: str) -> Sequence[str]:
        """The names in an open table."""
        return self.registry.choices(table)

    def save(self, prefix: str, suffix: str, data: bytes | Iterable[bytes]) -> SavedFile:
        """Write a file into the output folder, unless the very same one is there already."""
        path, unchanged = self.outputs.save(prefix, suffix, data)
        return SavedFile(str(path), unchanged)

    def provenance(self, node_id: str, item: tuple[int, int] | None) -> Mapping[str, str]:
        """Text chunks to embed into a file."""
        return self.recorder.chunks(node_id, item)

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether memory was exhausted."""
        return is_out_of_memory(error)

    def release_memory(self) -> None:
        """Give back what allocators hold."""
        release_memory()
