"""What can be chosen for a field of the editor: names that are known here, and paths on this disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.ui.editing.draft import DATA_FILE
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
            from cockpit.paths import embedded_data, embedded_models

            if DATA_FILE.fullmatch(path):
                self._names[path] = [Offer(name, "ships with cockpit") for name in embedded_data()]
            else:
                from cockpit.models.hub_cache import cached_models

                shipped = [Offer(name, "ships with cockpit") for name in embedded_models()]
                self._names[path] = [*shipped, *(Offer(name, "in the Hub's cache") for name in cached_models())]
        return self._names[path]
