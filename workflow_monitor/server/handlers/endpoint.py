"""State that all parts of a handler share."""

from __future__ import annotations

from typing import Any, ClassVar

from jupyter_server.base.handlers import APIHandler

from workflow_monitor.connection.addresses import NAMESPACE
from workflow_monitor.documents.aoi_names import normalize_aoi_name
from workflow_monitor.server.backend import Backend


class Endpoint(APIHandler):
    """A handler with its backend and its path."""

    #: methods of this endpoint
    verbs: ClassVar[tuple[str, ...]] = ()
    backend: Backend
    #: methods that the Geocube's workflow server has, too; its clients would read a problem document as a success
    geocube_verbs: frozenset[str] = frozenset()
    #: True if the request carries the worker token
    by_worker = False
    #: True once the request is admitted and its body will be read
    is_prepared = False

    def initialize(self, backend: Backend, **arguments: Any) -> None:
        """Set the backend and the arguments of the route as attributes."""
        self.backend = backend
        for name, value in arguments.items():
            setattr(self, name, value)

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Decode an argument of the path or the query; names of AOIs to their normal form."""
        text = super().decode_argument(value, name)
        return normalize_aoi_name(text) if name == "aoi" else text

    @property
    def prefix(self) -> str:
        """The path below which all endpoints are."""
        return f"{self.base_url}{NAMESPACE}"

    @property
    def is_geocube_request(self) -> bool:
        """True if clients of the Geocube's workflow server send such a request, or a mistaken one to this path."""
        verb = (self.request.method or "").lower().replace("head", "get")
        return verb in self.geocube_verbs or (bool(self.geocube_verbs) and verb not in self.verbs)

    @property
    def below_prefix(self) -> str:
        """The encoded path of the request below the prefix."""
        return self.request.path[len(self.prefix) :]
