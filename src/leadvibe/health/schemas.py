"""Schemas of the health checks."""

from typing import Literal

from pydantic import BaseModel


class StatusRead(BaseModel):
    status: Literal["ok"] = "ok"


class HomeRead(StatusRead):
    page: Literal["home"] = "home"
