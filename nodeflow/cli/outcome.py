"""The schema of the one JSON object that ``nodeflow run --json`` prints, checked in as ``result.schema.json``."""

import json
from pathlib import Path

from nodeflow.protocol.report import RunReport

SCHEMA = Path(__file__).with_name("result.schema.json")


def schema_text() -> str:
    """The JSON Schema of the report, as the checked-in file has it."""
    return json.dumps(RunReport.model_json_schema(mode="serialization"), indent=1) + "\n"
