"""The documentation is complete: every page is in the navigation, every decision in its index."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from leadvibe.config import Settings
from leadvibe.core.metrics import QueueState, exposition

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DECISIONS = sorted(path for path in (DOCS / "decisions").glob("*.md") if path.name != "index.md")
ROW = re.compile(
    r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \| (accepted|superseded by \d{4}) \| (\d{4}-\d\d-\d\d) \|$", re.MULTILINE
)


def pages(nav: Any) -> list[str]:
    """The pages of a navigation, in its order."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in pages(part)]


def test_every_page_is_in_the_navigation_once() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    assert sorted(pages(nav)) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


def test_the_index_lists_every_decision_with_its_title() -> None:
    listed = [
        (number, file, title) for number, file, title, _, _ in ROW.findall((DOCS / "decisions/index.md").read_text())
    ]
    titles = [re.sub(r"^# \d+ · ", "", path.read_text().partition("\n")[0]) for path in DECISIONS]
    assert listed == [(path.name[:4], path.name, title) for path, title in zip(DECISIONS, titles, strict=True)]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name)
def test_a_decision_has_a_number_and_the_usual_parts(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {path.name[:4]} · ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def test_the_words_of_the_glossary_are_in_alphabetical_order_and_explained_once() -> None:
    for group in (DOCS / "glossary.md").read_text().split("\n## ")[1:]:
        words = [word.lower() for word in re.findall(r"^\| ([^|]+) \| .+ \|$", group, re.MULTILINE)][2:]
        assert words == sorted(set(words)), group.partition("\n")[0]


def test_operations_explains_every_setting() -> None:
    named = set(re.findall(r"`(?:LEADVIBE_)?([A-Z_]+)`", (DOCS / "operations.md").read_text()))
    assert {name for name in Settings.model_fields if name.upper() not in named} == set()


def test_operations_explains_every_metric() -> None:
    text = (DOCS / "operations.md").read_text()
    ours = ("events_", "event_", "http_", "scoring_", "queue_")
    families = text_string_to_metric_families(exposition(QueueState(0, 0)).decode())
    names = [f"{each.name}_total" if each.type == "counter" else each.name for each in families]
    assert [name for name in names if name.startswith(ours) and f"| `{name}` |" not in text] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_what_the_pages_at_the_root_link_to_exists(name: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_architecture_lists_the_packages_in_the_order_of_their_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each.get("containers") == ["leadvibe"])
    packages = [package.strip() for layer in layers for package in layer.split("|")]
    text = (DOCS / "architecture.md").read_text().split("## Packages")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == packages


def test_the_tests_and_settings_that_security_names_exist() -> None:
    text = (DOCS / "security.md").read_text()
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 20
    missing = [
        (file, test)
        for file, test in named
        if not (ROOT / "tests" / file).exists() or f"def {test}" not in (ROOT / "tests" / file).read_text()
    ]
    assert missing == []
    settings = set(re.findall(r"`LEADVIBE_([A-Z_]+)`", text))
    assert settings <= {name.upper() for name in Settings.model_fields}
