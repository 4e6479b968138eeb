"""What strangers send is taken or refused, no crash and no hang; `tests/stress/fuzz_parsers.py` is the long form."""

import random

import pytest

from tests.fuzzing.parsers import PARSERS, Parser, findings

_COUNTS = {"document": 300, "safetensors header": 3000, "picture texts": 5000}


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_changed_inputs_are_taken_or_refused(parser: Parser) -> None:
    assert list(findings(parser, iter(range(_COUNTS[parser.name])))) == []


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_some_changed_inputs_get_through_and_some_do_not(parser: Parser) -> None:
    refused = 0
    for seed in range(200):
        try:
            parser.read(parser.make(random.Random(seed)))
        except parser.refusals:
            refused += 1
    assert 10 < refused < 195
