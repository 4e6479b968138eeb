"""A small pack for the tests of the shell: it is copied into ``$NODEFLOW_HOME/packs``."""

from nodeflow.api import Pack

pack = Pack("shelltest", "1.0", modules=("nodes",))
