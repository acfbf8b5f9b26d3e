"""`--set lora.r=32`: what the text after the equals sign means for its field."""

from __future__ import annotations

from cockpit.recipe import yaml_source
from cockpit.recipe.field_path import dotted
from cockpit.recipe.problem import Problem, RecipeError
from cockpit.recipe.schema import FieldPlace


def setting_value(place: FieldPlace, text: str) -> object:
    """The value for the field. Raises RecipeError where the text is no YAML; whether it fits is the model's to say."""
    kind, exact, text = place.type.kind, text, text.strip()
    if text in ("", "null") and place.type.optional:
        return None
    if kind == "text":
        return text if "path" in place.extra else exact
    if kind == "choice":
        return int(text) if text.isdecimal() and len(text) < 10 else text
    if kind == "list" and not text.startswith("[") and place.type.item is not None:
        if text in place.type.choices or place.type.item.section is not None:
            return text
        return [name.strip() for name in text.split(",") if name.strip()]
    if kind == "mapping" and not text.startswith("{") and (not text or ": " in text):
        text = f"{{{text}}}"
    if kind in ("list", "mapping", "section"):
        try:
            return yaml_source.parse(f"value: {text}", "--set").values["value"]
        except RecipeError as error:
            found = error.problems[0]
            raise RecipeError([Problem("--set", None, dotted(place.path), found.wrong, found.right)]) from None
    return yaml_source.scalar(text)
