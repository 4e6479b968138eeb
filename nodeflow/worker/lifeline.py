"""A worker's life hangs on its server's: signals for the server are not for it, and it does not outlive the server."""

import ctypes
import faulthandler
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def hang_on(server: int) -> None:
    """Makes this process end with its server, and only with it; call it in the main thread.

    Ctrl-C and a service manager's SIGTERM reach all processes of a server: the server answers them, and tells its
    workers what to do. Of a crash, the log gets the Python stack.

    Args:
        server: Process id of the server.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _leave_it_to_the_server)  # children start with the default again
    faulthandler.enable()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:  # it died before we asked
            os._exit(1)


def _leave_it_to_the_server(*_: object) -> None:
    return None
