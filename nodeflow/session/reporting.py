"""Runs as reports: plain data for the shell's ``--json`` and for a server's clients."""

from collections.abc import Sequence
from dataclasses import asdict

from nodeflow.core.errors import InvalidDocument, NodeFailed, NodeflowError, Problem
from nodeflow.core.exitcodes import exit_code
from nodeflow.protocol.report import (
    NodeReport,
    OutputReport,
    RunReport,
    WarningReport,
    failure_report,
    finite,
    problem_report,
)
from nodeflow.session import results
from nodeflow.session.results import Output, Result, plain


def report_of(result: Result, problems: Sequence[Problem], code: int) -> RunReport:
    """A run that was carried out, to its end or not."""
    return RunReport(
        status="cancelled" if result.cancelled else "failed" if result.failures else "ok",
        exit_code=code,
        outputs={name: _output(output) for name, output in result.items()},
        saved={node: [str(path) for path in paths] for node, paths in result.saved.items()},
        unchanged=sorted(map(str, result.unchanged)),
        shown={node: [finite(plain(value)) for value in values] for node, values in result.shown.items()},
        withheld=dict(result.withheld),
        nodes={node: _node(each) for node, each in result.nodes.items()},
        drawn=dict(result.drawn),
        warnings=[WarningReport(node=node, message=message) for node, message in result.warnings],
        failures=[failure_report(failure) for failure in result.failures],
        problems=[problem_report(problem) for problem in problems],
    )


def report_of_error(error: NodeflowError) -> RunReport:
    """A run that could not be carried out."""
    problems = error.problems if isinstance(error, InvalidDocument) else ()
    return RunReport(
        status="invalid" if problems else "failed",
        exit_code=exit_code(error),
        error=str(error),
        failures=[failure_report(error)] if isinstance(error, NodeFailed) else [],
        problems=[problem_report(problem) for problem in problems],
    )


def _output(output: Output) -> OutputReport:
    return OutputReport(type=output.type, value=finite(output.json()), paths=[str(path) for path in output.paths])


def _node(node: results.NodeReport) -> NodeReport:
    return NodeReport.model_validate({**asdict(node), "seconds": round(node.seconds, 6)})
