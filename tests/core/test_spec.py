"""Specs: plain data that can be asked for its inputs and outputs by name."""

from nodeflow.core.spec import Input, Output, Spec
from nodeflow.core.types import Type

SPEC = Spec("shop.One", inputs=(Input("a", Type("int")),), outputs=(Output("image", Type("Image")),))


def test_inputs_and_outputs_are_found_by_name() -> None:
    assert SPEC.input("a") is SPEC.inputs[0]
    assert SPEC.output("image") is SPEC.outputs[0]
    assert SPEC.input("b") is SPEC.output("a") is None
    assert SPEC.input_names == {"a"}
