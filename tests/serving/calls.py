"""One request to an ASGI app, without a server."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import httpx
import orjson
from fastapi import FastAPI


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: httpx.Headers

    def json(self) -> Any:
        return orjson.loads(self.body)


def call(app: FastAPI, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
    async def once() -> Answer:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://oracle") as client:
            told = await client.request(method, path, content=body, headers=headers or {})
            return Answer(told.status_code, told.content, told.headers)

    return asyncio.run(once())
