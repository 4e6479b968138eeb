"""A pack that adds one of everything that a pack can add."""

from complete_pack.palette import Palette
from nodeflow.api import ModelKind, Pack, Setting, Socket

pack = Pack(
    name="complete",
    version="2.1.0",
    requires=("base_pack>=1.2,<2",),
    # Nodes, converters and migrations are found in these modules; each fails on its own.
    modules=(".nodes", ".files"),
    # A value type: how the editor draws it, and how it is kept on disk.
    sockets=(Socket(Palette, "Palette", "#c2185b", codec=".palette:codec"),),
    extensions={
        "samplers": {"complete.heun": ".sampling:heun"},
        "schedulers": {"complete.exponential": ".sampling:exponential"},
        "draws": {"complete.dice": ".draws:DiceDraw"},
        "base_pack.colours": {"complete.gold": ".palette:GOLD"},
    },
    # Files in models/colour/ below any folder of models, such as the one inside this package.
    kinds=(ModelKind("palettes", (".gpl",), folder="colour", help="Palettes as drawing programs save them."),),
    settings=(
        Setting("stripe", 16, help="Width of a stripe in pixels."),
        Setting("rounds", 8, help="How often the colours of a palette are moved to where they belong."),
    ),
)
