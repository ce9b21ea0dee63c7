"""The REST interface as the demo speaks it: patient while the server is away."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Self

import httpx

from workflow_monitor.demo.rng import chance

log = logging.getLogger(__name__)

AWAY = frozenset({429, 502, 503, 504})
LONGEST_PAUSE = 2.0


class Refused(Exception):
    """The server answered, and said no."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail


class Connection:
    """A connection to `{url}workflow-monitor/`; use it with `async with`."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{url.rstrip('/')}/workflow-monitor/",
            headers={"Authorization": f"token {token}", "X-Workflow-Monitor-Actor": "demo"},
            timeout=60,
            limits=httpx.Limits(max_connections=8),
            # A proxy of the environment is not for this machine's own server.
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def once(self, method: str, path: str, body: object = None) -> httpx.Response:
        """The answer to one request, whatever it is; raises httpx.TransportError when there is none."""
        return await self._http.request(method, path, json=body)

    async def call(self, method: str, path: str, body: object = None) -> object:
        """The decoded JSON answer (None if it is empty or text), asked for until the server is there.

        A request may so arrive twice: results carry their attempt, and a lease that nobody knows of runs out.
        Raises Refused when the server refuses.
        """
        failures = 0
        while True:
            try:
                answer = await self.once(method, path, body)
            except httpx.TransportError as error:
                why = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code not in AWAY:
                    return _decoded(answer)
                why = detail_of(answer)
            if failures == 0:
                log.warning("the server is away (%s); trying again", why)
            failures += 1
            pause = min(LONGEST_PAUSE, 0.1 * 2 ** min(failures, 10))
            await asyncio.sleep(pause * chance(id(self), path, failures).uniform(0.5, 1.0))


def detail_of(answer: httpx.Response) -> str:
    """What an error answer says, in one line."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        return str(problem.get("detail") or problem.get("message") or problem.get("title") or problem)
    return answer.text.strip()[:200] or answer.reason_phrase


def _decoded(answer: httpx.Response) -> object:
    if answer.is_error:
        raise Refused(answer.status_code, detail_of(answer))
    if not answer.content or "json" not in answer.headers.get("content-type", ""):
        return None
    decoded: object = answer.json()
    return decoded
