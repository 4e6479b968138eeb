"""A pack whose nodes end a worker in every way there is: it is copied into ``$NODEFLOW_HOME/packs``."""

from nodeflow.api import Pack

pack = Pack("trouble", "1.0", modules=("nodes",))
