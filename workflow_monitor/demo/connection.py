"""Asynchronous REST client of the demo.

The client's Transport does not fit: it blocks, raises after a few retries, and sends a write once. The simulated
workers are coroutines that outlive restarts of the server and repeat their writes.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Self

import httpx

from workflow_monitor.client.errors import RequestRejected
from workflow_monitor.client.http import RETRYABLE_STATUSES
from workflow_monitor.demo.rng import chance
from workflow_monitor.documents.headers import ACTOR_HEADER

log = logging.getLogger(__name__)

LONGEST_PAUSE = 2.0


class Connection:
    """Connection to `{url}workflow-monitor/`, an asynchronous context manager."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{url.rstrip('/')}/workflow-monitor/",
            headers={"Authorization": f"token {token}", ACTOR_HEADER: "demo"},
            timeout=60,
            limits=httpx.Limits(max_connections=8),
            # Proxies of the environment do not apply to loopback.
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def once(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Send one request and return the response of any status. Raises httpx.TransportError."""
        return await self._http.request(method, path, json=body)

    async def call(self, method: str, path: str, body: object = None) -> object:
        """Return the decoded JSON of a response, None for an empty body or text; retry while the server is down.

        A request may arrive twice, which is safe: results carry their attempt, and an unused lease expires.
        Raises RequestRejected.
        """
        failures = 0
        while True:
            try:
                answer = await self.once(method, path, body)
            except httpx.TransportError as error:
                reason = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code not in RETRYABLE_STATUSES:
                    return _decoded(answer)
                reason = detail_of(answer)
            if failures == 0:
                log.warning("server_unavailable reason=%r action=retry", reason)
            failures += 1
            pause = min(LONGEST_PAUSE, 0.1 * 2 ** min(failures, 10))
            await asyncio.sleep(pause * chance(id(self), path, failures).uniform(0.5, 1.0))


def detail_of(answer: httpx.Response) -> str:
    """Return the detail of an error response, in one line."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        return str(problem.get("detail") or problem.get("message") or problem.get("title") or problem)
    return answer.text.strip()[:200] or answer.reason_phrase


def _decoded(answer: httpx.Response) -> object:
    if answer.is_error:
        raise RequestRejected(f"{answer.status_code}: {detail_of(answer)}", status=answer.status_code)
    if not answer.content or "json" not in answer.headers.get("content-type", ""):
        return None
    decoded: object = answer.json()
    return decoded
