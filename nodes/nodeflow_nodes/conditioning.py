"""Nodes that turn text into what a picture should follow."""

from nodeflow.api import Prompt, node
from nodeflow.diffusion.types import Clip, Conditioning
from nodeflow_nodes.refusals import blaming


@node("CLIPTextEncode", category="conditioning", title="Text prompt")
def clip_text_encode(clip: Clip, text: Prompt) -> Conditioning:
    """Encode a text for the model to follow.

    `(word:1.2)` gives a word more weight, `(word:0.8)` less; `\\(` and `\\)` are plain brackets. A text of more than
    77 tokens is encoded in several chunks; nothing is cut off.

    Args:
        clip: The text encoder that came with the model.
        text: What to show, or, for the negative side, what to avoid; may be empty.
    """
    from nodeflow.diffusion.conditioning import encode

    with blaming("text", network="clip"):
        return encode(clip, text)
