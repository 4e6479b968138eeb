"""The packs of a home, with what its owner has set for them."""

import sys

from nodeflow.core.manifest import load_registry, renewed
from nodeflow.core.registry import Registry
from nodeflow.core.settings import Given
from nodeflow.storage.home import Config, Home


def installed_packs(home: Home, config: Config, before: Registry | None = None) -> Registry:
    """The packs that are there now; what takes long, and settings that nobody asks for, are told on standard error.

    Args:
        before: What this gave earlier; the very same is returned when no pack has changed since.

    Raises:
        UsageError: ``config.toml`` has a setting that a pack does not know, or a value of the wrong type.
    """
    registry = load_registry(home.root, tell=_say) if before is None else renewed(before, home.root, tell=_say)
    for line in registry.configure(Given(str(home.config), config.packs)):
        if registry is not before:
            _say(f"warning: {line}")
    return registry


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
