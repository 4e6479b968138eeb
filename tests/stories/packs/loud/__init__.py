"""A pack that prints to standard output whenever it can: from Python, from C, and from a program that it starts."""

import ctypes
import os

from nodeflow.api import Pack, Prompt, node

pack = Pack(name="loud", version="1.0", modules=(".",))


@node("loud.Prompt")
def prompt(text: Prompt = "") -> str:
    """Hand a text on, loudly.

    Args:
        text: The text.
    """
    print("Python says", text)
    libc = ctypes.CDLL(None)
    libc.puts(f"C says {text}".encode())  # stays in the buffer of the C library until the process ends
    os.system("echo a program says so too")
    return text
