"""How the house stands: how much lies flat, which contracts hold, which private names are leant on. A report, no test.

usage: python -m tests.bench.house [ROOT] [--list]
ROOT is a checkout (this one where it is left out). --list names each place that was counted.
Private names are told by their form alone: `_name` of something that is neither `self` nor `cls`, imported, or spelled
as text for getattr or monkeypatch. A name that the same tree defines itself is its own, and is not counted in the
engine; in tests only a name that the same file defines is. A subclass that overrides a private method is not seen.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
DOCUMENTED = ("os._exit",)
"""Of the standard library, and public all the same."""
BY_TEXT = ("getattr", "hasattr", "setattr", "delattr")


def flat_modules(folder: Path) -> list[str]:
    """The modules that lie in the folder itself, __init__ left out."""
    return sorted(path.name for path in folder.glob("*.py") if path.name != "__init__.py")


def is_private(name: str) -> bool:
    """One underscore in front; dunder names are public, and `_` alone is no name."""
    return name.startswith("_") and not name.startswith("__") and name.strip("_") != ""


def private_part(dotted: str) -> str:
    """The first private part of `a._b.c`; empty where there is none."""
    parts = dotted.split(".")
    return next((part for part in parts if is_private(part)), "") if all(map(str.isidentifier, parts)) else ""


def root_name(node: ast.expr) -> str:
    """`a` of a.b.c; of self._a.b it is _a. Empty where it begins with no name."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        names.append(node.id)
    names = [name for name in reversed(names) if name not in ("self", "cls")]
    return names[0] if names else ""


def defined(tree: ast.AST) -> set[str]:
    """Names that the file gives to something: functions, classes, variables, attributes of self, arguments."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and root_name(node) == node.attr:
            found.add(node.attr)
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            found.add(node.arg)
    return found


def private_uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each private name of something else."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not is_own and ast.unparse(node) not in DOCUMENTED:
                yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            names = [private_part(node.module or ""), *(private_part(one.name) for one in node.names)]
            yield from ((node.lineno, name) for name in names if name)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, name) for one in node.names if (name := private_part(one.name)))
        elif isinstance(node, ast.Call) and root_name(node.func):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else root_name(node.func)
            texts = [one.value for one in node.args[:2] if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if called in BY_TEXT:
                yield from ((node.lineno, name) for text in texts if (name := private_part(text)))


def trainer_patches(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each attribute that is set on a trainer, or on something of it."""
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            targets = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            name = node.args[1]
            targets = [ast.Attribute(node.args[0], ast.unparse(name), lineno=name.lineno, col_offset=0)]
        for target in targets:
            if isinstance(target, ast.Attribute) and root_name(target.value).lstrip("_") == "trainer":
                yield target.lineno, ast.unparse(target)


Found = list[tuple[str, int, str]]


def places(root: Path, files: list[Path], look: Callable[[ast.AST], Iterator[tuple[int, str]]]) -> Found:
    """File, line and name of all that `look` finds."""
    found = []
    for path in sorted(files):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [(str(path.relative_to(root)), line, name) for line, name in sorted(look(tree))]
    return found


def contracts(root: Path) -> str:
    """What import-linter says at its end."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("Contracts:")]
    return lines[0].removeprefix("Contracts: ") if lines else f"not checked ({done.stderr.strip()[-200:]})"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=HERE)
    parser.add_argument("--list", action="store_true", help="name each place")
    asked = parser.parse_args()
    root: Path = asked.root.resolve()
    package, engine = root / "cockpit", root / "cockpit" / "engine"
    theirs = set().union(*(defined(ast.parse(path.read_text(encoding="utf-8"))) for path in package.rglob("*.py")))
    trained = [
        path for path in (*engine.rglob("*.py"), *(package / "demo").rglob("*.py")) if "compat" not in path.parts
    ]
    others = [path for path in package.rglob("*.py") if engine not in path.parents]

    def of_stack(tree: ast.AST) -> Iterator[tuple[int, str]]:
        return ((line, name) for line, name in private_uses(tree) if name not in theirs)

    def of_others(tree: ast.AST) -> Iterator[tuple[int, str]]:
        own = defined(tree)
        return ((line, name) for line, name in private_uses(tree) if name not in own)

    counted = {
        "attributes set on the trainer": places(root, trained, trainer_patches),
        "private names of the stack outside engine/compat": places(root, trained, of_stack),
        "private names of others elsewhere in cockpit/": places(root, others, of_others),
        "private names of others in tests/": places(root, list((root / "tests").rglob("*.py")), of_others),
    }
    print(f"modules flat in cockpit/: {len(flat_modules(package))} ({', '.join(flat_modules(package))})")
    print(f"modules flat in cockpit/engine/: {len(flat_modules(engine))} ({', '.join(flat_modules(engine))})")
    print(f"import contracts: {contracts(root)}")
    print(f"lines of README.md: {len((root / 'README.md').read_text(encoding='utf-8').splitlines())}")
    for name, found in counted.items():
        print(f"{name}: {len(found)} in {len({file for file, _, _ in found})} files")
        for file, line, what in found if asked.list else []:
            print(f"    {file}:{line}  {what}")


if __name__ == "__main__":
    main()
