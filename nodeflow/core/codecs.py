"""A pack's codec, guarded: whatever goes wrong in it is one line that names the pack and the type."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from nodeflow.core.errors import PackFailed
from nodeflow.core.raised import told
from nodeflow.core.types import Codec, Encoded


@dataclass(frozen=True, slots=True)
class PackCodec:
    """Implements ``Codec`` with the codec of a pack.

    Attributes:
        type: Name of the socket type.
        load: Imports the codec.
    """

    type: str
    pack: str
    load: Callable[[], Codec]

    def encode(self, value: Any, /) -> Encoded:
        """The value as bytes, all of them there already; raises PackFailed when the codec does not keep its word."""
        codec = self.load()
        try:
            encoded = cast(object, codec.encode(value))
            if not isinstance(encoded, Encoded):
                raise TypeError(f"encode returned {type(encoded).__name__} instead of Encoded")
            json.dumps(encoded.header)
            blobs = tuple(memoryview(blob).cast("B") for blob in encoded.blobs)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also one that would end the process
            raise self._failed(error) from error
        return Encoded(encoded.header, blobs)

    def decode(self, encoded: Encoded, /) -> Any:
        """The value that ``encode`` was given; raises PackFailed when the codec cannot make it again."""
        codec = self.load()
        try:
            value = cast(object, codec.decode(encoded))
            if type(value).__name__ != self.type:
                raise TypeError(f"decode returned {type(value).__name__} instead of {self.type}")
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also one that would end the process
            raise self._failed(error) from error
        return value

    def _failed(self, error: BaseException) -> PackFailed:
        return PackFailed(self.pack, f"its codec for {self.type} failed: {told(error)}")
