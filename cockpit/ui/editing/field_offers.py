"""What can be chosen for a field of the editor: names that are known here, and paths on this disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.text.numbers import big_count
from cockpit.ui.editing.draft import DATA_FILE, MODEL
from cockpit.ui.widgets.completing_entry import Offer, Offers, name_offers, path_offers

if TYPE_CHECKING:
    from cockpit.recipe.fields import FormField


class FieldOffers:
    """The offers of each field. Names are looked up once, when they are first asked for."""

    def __init__(self) -> None:
        self._names: dict[str, list[Offer]] = {}

    def __call__(self, field: FormField) -> Offers | None:
        """The offers for what stands in the field; None for a field that has none."""
        if field.kind != "path":
            return None

        def offers(text: str) -> list[Offer]:
            return [*name_offers(text, self._known_names(field.path)), *path_offers(text, field.suffixes)]

        return offers

    def _known_names(self, path: str) -> list[Offer]:
        if path not in self._names:
            self._names[path] = _datasets() if DATA_FILE.fullmatch(path) else _models() if path == MODEL else []
        return self._names[path]


def _datasets() -> list[Offer]:
    from cockpit.paths import embedded_data

    return [Offer(name, "ships with cockpit") for name in embedded_data()]


def _models() -> list[Offer]:
    """Those that cockpit ships, that the Hub's cache has, and that the shipped recipes name."""
    from cockpit.models.hub_cache import cached_models
    from cockpit.models.published import published_models
    from cockpit.paths import embedded_models

    shipped, cached = embedded_models(), cached_models()
    others = [name for name in published_models() if name not in cached]
    places = dict.fromkeys(shipped, "ships with cockpit") | dict.fromkeys(cached, "in the Hub's cache")
    places |= dict.fromkeys(others, "to be downloaded")
    return [Offer(name, f"{_size(name)}{place}") for name, place in places.items()]


def _size(name: str) -> str:
    """4.3 B parameters, with a dot after it; empty where its config is not known."""
    from cockpit.models.published import described
    from cockpit.models.shape import ModelShape

    folder = described(name)
    shape = ModelShape.of(folder.config) if folder is not None else None
    return f"{big_count(shape.parameters)} parameters · " if shape is not None else ""
