"""Proxy for JupyterHub in Python, on aiohttp, so that tests need no Node."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, web
from jupyterhub.proxy import Proxy

#: hop-by-hop headers
HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "host"}


class PythonProxy(Proxy):  # type: ignore[misc]
    """Forwards each request to the longest matching route, and streams the response."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.routes: dict[str, dict[str, Any]] = {}

    async def start(self) -> None:
        application = web.Application(client_max_size=2**30)
        application.router.add_route("*", "/{rest:.*}", self.forward)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        host, _, port = self.app.bind_url.split("//")[1].partition("/")[0].partition(":")
        await web.TCPSite(self._runner, host, int(port)).start()
        self._session = ClientSession(
            cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=None), auto_decompress=False
        )

    async def stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def add_route(self, routespec: str, target: str, data: dict[str, Any]) -> None:
        self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}

    async def delete_route(self, routespec: str) -> None:
        self.routes.pop(routespec, None)

    async def get_all_routes(self) -> dict[str, dict[str, Any]]:
        return dict(self.routes)

    async def forward(self, request: web.Request) -> web.StreamResponse:
        routespec = max((route for route in self.routes if request.raw_path.startswith(route)), key=len)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        headers |= {"Host": request.host, "X-Forwarded-For": request.remote or "", "X-Forwarded-Proto": "http"}
        url = self.routes[routespec]["target"].rstrip("/") + request.raw_path
        body = await request.read()
        async with self._session.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as upstream:
            response = web.StreamResponse(status=upstream.status)
            for name, value in upstream.headers.items():
                if name.lower() not in HOP:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response
