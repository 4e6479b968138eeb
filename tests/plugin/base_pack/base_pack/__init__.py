"""A pack that other packs build on."""

from nodeflow.api import Pack

pack = Pack(
    name="base_pack",
    version="1.4.0",
    modules=(".nodes",),
    # A table of its own, which other packs add to; whoever asks for it with ``Open`` sees all entries.
    extensions={"base_pack.colours": {"base_pack.black": ".colours:BLACK", "base_pack.white": ".colours:WHITE"}},
)
