"""Runs an ASGI application's lifespan around a block, as a server does."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def running(app: Any) -> AsyncGenerator[None]:
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    task = asyncio.create_task(app(scope, to_app.get, from_app.put))

    async def phase(name: str) -> None:
        await to_app.put({"type": f"lifespan.{name}"})
        answer = asyncio.create_task(from_app.get())
        await asyncio.wait({answer, task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            await task  # raises its error
            raise RuntimeError(f"the application ended during {name}")
        if answer.result()["type"] != f"lifespan.{name}.complete":
            await task
            raise RuntimeError(answer.result().get("message", f"{name} failed"))

    await phase("startup")
    try:
        yield
    finally:
        await phase("shutdown")
        await task
