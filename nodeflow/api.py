"""Everything a node author may import, by name."""

from typing import Annotated

from pydantic import Field

from nodeflow.core import widgets
from nodeflow.core.blocked import Blocked
from nodeflow.core.draws import Draw, DrawSource
from nodeflow.core.errors import InputError, Retry
from nodeflow.core.graph import Graph
from nodeflow.core.migrations import ExtraNode, Migrated
from nodeflow.core.node import Lazy, Ref, expander, later, migrates, node
from nodeflow.core.packs import ModelKind, Pack, Setting
from nodeflow.core.rows import Row
from nodeflow.core.rules import Graphs
from nodeflow.core.run import Run, quiet
from nodeflow.core.spec import Kind, Lane, Scope
from nodeflow.core.types import Codec, Encoded, Socket
from nodeflow.core.widgets import (
    Color,
    ImageFile,
    ImageFolder,
    InputFile,
    ModelFile,
    Open,
    OutputImage,
    Secret,
    SubGraph,
    Text,
)

Seed = Annotated[int, Field(ge=0, le=2**53 - 1), widgets.Seed()]
"""What randomness is drawn from."""
Steps = Annotated[int, Field(ge=1, le=10_000)]
"""How many steps a loop makes."""
Guidance = Annotated[float, Field(ge=0, le=100)]
"""Strength of classifier-free guidance; 1 is none."""
Fraction = Annotated[float, Field(ge=0, le=1)]
"""A share between nothing and all."""
Size = Annotated[int, Field(ge=8, le=16_384, multiple_of=8)]
"""Width or height of a picture in pixels."""
BatchSize = Annotated[int, Field(ge=1, le=4_096), widgets.Batch()]
"""How many pictures are made together."""
Prompt = Annotated[str, Text(lines=4)]
"""A text of several lines that says what the picture shows."""
FilePrefix = Annotated[str, Field(min_length=1, max_length=200)]
"""What the name of a saved file starts with; may name sub-folders of the output folder."""
SamplerName = Annotated[str, Open("samplers")]
"""The name of a sampler that some pack has added."""
SchedulerName = Annotated[str, Open("schedulers")]
"""The name of a noise schedule that some pack has added."""

__all__ = [
    "BatchSize",
    "Blocked",
    "Codec",
    "Color",
    "Draw",
    "DrawSource",
    "Encoded",
    "ExtraNode",
    "Field",
    "FilePrefix",
    "Fraction",
    "Graph",
    "Graphs",
    "Guidance",
    "ImageFile",
    "ImageFolder",
    "InputError",
    "InputFile",
    "Kind",
    "Lane",
    "Lazy",
    "Migrated",
    "ModelFile",
    "ModelKind",
    "Open",
    "OutputImage",
    "Pack",
    "Prompt",
    "Ref",
    "Retry",
    "Row",
    "Run",
    "SamplerName",
    "SchedulerName",
    "Scope",
    "Secret",
    "Seed",
    "Setting",
    "Size",
    "Socket",
    "Steps",
    "SubGraph",
    "Text",
    "expander",
    "later",
    "migrates",
    "node",
    "quiet",
]
