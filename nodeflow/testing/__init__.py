"""For authors of packs: run nodes on plain values, and check that a pack keeps the rules that every node obeys.

Nothing here needs a server, a GPU or a model, and pytest is as good as any other runner::

    from nodeflow.testing import an_image, assert_pack, run_node

    def test_tint() -> None:
        assert run_node(tint, image=an_image(), strength=0).value.pixels.equal(an_image().pixels)

    def test_contract() -> None:
        assert_pack("mypack")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodeflow.core.errors import InvalidDocument, NodeFailed, PackFailed, UsageError
    from nodeflow.testing.examples import example
    from nodeflow.testing.findings import Finding
    from nodeflow.testing.nodecheck import check_node
    from nodeflow.testing.packcheck import assert_pack, check_pack
    from nodeflow.testing.recording import given
    from nodeflow.testing.running import GraphRun, NodeRun, SavedFile, run_graph, run_node
    from nodeflow.testing.values import a_clip, a_conditioning, a_latent, a_mask, a_model, a_vae, an_image

__all__ = [
    "Finding",
    "GraphRun",
    "InvalidDocument",
    "NodeFailed",
    "NodeRun",
    "PackFailed",
    "SavedFile",
    "UsageError",
    "a_clip",
    "a_conditioning",
    "a_latent",
    "a_mask",
    "a_model",
    "a_vae",
    "an_image",
    "assert_pack",
    "check_node",
    "check_pack",
    "example",
    "given",
    "run_graph",
    "run_node",
]

_MODULES = {
    "nodeflow.core.errors": ("InvalidDocument", "NodeFailed", "PackFailed", "UsageError"),
    "nodeflow.testing.examples": ("example",),
    "nodeflow.testing.findings": ("Finding",),
    "nodeflow.testing.nodecheck": ("check_node",),
    "nodeflow.testing.packcheck": ("assert_pack", "check_pack"),
    "nodeflow.testing.recording": ("given",),
    "nodeflow.testing.running": ("GraphRun", "NodeRun", "SavedFile", "run_graph", "run_node"),
    "nodeflow.testing.values": (
        "a_clip",
        "a_conditioning",
        "a_latent",
        "a_mask",
        "a_model",
        "a_vae",
        "an_image",
    ),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
