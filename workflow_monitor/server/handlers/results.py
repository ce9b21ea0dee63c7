"""Results of workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workflow_monitor.documents.jobs import OutcomeDocument, OutcomesDocument
from workflow_monitor.documents.media_types import JSON
from workflow_monitor.documents.results import InvalidResult, parse_results
from workflow_monitor.domain.commands import ReportResults
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.state_machine import ResultOutcome
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import allows_worker
from workflow_monitor.server.serialization import json_text


class Results(Handler):
    """Apply results in order; each has its own outcome."""

    _track_activity = False

    @allows_worker
    async def post(self) -> None:
        results = await self.read_body(lambda body: parse_results(body, self.backend.limits.documents))
        valid = [result for result in results if isinstance(result, Result)]
        outcomes: list[ResultOutcome] = await self.submit(ReportResults(valid)) if valid else []
        self.write_text(await self.backend.run(_outcomes, results, outcomes), JSON)


def _outcomes(results: list[Result | InvalidResult], outcomes: list[ResultOutcome]) -> str:
    documents = list(_in_order(results, iter(outcomes)))
    return json_text(OutcomesDocument(sum(document.outcome == "applied" for document in documents), documents))


def _in_order(
    results: Iterable[Result | InvalidResult], outcomes: Iterator[ResultOutcome]
) -> Iterator[OutcomeDocument]:
    for result in results:
        if isinstance(result, InvalidResult):
            yield OutcomeDocument(result.type, result.id, "refused", None, result.reason)
        else:
            outcome = next(outcomes)
            yield OutcomeDocument(outcome.kind, outcome.id, outcome.code, outcome.status, outcome.reason)
