"""A pack's codec, guarded: whatever goes wrong in it is one line that names the pack and the type."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from nodeflow.core.errors import PackFailed
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
        except Exception as error:
            reason = f"its codec for {self.type} failed: {type(error).__name__}: {error}"
            raise PackFailed(self.pack, reason) from error
        return Encoded(encoded.header, blobs)

    def decode(self, encoded: Encoded, /) -> Any:
        """The value that ``encode`` was given; raises ValueError when the codec cannot make it again."""
        try:
            return self.load().decode(encoded)
        except Exception as error:
            raise ValueError(f"the codec for {self.type} of pack {self.pack} failed: {error}") from error
