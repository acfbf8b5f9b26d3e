"""The tree that ends the README, made from the modules' docstrings; `python -m tests.readme_tree` writes it there."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
WIDTH = 26
FOLDERS = {
    "recipes": "one YAML a recipe, with a header: what it does, what it needs, how to start it",
    "screenshots": "made from a recorded run by one command",
    "tests": "mirrors cockpit/; bench/ measures, and asserts no times",
}


def tree() -> str:
    """One line a file of the package, folders before their files, indented by two."""
    lines = [_line("cockpit/", _docstring(ROOT / "cockpit" / "__init__.py"))]
    lines += _below(ROOT / "cockpit", depth=1)
    lines += [_line(f"{name}/", text) for name, text in FOLDERS.items()]
    return "\n".join(lines)


def write() -> None:
    """Put the tree between the README's two marks."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(before + block() + after, encoding="utf-8")


BEGIN, END = "<!-- tree: python -m tests.readme_tree -->\n", "<!-- end of tree -->"


def block() -> str:
    """The tree with its marks, as it stands in the README."""
    return f"{BEGIN}```\n{tree()}\n```\n{END}"


def _below(folder: Path, depth: int) -> list[str]:
    lines = []
    packages = sorted(path for path in folder.iterdir() if (path / "__init__.py").is_file())
    for package in packages:
        lines.append(_line("  " * depth + package.name + "/", _docstring(package / "__init__.py")))
        lines += _below(package, depth + 1)
    for module in sorted(folder.glob("*.py")):
        if module.name != "__init__.py":
            lines.append(_line("  " * depth + module.name, _docstring(module)))
    return lines


def _docstring(module: Path) -> str:
    """The first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    first = " ".join(text.split("\n\n")[0].split())
    return first.partition(". ")[0].rstrip(".")


def _line(name: str, text: str) -> str:
    return f"{name:{WIDTH}} {text}".rstrip()


if __name__ == "__main__":
    write()
