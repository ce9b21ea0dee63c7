"""What workers report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workflow_monitor.documents.results import InvalidResult, parse_results
from workflow_monitor.domain.commands import ReportResults
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.state_machine import ResultOutcome
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import allows_worker
from workflow_monitor.server.representations import JSON, json_text


class Results(Handler):
    """Results of workers, applied in order; each has its own outcome."""

    _track_activity = False

    @allows_worker
    async def post(self) -> None:
        results = await self.read_body(lambda body: parse_results(body, self.backend.limits.documents))
        valid = [result for result in results if isinstance(result, Result)]
        outcomes: list[ResultOutcome] = await self.submit(ReportResults(valid)) if valid else []
        self.write_text(await self.backend.run(_answers, results, outcomes), JSON)


def _answers(results: list[Result | InvalidResult], outcomes: list[ResultOutcome]) -> str:
    answers = list(_in_order(results, iter(outcomes)))
    applied = sum(answer["outcome"] == "applied" for answer in answers)
    return json_text({"applied": applied, "results": answers})


def _in_order(
    results: Iterable[Result | InvalidResult], outcomes: Iterator[ResultOutcome]
) -> Iterator[dict[str, object]]:
    for result in results:
        if isinstance(result, InvalidResult):
            yield _answer(result.type, result.id, "refused", None, result.reason)
        else:
            done = next(outcomes)
            yield _answer(done.kind, done.id, done.code, done.status, done.reason)


def _answer(kind: str | None, number: int | None, outcome: str, status: str | None, reason: str) -> dict[str, object]:
    return {"type": kind, "id": number, "outcome": outcome, "status": status, "reason": reason}
