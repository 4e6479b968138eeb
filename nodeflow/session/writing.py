"""Files for results that no node of the document saves."""

from nodeflow.diffusion.files import Provenance, files_of

__all__ = ["Provenance", "files_of"]
