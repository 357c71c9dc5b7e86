"""Which passwords are accepted."""

from typing import Any

import pytest

from leadvibe.access.authentication.password_rules import common_passwords
from leadvibe.core.command_error import CommandError
from leadvibe.server.bootstrap import bootstrap
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase
from support.world import PASSWORD, World

WEAK = {
    "eleven characters": "x7!Kq9#Lm2$",
    "common": "chickenwing101",
    "common in upper case": "ChickenWing101",
    "common in full width": "".join(chr(ord(character) + 0xFEE0) for character in "chickenwing101"),
    "common word with digits": "Password!2024",
    "common word within signs": "***dragon***",
    "a repetition": "kx7!qakx7!qa",
    "one character": "aaaaaaaaaaaaaaaa",
    "few characters": "121212311231",
    "a run of digits": "123456789012",
    "a run of letters": "abcdefghijklm",
    "a run backwards": "mlkjihgfedcba",
    "a row of the keyboard": "qwertyuiopasd",
    "the e-mail address": "xx viewer@acme.example",
    "the name in the e-mail address": "my-VIEWER-2931-kx",
    "the organization": "rockets of ACME 77",
}


def weak(reason: str) -> Any:
    return pytest.param(WEAK[reason], id=reason.replace(" ", "-"))


@pytest.mark.parametrize("password", [weak(reason) for reason in WEAK])
async def test_a_weak_password_is_refused_wherever_it_is_set(
    client: Caller, viewer: Caller, world: World, password: str
) -> None:
    change = {"current_password": PASSWORD, "new_password": password}
    new = {"first_name": "A", "last_name": "B", "email": "viewer@example.com", "password": password, "role": "viewer"}
    answers = {
        "new_password": await viewer.put("/auth/password", json=change),
        "password": await client.post("/members", json=new),
    }
    if "acme.example" not in password:
        assert answers["password"].status_code == 400
    else:
        del answers["password"]
    for field, response in answers.items():
        assert response.status_code == 400, response.text
        assert [error["field"] for error in response.json()["errors"]] == [field]
    by_admin = await client.put(f"/members/{world.viewer.member_id}", json={"password": password})
    assert [error["field"] for error in by_admin.json()["errors"]] == ["password"]
    assert (await viewer.get("/me")).status_code == 200


@pytest.mark.parametrize("password", [PASSWORD, "x7!Kq9#Lm2$u", "Zwölf Zeichen", "dragonfly over quiet water"])
async def test_a_long_and_uncommon_password_is_accepted(make: Make, password: str) -> None:
    await make.member("someone@acme.example", password=password)


async def test_with_a_new_email_the_password_must_not_contain_it(client: Caller, world: World) -> None:
    body = {"email": "lovelace@acme.example", "password": "countess lovelace 1815"}
    response = await client.put(f"/members/{world.viewer.member_id}", json=body)
    assert [error["field"] for error in response.json()["errors"]] == ["password"]


@pytest.mark.parametrize("password", ["short", "chickenwing101", "grace@example.com 7", "hopper and co. 1952"])
async def test_the_first_admin_needs_a_good_password(database: TestDatabase, password: str) -> None:
    await database.execute("TRUNCATE organizations CASCADE")
    with pytest.raises(CommandError, match="LEADVIBE_ADMIN_PASSWORD"):
        await bootstrap(organization="Hopper", unit="Sales", email="grace@example.com", password=password)
    assert await database.fetchval("SELECT count(*) FROM organizations") == 0


def test_thousands_of_common_passwords_are_known() -> None:
    assert len(common_passwords()) > 10_000
    assert {"password", "qwertyuiop", "chickenwing101"} <= common_passwords()
    assert not any(line.startswith("# ") for line in common_passwords())
