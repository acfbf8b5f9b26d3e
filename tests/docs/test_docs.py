"""The pages under docs/, CONTRIBUTING and CHANGELOG: links lead somewhere, and what they name is there."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from cockpit.recipe.schema import section_fields
from cockpit.recipe.suite import Checks
from cockpit.recipe.suite_file import load_suite
from tests.docs.pages import PAGES, ROOT, code_block, headings

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LAYERED = [one for one in PROJECT["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
BENCHMARKS = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_a_file_and_a_heading_of_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", link)]
    broken = []
    for link in links:
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (heading and heading not in headings(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


def test_every_page_is_linked_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"({page.relative_to(ROOT)})" not in text] == []


@pytest.mark.parametrize("contract", LAYERED, ids=lambda contract: contract["containers"][0])
def test_layers_are_those_of_the_import_contracts(contract: dict[str, list[str]]) -> None:
    shown = " ".join(code_block(ARCHITECTURE, "cockpit: ").split())
    line = f"{contract['containers'][0]}: {' -> '.join(contract['layers'])}"
    assert f"{line} " in f"{shown} ", "docs/architecture.md, Layers: write this line as in pyproject.toml"


@pytest.mark.parametrize(
    "page", [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"], ids=lambda page: page.name
)
def test_files_that_are_named_exist(page: Path) -> None:
    """Paths with a folder, as in the text; those of the table of things to come are left out."""
    text = page.read_text(encoding="utf-8").partition("## Where new things go")[0]
    named = re.findall(r"`((?:[\w.]+/)+[\w.]+\.(?:py|tcss|toml|yaml|json|md))`", text)
    assert len(named) > 10
    places = (ROOT, ROOT / "cockpit")
    assert [name for name in named if not any((place / name).is_file() for place in places)] == []


def test_targets_that_are_named_stand_in_the_makefile() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(re.findall(r"make (\w+)`", text)) <= set(targets)
    assert {"check", "lint", "test", "screenshots", "bench"} <= set(targets)


def test_each_measurement_names_a_command_that_is_there() -> None:
    modules = set(re.findall(r"python -m ([\w.]+)", BENCHMARKS))
    assert len(modules) >= 4
    assert [name for name in modules if not (ROOT / f"{name.replace('.', '/')}.py").is_file()] == []


def test_the_example_of_a_suite_is_one_and_each_check_is_described(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
    example = tmp_path / "suite.yaml"
    example.write_text(re.findall(r"^```yaml\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)[0], encoding="utf-8")
    assert len(list(load_suite(example).prompts())) == 4
    described = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE))))
    assert described == set(section_fields(Checks))


def test_every_module_says_what_it_is() -> None:
    modules = (ROOT / "cockpit").rglob("*.py")
    silent = [path for path in modules if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []
