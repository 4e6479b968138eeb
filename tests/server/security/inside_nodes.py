"""Run as a process: gives hostile strings to every string input of every built-in node, and notes what is touched.

``python tests/server/security/inside_nodes.py checking|running HOME STEP``
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from nodeflow.core.errors import NodeflowError
from nodeflow.session.workplace import Workplace
from tests.server.security.traversal import corpus

RUNS = {
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "pickle.find_class",
}
"""What no document may bring about at all."""
WATCHED = {
    "open",
    "os.listdir",
    "os.scandir",
    "os.mkdir",
    "os.rename",
    "os.link",
    "os.symlink",
    "os.remove",
    "os.truncate",
}
HOME = Path(sys.argv[2]).resolve()
ALLOWED = tuple(
    str(place)
    for place in (
        HOME / "models",
        HOME / "input",
        HOME / "output",
        HOME / "uploads",
        HOME / "cache",
        HOME / "draws",
        HOME / "packs",
        HOME / "secrets" / "nobody",
        Path(__file__).parents[3],
        Path(sys.prefix),
        Path(sys.base_prefix),
        "/dev/null",
        f"/proc/{os.getpid()}/statm",
        f"/proc/{os.getpid()}/smaps_rollup",
        "/proc/meminfo",
        "/sys",
        "/usr/lib",
    )
)
STEP = int(sys.argv[3])
"""1 gives every string to every input, which takes minutes."""
OWN = {str(HOME), str(HOME / "config.toml")}
"""What nodeflow looks at by itself, whatever a document says."""


class Watch:
    """Notes what is touched outside of the folders that a document may reach."""

    def __init__(self):
        self.on = False
        self.left = []

    def __call__(self, event, arguments):
        if self.on and event in RUNS:
            self.left.append((event, repr(arguments)[:200]))
        if not self.on or event not in WATCHED:
            return
        for path in arguments[:2] if event in ("os.rename", "os.link", "os.symlink") else arguments[:1]:
            if isinstance(path, str | bytes | os.PathLike):
                self.on = False
                real = os.path.realpath(os.fsdecode(path))
                self.on = True
                if not real.startswith(ALLOWED) and real not in OWN:
                    self.left.append((event, real))


def text_inputs(place):
    """Node, input, name of the field of a row, and whether it names a file."""
    for spec in place.registry.specs.values():
        for given in spec.inputs:
            for owner, field in [(given, None), *((given, each) for each in given.fields or ())]:
                own = owner if field is None else field
                if str(own.type) in ("str", "Path", "Text", "Optional[str]"):
                    kind = own.widget.kind if own.widget else None
                    names = str(own.type) == "Path" or own.name in ("filename_prefix", "pattern")
                    yield spec, given, field, names or (kind == "text" and bool(own.widget.folder))


def documents(place, strings):
    """For each input a document with a node for each string that it is given.

    The first input of each kind that names files gets them all, the others of it some, together all of them again.
    """
    seen = set()
    for number, (spec, given, field, names) in enumerate(text_inputs(place)):
        own = given if field is None else field
        kind = (own.widget.kind if own.widget else own.name) if names else None
        step = STEP if names and kind in seen else 40 if not names and STEP > 1 else 1
        seen.add(kind)
        chosen = strings[number % step :: step]
        nodes = {}
        for number, text in enumerate(chosen):
            value = text if field is None else [{field.name: text}]
            nodes[f"n{number}"] = {"type": spec.id, "version": spec.version, "inputs": {given.name: value}}
            if given.widget is not None and given.widget.kind == "text" and given.widget.folder:
                nodes[f"m{number}"] = {
                    "type": spec.id,
                    "version": spec.version,
                    "inputs": {given.name: f"a cat, embedding:{text}"},
                }
        yield f"{spec.id}.{given.name}", {"nodeflow": 1, "nodes": nodes}


def checking(place, watch, strings):
    count = inputs = 0
    shown = []
    for _, document in documents(place, strings):
        watch.on = True
        problems = place.check(document)
        watch.on = False
        shown += [str(problem) for problem in problems[:200]]
        count += len(document["nodes"])
        inputs += 1
    return count, inputs, shown


def running(place, watch, strings):
    """Nodes that write and read by a name are run; a name that is refused is a problem of the document or the node."""
    import nodeflow

    source = {"type": "EmptyImage", "version": 1, "inputs": {"width": 1, "height": 1}}
    latent = {"type": "EmptyLatent", "version": 1, "inputs": {"width": 16, "height": 16}}
    writers = {
        "SaveText": {"text": "words"},
        "SaveAny": {"value": 1},
        "SaveImage": {"images": {"link": "source.image"}},
        "SaveLatent": {"latent": {"link": "latent.latent"}},
        "SaveAnimatedPNG": {"images": {"link": "source.image"}},
        "SaveAnimatedWEBP": {"images": {"link": "source.image"}},
    }
    readers = {"LoadImage": "image", "LoadImageOutput": "image", "LoadLatent": "latent", "LoadImageFolder": "folder"}
    given = [(type, inputs, "filename_prefix") for type, inputs in writers.items()]
    given += [(type, {}, name) for type, name in readers.items()]
    count = 0
    shown = []
    with nodeflow.Session(HOME, output_dir=HOME / "output") as session:
        warm = _node(place, "SaveImage", {**writers["SaveImage"], "filename_prefix": "warm"})
        session.run({"nodeflow": 1, "nodes": {"source": source, "warm": warm}})
        for type, inputs, name in given:
            nodes = {
                f"n{number}": _node(place, type, {**inputs, name: text}) for number, text in enumerate(strings[::STEP])
            }
            count += len(nodes)
            watch.on = True
            shown += _run(session, {"source": source, "latent": latent} | nodes)
            watch.on = False
    return count, len(given), shown


def _run(session, nodes):
    """What checking refuses is taken out, and the rest is run."""
    problems = session.check({"nodeflow": 1, "nodes": nodes})
    refused = {problem.node for problem in problems if problem.severity == "error"}
    left = {id: node for id, node in nodes.items() if id not in refused}
    shown = [str(problem) for problem in problems]
    try:
        session.run({"nodeflow": 1, "nodes": left})
    except NodeflowError as error:
        shown += [str(error), *getattr(error, "__notes__", ())]
    return shown


def _node(place, type, inputs):
    return {"type": type, "version": place.registry.specs[type].version, "inputs": inputs}


def main():
    watch = Watch()
    sys.addaudithook(watch)
    place = Workplace.at(HOME, output_dir=HOME / "output")
    strings = corpus()
    place.check({"nodeflow": 1, "nodes": {"a": _node(place, "LoadImage", {"image": "x.png"})}})
    count, inputs, shown = {"checking": checking, "running": running}[sys.argv[1]](place, watch, strings)
    print(json.dumps({"left": sorted(set(watch.left)), "strings": count, "inputs": inputs, "shown": shown}))


main()
