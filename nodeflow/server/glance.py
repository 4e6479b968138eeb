"""What is known of a job while it runs, and of which nothing is in the database yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from pydantic import JsonValue

from nodeflow.protocol.jobs import JobInfo, JobSummary
from nodeflow.protocol.report import NodeReport, WarningReport
from nodeflow.protocol.work import Occurrence

Summary = TypeVar("Summary", bound=JobSummary)


@dataclass(slots=True)
class Glance:
    """Where a job is, and what it has done so far."""

    node: str = ""
    step: int | None = None
    steps: int | None = None
    nodes: dict[str, NodeReport] = field(default_factory=dict[str, NodeReport])
    warnings: list[WarningReport] = field(default_factory=list[WarningReport])

    def note(self, event: Occurrence) -> None:
        """Takes an event in."""
        data = event.data
        match event.kind:
            case "node.started":
                self.node, self.step, self.steps = str(data["node"]), None, None
            case "node.progress":
                self.node = str(data["node"])
                self.step, self.steps = cast("int", data["step"]), cast("int | None", data["total"])
            case "node.finished":
                report: Mapping[str, JsonValue] = {name: data[name] for name in ("status", "seconds", "reason")}
                self.nodes[str(data["node"])] = NodeReport.model_validate(report)
                if self.node == data["node"]:
                    self.node, self.step, self.steps = "", None, None
            case "warning":
                self.warnings.append(WarningReport(node=str(data["node"]), message=str(data["message"])))
            case _:
                pass

    def of_summary(self, summary: Summary) -> Summary:
        """A job in a list, with where it is."""
        return summary.model_copy(update={"node": self.node, "step": self.step, "steps": self.steps})

    def of_info(self, info: JobInfo) -> JobInfo:
        """A job, with where it is and what it has done."""
        hits = sum(node.status.startswith("hit") for node in self.nodes.values())
        so_far = {"nodes": dict(self.nodes), "warnings": (*info.warnings, *self.warnings), "cache_hits": hits}
        return self.of_summary(info.model_copy(update=so_far))
