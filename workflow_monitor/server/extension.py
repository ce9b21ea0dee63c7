"""The Jupyter extension: configuration, and assembly of store, engine, queue and handlers."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Bool, Dict, Float, Int, TraitError, Unicode, default

from workflow_monitor.connection.environment import Environment
from workflow_monitor.connection.errors import MonitorError
from workflow_monitor.connection.secret import Secret
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
from workflow_monitor.server.handlers.base import NAMESPACE, VERBS
from workflow_monitor.server.handlers.meta import NotFound
from workflow_monitor.server.limits import ServerLimits
from workflow_monitor.server.openapi import openapi
from workflow_monitor.server.peer import address
from workflow_monitor.server.private_log import protect, robust_log_function
from workflow_monitor.server.request_headers import guard_headers
from workflow_monitor.server.routes import GEOCUBE_VERBS, ROUTES
from workflow_monitor.server.serialization import json_text
from workflow_monitor.server.upstream import Upstream, from_address
from workflow_monitor.server.worker_token import WorkerTokenAuth, validate_token
from workflow_monitor.store import open_store
from workflow_monitor.store.interfaces import Store

QUEUE_GROUP = "workflow_monitor.queues"
#: URL of this server for the kernels that Jupyter starts; it contains no token
URL_VARIABLE = "WORKFLOW_MONITOR_URL"
WORKER_TOKEN_VARIABLE = "WORKFLOW_MONITOR_WORKER_TOKEN"  # noqa: S105 - the name of a variable
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
        help="URL of the store: `duckdb:///absolute/path`, `duckdb:///:memory:` or `postgresql://user@host/database`. "
        "Default: workflow_monitor/workflow.duckdb in Jupyter's data directory.",
    ).tag(config=True)
    read_only = Bool(
        False, help="Reject all changes. Use it for the database of an ingestion that another server runs."
    ).tag(config=True)
    upstream = Unicode(
        "",
        help="Address of a workflow server to forward all requests to; this server then opens no store. "
        f"Default, unless store_url is set: the environment variable {UPSTREAM_VARIABLE}.",
    ).tag(config=True)
    upstream_token = Unicode(
        "",
        help=f"Token for the upstream server. Prefer the environment variable {UPSTREAM_TOKEN_VARIABLE}: "
        "other users of the machine can read a command line.",
    ).tag(config=True)
    queue = Unicode("lease", help="Name of the installed queue that delivers jobs to workers.").tag(config=True)
    queue_options = Dict(help="Options of the queue by name; the documentation of the queue lists them.").tag(
        config=True
    )
    reader_threads = Int(4, min=1, max=64, help="Number of threads that read from the store.").tag(config=True)
    max_body_mib = Int(8, min=1, help="Maximum size of a request body, in MiB.").tag(config=True)
    max_ingest_mib = Int(256, min=1, help="Maximum size of a request body that adds scenes, in MiB.").tag(config=True)
    max_bodies_mib = Int(
        512, min=1, help="Maximum size of the bodies of all requests that the server handles at a time, in MiB."
    ).tag(config=True)
    max_json_depth = Int(
        DEFAULTS.max_json_depth, min=8, max=200, help="Maximum nesting depth of JSON objects and lists."
    ).tag(config=True)
    max_json_values = Int(DEFAULTS.max_json_values, min=1, help="Maximum number of values in a JSON text.").tag(
        config=True
    )
    max_name_length = Int(
        DEFAULTS.max_name_length, min=1, help="Maximum length of the name of an AOI, a scene or a tile, in characters."
    ).tag(config=True)
    max_positions = Int(DEFAULTS.max_positions, min=4, help="Maximum number of positions in a footprint.").tag(
        config=True
    )
    max_data_length = Int(
        DEFAULTS.max_data_length,
        min=1_000,
        help="Maximum length of the stored data of a scene or a tile, in bytes of JSON.",
    ).tag(config=True)
    max_message_length = Int(
        DEFAULTS.max_message_length,
        min=1,
        help="Stored length of the message of a result, in characters; longer messages are cut.",
    ).tag(config=True)
    max_streams = Int(64, min=0, help="Maximum number of concurrent event streams.").tag(config=True)
    keep_alive_seconds = Float(
        15.0, min=0.05, help="Interval between keep-alive comments in an idle event stream, in seconds."
    ).tag(config=True)
    slow_reader_seconds = Float(
        30.0, min=0.05, help="Time after which an event stream to a client that does not read is closed, in seconds."
    ).tag(config=True)
    drawing_seconds = Float(20.0, min=0.1, help="Time limit for rendering a graph as SVG, in seconds.").tag(config=True)
    drawing_threads = Int(2, min=1, max=64, help="Number of graphs that are rendered as SVG at a time.").tag(
        config=True
    )
    max_queued_drawings = Int(16, min=0, help="Maximum number of graphs that wait to be rendered as SVG.").tag(
        config=True
    )
    retry_opening_seconds = Float(
        5.0, min=0.0, help="Minimum pause before another attempt to open an unavailable store, in seconds."
    ).tag(config=True)
    keep_jobs_days = Float(1.0, min=0.0, help="Age at which cancelled jobs are pruned, in days.").tag(config=True)
    keep_events_days = Float(
        365.0, min=0.0, allow_none=True, help="Age at which events are pruned, in days; None keeps all."
    ).tag(config=True)
    prune_seconds = Float(3600.0, min=0.1, help="Interval of pruning, in seconds.").tag(config=True)
    keep_backups = Int(7, min=1, help="Number of backups to keep.").tag(config=True)
    worker_token = Unicode(
        help="Token for workers. It permits leasing jobs, renewing leases and reporting results only; "
        "without it, workers need the token of the Jupyter server. "
        f"Default: the environment variable {WORKER_TOKEN_VARIABLE}.",
    ).tag(config=True)
    announce = Bool(True, help=f"Set {URL_VARIABLE} to the URL of this server, for kernels.").tag(config=True)

    backend: Backend
    #: error in the configuration of the upstream server; empty if there is none
    _upstream_error = ""
    _unprotect_log: Callable[[], None] | None = None

    @default("worker_token")
    def _worker_token_default(self) -> str:
        return os.environ.get(WORKER_TOKEN_VARIABLE, "")

    def initialize_settings(self) -> None:
        """Open the store. A store that cannot be opened does not stop Jupyter."""
        self._protect_log()
        workers = WorkerTokenAuth(self._checked_worker_token())
        self.backend = Backend(self._open_engine, self._limits(), self.reader_threads, workers, self._upstream())
        self.backend.open()

    def initialize_handlers(self) -> None:
        """Create the handlers from the list of routes."""
        document = openapi(ROUTES, self.settings["base_url"])
        texts = {"/openapi.json": {"document": json_text(document)}, "/docs": {"html": docs_page(document)}}
        common: dict[str, Any] = {"backend": self.backend}
        for route in ROUTES:
            arguments = common | dict(route.arguments) | texts.get(route.path, {})
            arguments["geocube_verbs"] = GEOCUBE_VERBS.get(route.path, frozenset())
            self.handlers.append((f"/{NAMESPACE}{route.pattern}", route.handler, arguments))
        self.handlers.append((f"/{NAMESPACE}/.*", NotFound, common | {"geocube_verbs": frozenset(VERBS)}))

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        self.backend.start_maintenance()
        if root := address(serverapp):
            await self.backend.run(self.backend.advertise, f"{root}{NAMESPACE}")
        if self.announce:
            os.environ[URL_VARIABLE] = f"{serverapp.connection_url.rstrip('/')}/{NAMESPACE}"

    async def stop_extension(self) -> None:
        """Finish the accepted commands and release the store."""
        if hasattr(self, "backend"):
            await self.backend.close()
        if self._unprotect_log is not None:
            self._unprotect_log()

    def _protect_log(self) -> None:
        """Keep tokens out of the log of Jupyter, and bound its share for requests without a token."""
        server = cast("ServerApp", self.serverapp)
        guard_headers(server.web_app)
        tokens = [self.settings["identity_provider"].token, self.worker_token, self.upstream_token]
        secrets = [Secret(token) for token in tokens if token and validate_token(token) is None]
        self._unprotect_log = protect(
            [server.log, self.log, logging.getLogger("tornado"), logging.getLogger(__name__)], secrets
        )
        if log_function := self.settings.get("log_function"):
            self.settings["log_function"] = robust_log_function(log_function)

    def _checked_worker_token(self) -> str:
        fault = validate_token(self.worker_token)
        if self.worker_token and self.worker_token == self.settings["identity_provider"].token:
            fault = "is the token of the Jupyter server, which permits everything; set a different token"
        if fault:
            raise TraitError(f"WorkflowMonitor.worker_token {fault}.")
        return self.worker_token

    def _upstream(self) -> Upstream | None:
        """Return the configured upstream server; remove its variables, so that kernels do not inherit the token."""
        environment = {name: os.environ.pop(name, "") for name in (UPSTREAM_VARIABLE, UPSTREAM_TOKEN_VARIABLE)}
        address = self.upstream or ("" if self.store_url else environment[UPSTREAM_VARIABLE])
        if not address:
            return None
        try:
            token = self.upstream_token or environment[UPSTREAM_TOKEN_VARIABLE]
            upstream = from_address(address, token, Environment())
        except MonitorError as error:
            self._upstream_error = f"{error} (upstream)"
            return None
        self.log.info("requests_forwarded url=%s reason=upstream_configured", upstream.url)
        return upstream

    def _limits(self) -> ServerLimits:
        day = 86_400
        return ServerLimits(
            max_body=self.max_body_mib * MEBIBYTE,
            max_ingest=self.max_ingest_mib * MEBIBYTE,
            documents=DocumentLimits(**{name: getattr(self, name) for name in DocumentLimits.__slots__}),
            max_bodies=self.max_bodies_mib * MEBIBYTE,
            max_streams=self.max_streams,
            keep_alive=self.keep_alive_seconds,
            slow_reader=self.slow_reader_seconds,
            drawing=self.drawing_seconds,
            drawing_threads=self.drawing_threads,
            max_queued_drawings=self.max_queued_drawings,
            retry_opening=self.retry_opening_seconds,
            prune_interval=self.prune_seconds,
            keep_jobs=self.keep_jobs_days * day,
            keep_backups=self.keep_backups,
            keep_events=None if self.keep_events_days is None else self.keep_events_days * day,
        )

    def _open_engine(self) -> Engine:
        if self._upstream_error:
            raise StoreUnavailable(self._upstream_error)
        store = open_store(self.store_url or _default_store(), read_only=self.read_only)
        try:
            feed = Feed()
            publisher = EventPublisher(store.reader, feed)
            workflow, queue_service = self._workflow(store, publisher)
            store.on_foreign_commit(publisher.catch_up)
        except BaseException:
            store.close()
            raise
        return Engine(store, workflow, Queries(store.reader), feed, queue_service)

    def _queue_service(self, make_queue: object, submit: Submit) -> QueueService | None:
        if isinstance(make_queue, HasService):
            return make_queue.start_service(submit, self.queue_options)
        if self.queue_options:
            raise StoreUnavailable(f"The queue {self.queue!r} has no options; remove queue_options.")
        return None

    def _workflow(
        self, store: Store, publisher: EventPublisher
    ) -> tuple[CommandProcessor | ReadOnlyProcessor, QueueService | None]:
        if self.read_only:
            return ReadOnlyProcessor(), None
        make_queue = load_queue(self.queue)
        if isinstance(make_queue, Configurable):
            make_queue = make_queue.configure(self.queue_options)
        workflow = CommandProcessor(store, make_queue, on_commit=publisher.committed)
        try:
            return workflow, self._queue_service(make_queue, workflow.submit)
        except BaseException:
            workflow.close()
            raise


def _default_store() -> str:
    return f"duckdb:///{Path(jupyter_data_dir()) / 'workflow_monitor' / 'workflow.duckdb'}"


def load_queue(name: str) -> Any:  # noqa: ANN401 - the factory comes from a plug-in
    """Return the factory of a queue by name. Raises StoreUnavailable if it is not installed or cannot be imported."""
    queues = entry_points(group=QUEUE_GROUP)
    if name not in queues.names:
        raise StoreUnavailable(
            f"No queue {name!r} is installed (queue); expected one of {', '.join(sorted(queues.names))}."
        )
    try:
        return queues[name].load()
    except ImportError as error:
        raise StoreUnavailable(
            f"The queue {name!r} cannot be loaded: {error}. Its packages may be missing: pip install 'workflow-monitor[{name}]'."
        ) from error
