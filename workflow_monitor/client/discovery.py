"""Discovery of the workflow server of this kernel or script, and of its token."""

from __future__ import annotations

from collections.abc import Callable

from workflow_monitor.client.api import ROOT_ANSWER, Api
from workflow_monitor.client.error_mapping import error_from_response
from workflow_monitor.client.errors import MonitorError, ServerError, ServerNotFound
from workflow_monitor.client.geocube import GeocubeApi
from workflow_monitor.client.hints import hint
from workflow_monitor.client.http import Response, Transport
from workflow_monitor.connection.addresses import candidate_roots
from workflow_monitor.connection.environment import HUB_PREFIX, PARENT, TOKEN, URL, Candidate, Environment
from workflow_monitor.connection.secret import Secret

#: opens a transport to a URL with a token
Connect = Callable[[str, Secret | None], Transport]


def find(connect: Connect, env: Environment) -> Api:
    """Return the interface of the server of this process. Raises ServerNotFound with the candidates tried."""
    looked_at: list[str] = []
    for candidate in env.candidates():
        found = _try(connect, candidate, looked_at)
        if found is not None:
            return found
        if candidate.reason.endswith(URL):
            # An explicit setting has no fallback: another server would show other data.
            raise ServerNotFound(f"The workflow server in {URL} does not respond. {_setting()}", looked_at)
    looked_at += [f"{URL}: not set"] if URL not in env.environment else []
    if not looked_at[:-1]:
        looked_at.append(f"no kernel of a Jupyter server of this machine ({PARENT}), no JupyterHub ({HUB_PREFIX})")
    working = [
        (candidate, api) for candidate in env.others() if (api := _try(connect, candidate, looked_at)) is not None
    ]
    looked_at += env.untrusted
    if len(working) == 1:
        return working[0][1]
    if working:
        lines = [f"{hint('chosen server', url=candidate.url)}  # {candidate.reason}" for candidate, _ in working]
        raise ServerNotFound("Several workflow servers run here. Choose one:", lines)
    if not env.running:
        looked_at.append(f"no Jupyter server of yours runs on this machine ({env.runtime})")
    raise ServerNotFound(f"No workflow server was found. {_setting()} Tried:", looked_at)


#: marks the response of a workflow server without a store
_WITHOUT_STORE = b'"code":"store-unavailable"'


def _setting() -> str:
    return f"Name it: {hint('server')}, or set {URL} and {TOKEN}."


def _try(connect: Connect, candidate: Candidate, looked_at: list[str]) -> Api | None:
    reason = ""
    try:
        return open_api(connect, candidate.url, candidate.token)
    except ServerError as error:
        if error.code == "store-unavailable":
            # The server exists, and its message names the remedy.
            raise
        reason = str(error).split("\n", 1)[0]
    except MonitorError as error:
        reason = str(error).split("\n", 1)[0]
    looked_at.append(f"{candidate.url}, {candidate.reason}: {reason}")
    return None


def open_api(connect: Connect, url: str, token: Secret | None) -> Api:
    """Return the interface of the server at a URL: the base URL of Jupyter, or the root of a bare workflow server."""
    answers: list[tuple[str, Response]] = []
    refused: MonitorError | None = None
    for root in candidate_roots(url):
        connection = connect(root, token)
        try:
            answer = connection.get("", accept="text/plain")
            if _WITHOUT_STORE in answer.body:
                connection.checked(answer, "")
        except MonitorError as error:
            refused = error
        else:
            if answer.is_success and answer.text.strip() == ROOT_ANSWER:
                return _kind_of(connection)
            answers.append((root, answer))
        connection.close()
        if refused is not None:
            break
    if refused is not None:
        raise refused
    raise _none_there(url, answers, token.hide if token else str)


def _kind_of(connection: Transport) -> Api:
    """Return the interface of the server type: only this project's server has openapi.json."""
    answer = connection.get("openapi.json")
    if answer.is_success and answer.body.lstrip().startswith(b"{") and b'"openapi"' in answer.body:
        return Api(connection)
    api = GeocubeApi(connection)
    # The root needs no token; this read checks it.
    api.aois()
    return api


def _none_there(url: str, answers: list[tuple[str, Response]], hide: Callable[[str], str]) -> MonitorError:
    tried = [f"{root} answered {answer.status}" for root, answer in answers]
    if denied := [(root, answer) for root, answer in answers if answer.status in (401, 403)]:
        root, answer = denied[0]
        return error_from_response(
            answer.status, answer.media_type, answer.body, root, is_page=answer.is_page, hide=hide
        )
    jupyter = any("/login" in answer.text or "jupyter" in answer.text.lower() for _, answer in answers)
    if jupyter:
        return ServerNotFound(
            f"{url} is a Jupyter server, but without the workflow monitor. Install it where that server runs: "
            "pip install workflow-monitor; then restart the server.",
            tried,
        )
    return ServerNotFound(f"There is no workflow server at {url}. {_setting()}", tried)
