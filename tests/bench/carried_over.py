"""How much of other tools' files cockpit import carries over.

usage: python -m tests.bench.carried_over NAME=FOLDER_OR_FILE ...
Reads every file below the folders that one of the tools could have written, and prints a row of docs/importing.md for
each NAME, with what is not carried over most often and what was refused below.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cockpit.importing.importer import import_file
from cockpit.recipe.problem import RecipeError

ENDINGS = (".yaml", ".yml", ".json", ".ipynb", ".py", ".sh")


@dataclass
class Share:
    """What has become of the settings of several files. A setting that is none of the three would be lost unnamed."""

    files: int = 0
    fields: int = 0
    comments: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, path: Path) -> None:
        """Import one more file."""
        try:
            ledger = import_file(path, path.name).ledger
        except RecipeError as error:
            self.refused[str(error).partition(": ")[2]] += 1
            return
        self.files += 1
        self.fields += len(ledger.of("field"))
        self.comments += len(ledger.of("comment"))
        self.lost.update(one.setting.name for one in ledger.of("lost"))

    def row(self, name: str) -> str:
        """Markdown."""
        lost = self.lost.total()
        total = max(1, self.fields + self.comments + lost)
        shares = [f"{100 * part / total:.1f} %" for part in (self.fields, self.comments, lost)]
        cells = [name, self.files, f"{total:,}", *shares, self.refused.total()]
        return f"| {' | '.join(map(str, cells))} |"


def main(arguments: list[str]) -> None:
    """Print a row for each name, then what it says of them."""
    shares: dict[str, Share] = {}
    for argument in arguments:
        name, _, place = argument.partition("=")
        share = shares.setdefault(name, Share())
        path = Path(place)
        files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.suffix in ENDINGS)
        for file in files:
            share.add(file)
    print("| tool | files | settings | fields | comments | not carried over | refused |\n|---|---|---|---|---|---|---|")
    for name, share in shares.items():
        print(share.row(name))
    for name, share in shares.items():
        print(f"\n{name}: not carried over {share.lost.most_common(12)}\nrefused {share.refused.most_common(8)}")


if __name__ == "__main__":
    main(sys.argv[1:])
