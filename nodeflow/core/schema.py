"""The JSON Schema of a document, which is checked in as ``document.schema.json`` for editors and other languages.

``python -m nodeflow.core.schema > nodeflow/core/document.schema.json`` writes it anew.
"""

import sys
from importlib.resources import files

from nodeflow.core.canonical import document_bytes
from nodeflow.core.workflow import Document


def generated_schema() -> bytes:
    """The schema as the models describe it now."""
    schema = Document.model_json_schema()
    return document_bytes({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def shipped_schema() -> bytes:
    """The schema as it is checked in."""
    return files("nodeflow.core").joinpath("document.schema.json").read_bytes()


if __name__ == "__main__":
    sys.stdout.write(generated_schema().decode())
