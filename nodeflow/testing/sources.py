"""The sources of a pack, read without importing them: where things are, and calls that no pack should make."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from nodeflow.core.discovery import files_of
from nodeflow.testing.findings import Finding

Place = tuple[str, int]
NOWHERE: Final[Place] = ("", 0)


@dataclass(frozen=True)
class Sources:
    """The modules of one package.

    Attributes:
        package: Import name of the top-level package.
        root: Its folder, or its single file.
    """

    package: str
    root: Path

    @cached_property
    def trees(self) -> Mapping[Path, ast.Module]:
        """The modules that can be parsed; the others are told when they are imported."""
        found: dict[Path, ast.Module] = {}
        for file in files_of(self.root):
            if file.suffix == ".py":
                try:
                    found[file] = ast.parse(file.read_bytes(), str(file))
                except (SyntaxError, ValueError, OSError):
                    continue
        return found

    def place(self, implementation: str) -> Place:
        """Where ``module:qualname`` is defined."""
        module, _, path = implementation.partition(":")
        file = self._file(module)
        body: list[ast.stmt] = self.trees[file].body if file in self.trees else []
        line = 0
        for name in path.split("."):
            node = next((node for node in body if isinstance(node, _DEFINITIONS) and node.name == name), None)
            if node is None:
                break
            line, body = node.lineno, node.body
        return (str(file), line) if line else NOWHERE

    def importing(self, library: str) -> Place:
        """The first line that imports ``library`` as soon as its module is imported."""
        for file, tree in self.trees.items():
            for node in _at_once(tree.body):
                if library in _imported(node):
                    return str(file), node.lineno
        return NOWHERE

    def calls(self) -> Iterator[Finding]:
        """Calls that run text or files as code, or call a shell."""
        for file, tree in self.trees.items():
            names = _names(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.Call):
                    yield from _judged(node, names, str(file))

    def _file(self, module: str) -> Path:
        parts = module.split(".")[1:]
        if self.root.is_file() or not parts:
            return self.root / "__init__.py" if self.root.is_dir() else self.root
        file = self.root.joinpath(*parts).with_suffix(".py")
        return file if file.is_file() else self.root.joinpath(*parts, "__init__.py")


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class _Ban:
    """What is wrong with a call.

    Attributes:
        unless: A keyword and the constant it must have for the call to be harmless.
        only_with: A keyword and the constant that makes the call harmful.
    """

    code: str
    way_out: str
    unless: tuple[str, object] | None = None
    only_with: tuple[str, object] | None = None


_DYNAMIC = _Ban("code.dynamic", "parse what you expect: ast.literal_eval, a table of functions, or a parser")
_PICKLE = _Ban("code.pickle", "use safetensors for tensors and JSON for the rest; such bytes can run any code")
_SHELL = _Ban("code.shell", "use a library, or subprocess.run([...]) with a list of fixed words")
_TORCH = _Ban("code.pickle", "use safetensors, or torch.load(..., weights_only=True)", unless=("weights_only", True))
_NUMPY = _Ban("code.pickle", "leave allow_pickle out", only_with=("allow_pickle", True))
_POPEN = _Ban("code.shell", "leave shell=True out and give the words as a list", only_with=("shell", True))

_BANNED: Final[Mapping[str, _Ban]] = {
    **dict.fromkeys(("eval", "exec", "builtins.eval", "builtins.exec"), _DYNAMIC),
    **{
        f"{module}.{name}": _PICKLE
        for module in ("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "marshal", "joblib")
        for name in ("load", "loads", "Unpickler")
    },
    "pandas.read_pickle": _PICKLE,
    "shelve.open": _PICKLE,
    **dict.fromkeys(("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"), _SHELL),
    **{f"subprocess.{name}": _POPEN for name in ("run", "call", "check_call", "check_output", "Popen")},
    "torch.load": _TORCH,
    "numpy.load": _NUMPY,
}


def _judged(call: ast.Call, names: Mapping[str, str], file: str) -> Iterator[Finding]:
    path = _path(call.func, names)
    ban = _BANNED.get(path)
    if ban is None:
        return
    given = {word.arg: word.value.value for word in call.keywords if isinstance(word.value, ast.Constant)}
    if ban.unless is not None and given.get(ban.unless[0]) == ban.unless[1]:
        return
    if ban.only_with is not None and given.get(ban.only_with[0]) != ban.only_with[1]:
        return
    yield Finding(ban.code, "", f"{path} is called", ban.way_out, file, call.lineno)


def _path(node: ast.expr, names: Mapping[str, str]) -> str:
    """The dotted name that is called, as it was imported; empty for anything else."""
    match node:
        case ast.Name(id=name):
            return names.get(name, name)
        case ast.Attribute(value=value, attr=attr):
            head = _path(value, names)
            return f"{head}.{attr}" if head else ""
        case _:
            return ""


def _names(tree: ast.Module) -> Mapping[str, str]:
    """Names that imports anywhere in a module bind, and what they stand for."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({item.asname: item.name for item in node.names if item.asname})
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.update({item.asname or item.name: f"{node.module}.{item.name}" for item in node.names})
    return found


def _at_once(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported; what only type checkers see is left out."""
    for node in body:
        yield node
        match node:
            case ast.If(test=test, body=then, orelse=others):
                yield from _at_once(others if "TYPE_CHECKING" in ast.dump(test) else [*then, *others])
            case ast.Try(body=then, handlers=handlers, orelse=others, finalbody=last):
                yield from _at_once([*then, *(each for item in handlers for each in item.body), *others, *last])
            case ast.With(body=then) | ast.ClassDef(body=then) | ast.For(body=then) | ast.While(body=then):
                yield from _at_once(then)
            case _:
                continue


def _imported(node: ast.stmt) -> frozenset[str]:
    """Top-level packages that a statement imports."""
    match node:
        case ast.Import(names=names):
            return frozenset(item.name.partition(".")[0] for item in names)
        case ast.ImportFrom(module=str() as module, level=0):
            return frozenset({module.partition(".")[0]})
        case _:
            return frozenset()
