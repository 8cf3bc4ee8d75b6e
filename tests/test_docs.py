"""The maps for newcomers lead somewhere: every path that they name exists."""

import re

import pytest

from tests.repository import ROOT

ROOMS = ("agent/", "benchmarks/", "docs/", "evaluators/", "prompts/", "tests/", "tools/")


def paths_in(text: str) -> set[str]:
    """The paths in code spans that begin with the name of a room."""
    return {span for span in re.findall(r"`([^`\s]+)`", text) if span.startswith(ROOMS) and "*" not in span}


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md", "README.md"])
def test_every_path_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link}
    named = {ROOT / path for path in paths_in(text)} | {(ROOT / page).parent / link for link in links}
    assert sorted(str(path) for path in named if not path.exists()) == []


def test_the_table_of_the_architecture_answers_where_things_are() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = text.split("## Where do I find, where do I add")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 20
    assert [row for row in rows if not paths_in(row)] == []
