"""What a bypassed node hands on: for each output, the input whose value takes its place."""

from nodeflow.core.spec import Input, Spec
from nodeflow.core.types import Type, fits


def passes_through(spec: Spec, output: str) -> Input | None:
    """The input that stands in for an output: the first of the very same type, else the first whose type fits.

    An input that may be left empty counts by what it takes when it is not. None when no input fits.
    """
    wanted = next((item.type for item in spec.outputs if item.name == output), None)
    if wanted is None:
        return None
    same = (item for item in spec.inputs if _filled(item.type) == wanted)
    fitting = (item for item in spec.inputs if fits(_filled(item.type), wanted, {}))
    return next(same, None) or next(fitting, None)


def _filled(type_: Type) -> Type:
    return type_.args[0] if type_.name == "optional" else type_
