"""The Jupyter extension: where everything is put together."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Bool, Dict, Float, Int, TraitError, Unicode, default

from workflow_monitor.connection.environment import Environment
from workflow_monitor.connection.errors import MonitorError
from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.domain.limits import DEFAULTS
from workflow_monitor.domain.limits import Limits as DocumentLimits
from workflow_monitor.engine.command_processor import CommandProcessor, ReadOnlyProcessor
from workflow_monitor.engine.event_publisher import EventPublisher
from workflow_monitor.engine.feed import Feed
from workflow_monitor.engine.queries import Queries
from workflow_monitor.queues.interfaces import Configurable, HasService, QueueService, Submit
from workflow_monitor.server.backend import Backend
from workflow_monitor.server.docs_page import docs_page
from workflow_monitor.server.engine_manager import Engine
from workflow_monitor.server.handlers.base import NAMESPACE
from workflow_monitor.server.handlers.meta import NotFound
from workflow_monitor.server.limits import ServerLimits
from workflow_monitor.server.openapi import openapi
from workflow_monitor.server.peer import address
from workflow_monitor.server.representations import json_text
from workflow_monitor.server.routes import ROUTES
from workflow_monitor.server.upstream import Upstream, from_address
from workflow_monitor.server.worker_token import WorkerTokenAuth, validate_token
from workflow_monitor.store import open_store
from workflow_monitor.store.interfaces import Store

QUEUE_GROUP = "workflow_monitor.queues"
#: Kernels find the server of their Jupyter by this; there is no token in it.
URL_VARIABLE = "WORKFLOW_MONITOR_URL"
WORKER_TOKEN_VARIABLE = "WORKFLOW_MONITOR_WORKER_TOKEN"  # noqa: S105 - the name of it
UPSTREAM_VARIABLE = "WORKFLOW_MONITOR_UPSTREAM"
UPSTREAM_TOKEN_VARIABLE = "WORKFLOW_MONITOR_UPSTREAM_TOKEN"  # noqa: S105 - the name of a variable
MEBIBYTE = 2**20


class WorkflowMonitor(ExtensionApp):
    """The workflow server inside Jupyter."""

    name = "workflow_monitor"
    extension_url = f"/{NAMESPACE}/docs"
    load_other_extensions = True

    store_url = Unicode(
        "",
        help="Where the state is kept: `duckdb:///absolute/path`, `duckdb:///:memory:`, `postgresql://user@host/database`. "
        "By default workflow_monitor/workflow.duckdb in Jupyter's data directory.",
    ).tag(config=True)
    read_only = Bool(
        False, help="Only look, and change nothing: for the database of an ingester that another server works over."
    ).tag(config=True)
    upstream = Unicode(
        "",
        help="The address of the workflow server that answers in place of this one, which then keeps nothing itself. "
        f"{UPSTREAM_VARIABLE} sets it where neither this nor store_url is configured.",
    ).tag(config=True)
    upstream_token = Unicode(
        "",
        help=f"The token for that server; better by {UPSTREAM_TOKEN_VARIABLE}, as others can see a command line.",
    ).tag(config=True)
    queue = Unicode("lease", help="How jobs reach workers: the name of an installed queue.").tag(config=True)
    queue_options = Dict(help="What the queue has to know, by name; each queue says which.").tag(config=True)
    reader_threads = Int(4, min=1, max=64, help="How many requests read from the store at once.").tag(config=True)
    max_body_mib = Int(8, min=1, help="The largest body of a request, in MiB.").tag(config=True)
    max_ingest_mib = Int(256, min=1, help="The largest body with which scenes are added, in MiB.").tag(config=True)
    max_json_depth = Int(
        DEFAULTS.max_json_depth, min=8, max=200, help="How deep objects and lists may be nested in JSON."
    ).tag(config=True)
    max_json_values = Int(DEFAULTS.max_json_values, min=1, help="How many values a JSON text may have.").tag(
        config=True
    )
    max_name_length = Int(
        DEFAULTS.max_name_length, min=1, help="How many characters the name of an AOI, a scene or a tile may have."
    ).tag(config=True)
    max_positions = Int(DEFAULTS.max_positions, min=4, help="How many positions a footprint may have.").tag(config=True)
    max_message_length = Int(
        DEFAULTS.max_message_length, min=1, help="How many characters of the message of a result are kept."
    ).tag(config=True)
    max_streams = Int(64, min=0, help="How many streams of events may be open at once.").tag(config=True)
    keep_alive_seconds = Float(15.0, min=0.05, help="How often a silent stream of events shows that it lives.").tag(
        config=True
    )
    slow_reader_seconds = Float(30.0, min=0.05, help="How long a stream waits for who does not read it.").tag(
        config=True
    )
    drawing_seconds = Float(20.0, min=0.1, help="How long the drawing of a graph may take.").tag(config=True)
    retry_opening_seconds = Float(5.0, min=0.0, help="How soon a store that could not be opened is tried again.").tag(
        config=True
    )
    keep_jobs_days = Float(1.0, min=0.0, help="How long jobs that were withdrawn are remembered.").tag(config=True)
    keep_events_days = Float(
        365.0, min=0.0, allow_none=True, help="How long events are remembered; None keeps all."
    ).tag(config=True)
    trim_seconds = Float(3600.0, min=0.1, help="How often it is looked for what may be forgotten.").tag(config=True)
    keep_backups = Int(7, min=1, help="How many backups are kept.").tag(config=True)
    worker_token = Unicode(
        help="A token of the workers' own, which leases jobs, renews leases and reports results, and opens nothing else; "
        f"without it they need that of Jupyter. By default the variable {WORKER_TOKEN_VARIABLE}.",
    ).tag(config=True)
    announce = Bool(True, help=f"Tell kernels the URL of the server by {URL_VARIABLE}.").tag(config=True)

    backend: Backend
    #: why there can be no upstream
    _misnamed = ""

    @default("worker_token")
    def _worker_token_default(self) -> str:
        return os.environ.get(WORKER_TOKEN_VARIABLE, "")

    def initialize_settings(self) -> None:
        """Open the store; Jupyter starts also without it."""
        workers = WorkerTokenAuth(self._checked_worker_token())
        self.backend = Backend(self._open_engine, self._limits(), self.reader_threads, workers, self._upstream())
        self.backend.open()

    def initialize_handlers(self) -> None:
        """Make the handlers from the list of routes."""
        document = openapi(ROUTES, self.settings["base_url"])
        texts = {"/openapi.json": {"document": json_text(document)}, "/docs": {"html": docs_page(document)}}
        common: dict[str, Any] = {"backend": self.backend}
        for route in ROUTES:
            arguments = common | dict(route.arguments) | texts.get(route.path, {})
            self.handlers.append((f"/{NAMESPACE}{route.pattern}", route.handler, arguments))
        self.handlers.append((f"/{NAMESPACE}/.*", NotFound, common))

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        self.backend.start_maintenance()
        if reached := address(serverapp):
            await self.backend.run(self.backend.advertise, f"{reached}{NAMESPACE}")
        if self.announce:
            os.environ[URL_VARIABLE] = f"{serverapp.connection_url.rstrip('/')}/{NAMESPACE}"

    async def stop_extension(self) -> None:
        """Finish what was begun and let others have the store."""
        if hasattr(self, "backend"):
            await self.backend.close()

    def _checked_worker_token(self) -> str:
        fault = validate_token(self.worker_token)
        if self.worker_token and self.worker_token == self.settings["identity_provider"].token:
            fault = "is the token of the Jupyter server, which opens everything; expected another"
        if fault:
            raise TraitError(f"WorkflowMonitor.worker_token {fault}.")
        return self.worker_token

    def _upstream(self) -> Upstream | None:
        """Who answers in place of this server, if anybody is to. Kernels do not inherit what the variables say."""
        told = {name: os.environ.pop(name, "") for name in (UPSTREAM_VARIABLE, UPSTREAM_TOKEN_VARIABLE)}
        address = self.upstream or ("" if self.store_url else told[UPSTREAM_VARIABLE])
        if not address:
            return None
        try:
            found = from_address(address, self.upstream_token or told[UPSTREAM_TOKEN_VARIABLE], Environment())
        except MonitorError as error:
            self._misnamed = f"{error} (upstream)"
            return None
        self.log.info("Workflow Monitor passes requests on to %s", found.url)
        return found

    def _limits(self) -> ServerLimits:
        day = 86_400
        return ServerLimits(
            max_body=self.max_body_mib * MEBIBYTE,
            max_ingest=self.max_ingest_mib * MEBIBYTE,
            documents=DocumentLimits(**{name: getattr(self, name) for name in DocumentLimits.__slots__}),
            max_streams=self.max_streams,
            keep_alive=self.keep_alive_seconds,
            slow_reader=self.slow_reader_seconds,
            drawing=self.drawing_seconds,
            retry_opening=self.retry_opening_seconds,
            trim_interval=self.trim_seconds,
            keep_jobs=self.keep_jobs_days * day,
            keep_backups=self.keep_backups,
            keep_events=None if self.keep_events_days is None else self.keep_events_days * day,
        )

    def _open_engine(self) -> Engine:
        if self._misnamed:
            raise StoreUnavailable(self._misnamed)
        store = open_store(self.store_url or _default_store(), read_only=self.read_only)
        try:
            feed = Feed()
            relay = EventPublisher(store.reader, feed)
            workflow, attendant = self._workflow(store, relay)
            store.on_foreign_commit(relay.catch_up)
        except BaseException:
            store.close()
            raise
        return Engine(store, workflow, Queries(store.reader), feed, attendant)

    def _attendant(self, make_queue: object, submit: Submit) -> QueueService | None:
        if isinstance(make_queue, HasService):
            return make_queue.start_service(submit, self.queue_options)
        if self.queue_options:
            raise StoreUnavailable(f"The queue {self.queue!r} has no options (queue_options).")
        return None

    def _workflow(
        self, store: Store, relay: EventPublisher
    ) -> tuple[CommandProcessor | ReadOnlyProcessor, QueueService | None]:
        if self.read_only:
            return ReadOnlyProcessor(), None
        make_queue = load_queue(self.queue)
        if isinstance(make_queue, Configurable):
            make_queue = make_queue.configure(self.queue_options)
        workflow = CommandProcessor(store, make_queue, on_commit=relay.committed)
        try:
            return workflow, self._attendant(make_queue, workflow.submit)
        except BaseException:
            workflow.close()
            raise


def _default_store() -> str:
    return f"duckdb:///{Path(jupyter_data_dir()) / 'workflow_monitor' / 'workflow.duckdb'}"


def load_queue(name: str) -> Any:  # noqa: ANN401 - what makes a queue comes from a plug-in
    """What makes the queue of this name. Raises StoreUnavailable if it is not installed."""
    known = entry_points(group=QUEUE_GROUP)
    if name not in known.names:
        raise StoreUnavailable(f"No queue {name!r} is installed (queue); there are {', '.join(sorted(known.names))}.")
    try:
        return known[name].load()
    except ImportError as error:
        raise StoreUnavailable(
            f"The queue {name!r} cannot be loaded: {error}. Its packages may be missing: pip install 'workflow-monitor[{name}]'."
        ) from error
