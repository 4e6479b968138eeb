"""More than a thousand names that try to leave their folder, on any system and through any layer of decoding."""

from itertools import product

_UPWARDS = (
    "../",
    "..\\",
    "..//",
    "....//",
    "..;/",
    ".%2e/",
    "%2e%2e%2f",
    "%2e%2e/",
    "..%2f",
    "..%5c",
    "%252e%252e%252f",
    "%c0%ae%c0%ae/",
    "%uff0e%uff0e%u2215",
    "．．／",
    "‥/",
    "..∕",
    "./../",
    "x/../../",
    "..\0/",
    "..\t/",
    ".. /",
)
_TARGETS = (
    "outside/secret.png",
    "outside/secret.safetensors",
    "etc/passwd",
    "server.token",
    "secrets/key",
    "server.db",
)
_DEPTHS = (1, 2, 6)
_STARTS = (
    "/",
    "//",
    "///",
    "\\",
    "\\\\",
    "\\\\?\\",
    "\\\\localhost\\c$\\",
    "//localhost/c$/",
    "C:\\",
    "C:/",
    "c:",
    "file:///",
    "file:",
    "http://127.0.0.1/",
    "~/",
    "~root/",
    "$HOME/",
    "${HOME}/",
    "%HOME%/",
    "%USERPROFILE%\\",
    "/proc/self/cwd/",
    "/proc/self/root/",
    "/dev/fd/",
    "link/",
    "link/../",
    "./",
    ".",
    "-",
    "\0",
    "|",
    "`id`",
    "$(id)",
    ";",
)
_ENDS = (
    "",
    "\0.png",
    "%00.png",
    "?.png",
    "#.png",
    "/",
    "/.",
    "/..",
    ".",
    " ",
    ":stream",
    "::$DATA",
    "\r\nX: y",
    "%0d%0aX:%20y",
)
_ODD = (
    "",
    ".",
    "..",
    "...",
    "/",
    "//",
    "\\",
    "~",
    "*",
    "?",
    "**/*",
    "\0",
    "\n",
    "\x7f",
    "\u202e",
    "\ufeff",
    "\u0000",
    "con",
    "CON.png",
    "nul.png",
    "LPT1",
    "COM1.png",
    "aux.safetensors",
    "a" * 300,
    "a/" * 300,
    "../" * 300,
    "é" * 130,
    "a.png/b",
    "link",
    "link.png",
    "link/secret.png",
    ".hidden",
    ".nodeflow-names",
    "server.token",
    "secret.png [output]",
    "secret.png [input]",
    "../secret.png [output]",
)


def corpus():
    """The names, each once."""
    upwards = (up * depth + target for up, depth, target in product(_UPWARDS, _DEPTHS, _TARGETS))
    starts = (start + target for start, target in product(_STARTS, _TARGETS))
    ends = ("../../" + target + end for target, end in product(_TARGETS, _ENDS))
    twice = (start + "../../" + target for start, target in product(_STARTS, _TARGETS))
    ended = (target + end for target, end in product(_TARGETS, _ENDS))
    inside = ("photos/" + up * 3 + target + end for up, target, end in product(_UPWARDS[:9], _TARGETS, _ENDS[:3]))
    names = tuple(dict.fromkeys((*upwards, *starts, *ends, *twice, *ended, *inside, *_ODD)))
    assert len(names) >= 1000
    return names
