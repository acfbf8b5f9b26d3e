"""The program of a script or a notebook as Python's own tree; nothing of it is run"""

from __future__ import annotations

import ast
import re
from typing import Any

from cockpit.importing.settings import read_json, refused

MAGIC = re.compile(r"^\s*([%!?]|get_ipython\(\))")


def script_tree(text: str, file: str) -> ast.Module:
    """Of a script. Raises RecipeError where it is no Python."""
    try:
        return ast.parse(text)
    except SyntaxError as error:
        wrong = f"it is not valid Python ({error.msg})"
        raise refused(file, error.lineno, "", wrong, "mend it there, or give the notebook itself") from None
    except (ValueError, RecursionError, MemoryError):
        raise refused(file, None, "", "it is not valid Python", "give a script or a notebook") from None


def notebook_tree(text: str, file: str) -> ast.Module:
    """Of a notebook's code cells, whose lines are counted over all of them; what is for the shell or for IPython is
    left out, and so are cells that are no Python. Raises RecipeError where it is no notebook or has no such cell."""
    cells = _code_cells(read_json(text, file))
    if cells is None:
        raise refused(file, None, "", "it is no notebook: it has no cells", "give a notebook of nbformat 4")
    body: list[ast.stmt] = []
    lines = 0
    for cell in cells:
        try:
            tree = ast.parse(_without_magics(cell))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            tree = ast.Module(body=[], type_ignores=[])
        ast.increment_lineno(tree, lines)
        lines += cell.count("\n") + 1
        body += tree.body
    if not body:
        raise refused(file, None, "", "no cell of the notebook holds Python", "give a notebook that trains a model")
    return ast.Module(body=body, type_ignores=[])


def _code_cells(found: Any) -> list[str] | None:
    cells = found.get("cells") if isinstance(found, dict) else None
    if not isinstance(cells, list):
        return None
    code = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    sources = [cell.get("source", "") for cell in code]
    return ["".join(map(str, one)) if isinstance(one, list) else str(one) for one in sources]


def _without_magics(cell: str) -> str:
    """The cell, its lines for the shell as `pass` of the same indentation; none of it where it is not Python at all."""
    first = next((line for line in cell.split("\n") if line.strip()), "")
    if first.lstrip().startswith("%%") and not first.lstrip().startswith(("%%capture", "%%time")):
        return ""
    lines, continues = [], False
    for line in cell.split("\n"):
        is_magic = continues or bool(MAGIC.match(line))
        continues = is_magic and line.rstrip().endswith("\\")
        lines.append(line[: len(line) - len(line.lstrip())] + "pass" if is_magic else line)
    return "\n".join(lines)
