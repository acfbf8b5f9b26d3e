"""The pages of the repository that people read, and what is looked up in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(ROOT.glob("docs/*.md"))


def code_block(text: str, start: str) -> str:
    """The fenced block that begins with `start`. Raises ValueError where there is none."""
    found = re.search(rf"^```\n({re.escape(start)}.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"no block begins with {start}")
    return found[1]


def headings(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
