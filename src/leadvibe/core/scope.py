"""The caller and the tenant of an operation; every repository needs a scope."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal


class Role(StrEnum):
    """What a caller may do in one OU; each role includes the rights of the ones before it."""

    VIEWER = "Viewer"
    OPERATOR = "Operator"
    OWNER = "Owner"

    @property
    def rank(self) -> int:
        return _RANKS[self]

    def covers(self, needed: "Role") -> bool:
        return self.rank >= needed.rank


_RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Actor:
    kind: Literal["member", "credential", "system"]
    id: str
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What authenticates a caller. The caller's access ends with it."""

    kind: Literal["sign_in", "personal_token", "credential", "issuer"]
    id: str = ""
    """Empty for a token of an outside issuer, which this server doesn't store."""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrgScope:
    """A caller inside one organization."""

    org_id: str
    actor: Actor
    admin: bool = False
    proof: Proof | None = None
    """None for the program itself, and for anonymous readers of an open stream."""


@dataclass(frozen=True, slots=True)
class Scope(OrgScope):
    """A caller inside one OU of its organization."""

    unit_id: str = ""
    role: Role = Role.VIEWER
    phone_region: str | None = None
    """The OU's country of phone numbers without a country code. Unset in the scope of the program itself."""

    def __post_init__(self) -> None:
        if not self.unit_id:
            raise ValueError("a scope needs a unit_id")


SYSTEM = Actor("system", "system")


def system_scope(org_id: str, unit_id: str) -> Scope:
    """The scope of the program itself in one OU, for a worker's batch or a job."""
    return Scope(org_id=org_id, actor=SYSTEM, admin=True, unit_id=unit_id, role=Role.OWNER)
