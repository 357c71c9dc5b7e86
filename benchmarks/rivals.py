"""The servers that ingest is compared with: an echo that stores nothing, and a plain way to store an event."""

import os
from typing import Any

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import BigInteger, DateTime, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadvibe.core.database.transactions import sqlalchemy_url


class Event(msgspec.Struct):
    event_type: str
    lead_id: str
    metadata: dict[str, Any]
    timestamp: str | None = None


decoder = msgspec.json.Decoder(Event)
encoder = msgspec.json.Encoder()


async def _echo(request: Request) -> Response:
    event = decoder.decode(await request.body())
    answer = encoder.encode({"message": "event ingested", "metadata": event.metadata})
    return Response(answer, 202, media_type="application/json")


def echo() -> Starlette:
    """Decode and respond: the upper limit for the same server."""
    return Starlette(routes=[Route("/ingest", _echo, methods=["POST"])])


class Base(DeclarativeBase):
    pass


class StoredEvent(Base):
    __tablename__ = "naive_events"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    event_type: Mapped[str]
    lead_id: Mapped[str]
    attributes: Mapped[Any] = mapped_column("metadata", JSONB)
    timestamp: Mapped[Any] = mapped_column(DateTime(timezone=True), server_default=func.now())


class EventIn(BaseModel):
    event_type: str
    lead_id: str
    metadata: dict[str, Any] = {}


def naive() -> FastAPI:
    """A pydantic body, a session, one insert, one commit."""
    engine = create_async_engine(sqlalchemy_url(os.environ["LEADVIBE_DATABASE_URL"]), pool_size=10, max_overflow=0)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    app = FastAPI()

    @app.post("/ingest", status_code=202)
    async def ingest(event: EventIn) -> dict[str, Any]:
        async with sessions() as session:
            await _store(session, event)
        return {"message": "event ingested", "metadata": event.metadata}

    return app


async def _store(session: AsyncSession, event: EventIn) -> None:
    session.add(StoredEvent(event_type=event.event_type, lead_id=event.lead_id, attributes=event.metadata))
    await session.commit()


async def make_table(url: str) -> None:
    engine = create_async_engine(sqlalchemy_url(url))
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()
