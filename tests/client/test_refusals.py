"""What a server refuses, as exceptions that end the shell as the same fault without a server does."""

import pytest

from nodeflow.client.errors import Refused, RefusedDocument, Unavailable, Unreachable, refused
from nodeflow.core.errors import InvalidDocument, MissingFile, Problem, UsageError
from nodeflow.core.exitcodes import exit_code
from nodeflow.protocol.errors import STATUS, ErrorBody
from nodeflow.protocol.report import problem_report

PROBLEM = Problem("number.range", "too large", node="a", input="steps", found="7", hint="try 5")
LOST = Problem("file.missing", "there is no such file in checkpoints", node="a", input="file")
PACK = Problem("pack.failed", "it does not import", node="a")


@pytest.mark.parametrize("code", STATUS)
def test_every_code_has_an_error_that_shows_it(code: str) -> None:
    error = refused(STATUS[code], ErrorBody(code=code, message="no", hint="do this"))
    assert error.code == code
    assert "no" in str(error)
    assert "do this" in str(error) or "`nodeflow " in str(error)
    assert code in str(error)
    assert exit_code(error) in (2, 3, 4, 8)


def test_a_document_that_cannot_run_is_the_same_error_as_without_a_server() -> None:
    body = ErrorBody(code="document.invalid", message="1 problem", problems=(problem_report(PROBLEM),))
    error = refused(422, body)
    assert isinstance(error, InvalidDocument)
    assert isinstance(error, RefusedDocument)
    assert error.problems == (PROBLEM,)
    assert str(error) == str(InvalidDocument([PROBLEM]))
    assert exit_code(error) == 3
    packs = refused(422, ErrorBody(code="document.invalid", message="", problems=(problem_report(PACK),)))
    assert exit_code(packs) == 7


def test_a_missing_model_is_a_missing_file() -> None:
    error = refused(422, ErrorBody(code="document.missing-file", message="", problems=(problem_report(LOST),)))
    assert isinstance(error, MissingFile)
    assert exit_code(error) == 4


def test_what_may_go_later_is_told_from_what_never_will() -> None:
    later = refused(429, ErrorBody(code="queue.full", message="full"), 5.0)
    assert isinstance(later, Unavailable)
    assert later.retry_after == 5.0
    never = refused(404, ErrorBody(code="job.unknown", message="there is no such job"))
    assert isinstance(never, Refused)
    assert isinstance(never, UsageError)
    assert issubclass(Unreachable, Unavailable)


def test_who_has_no_token_is_told_where_to_put_one() -> None:
    for code in ("auth.missing", "auth.refused"):
        assert "$NODEFLOW_TOKEN" in str(refused(401, ErrorBody(code=code, message="no")))
