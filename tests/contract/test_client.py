"""A typed client, generated from the OpenAPI, talks to the server."""

import base64
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.callers import BASE_URL
from support.operations import described, document
from support.world import World

NAME = "generated_leadvibe_client"
WITHOUT_HOOKS = "post_hooks: []\n"  # they would format the code
UNSUPPORTED = {"Unsupported content type application/x-ndjson", "Unsupported content type text/event-stream"}
"""Media types for which the generator leaves out the body; the operation itself is generated."""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Path, str]]:
    """The generated package, importable by its name, and what the generator said."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(json.dumps(document()))
    (folder / "config.yaml").write_text(WITHOUT_HOOKS)
    output = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
            *("--path", "openapi.json", "--config", "config.yaml", "--output-path", NAME),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    sys.path.insert(0, str(folder))
    yield folder / NAME, output.stdout + output.stderr
    sys.path.remove(str(folder))
    for module in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[module]


def module(name: str) -> Any:
    return importlib.import_module(f"{NAME}.{name}")


def test_the_generator_understands_the_whole_document(generated: tuple[Path, str]) -> None:
    package, output = generated
    assert "Unable to parse" not in output
    reasons = set(re.findall(r"^WARNING parsing .*\n+(.+)$", output, re.MULTILINE))
    assert reasons <= UNSUPPORTED
    functions = {file.stem for file in package.glob("api/*/*.py")} - {"__init__"}
    assert functions == {operation["operationId"] for _, _, operation in described()}


async def test_it_does_the_first_event_of_the_readme(
    generated: tuple[Path, str], app: Any, world: World, drain: Callable[[], Awaitable[None]]
) -> None:
    assert generated[0].is_dir()
    program = world.credential
    token = base64.b64encode(f"{program.client_id}:{program.client_secret}".encode()).decode()
    client = module("client").AuthenticatedClient(base_url=BASE_URL, token=token, prefix="Basic")
    headers = {"Authorization": f"Basic {token}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers) as http:
        client.set_async_httpx_client(http)
        models = module("models")
        rule = await module("api.rules.create_rule").asyncio(
            client=client, body=models.RuleCreate(event_type="page_view", weight=5)
        )
        assert (rule.event_type, rule.weight) == ("page_view", 5)
        event = {"lead_id": "ada", "event_type": "page_view", "metadata": {"path": "/pricing"}}
        ingest = module("api.events.ingest_event")
        body = ingest._get_kwargs.__annotations__["body"].from_dict(event)
        accepted = await ingest.asyncio(client=client, body=body)
        assert accepted.event_id.startswith("ev_")
        await drain()
        score = await module("api.scores.read_score").asyncio("ada", client=client)
        assert (score.lead_id, score.score) == ("ada", 5)
        assert score.engagement_scores.to_dict() == {rule.ruleset_id: 5}
