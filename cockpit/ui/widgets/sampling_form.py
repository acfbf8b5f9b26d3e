"""SamplingForm: how replies are drawn: a preset of the recipe, and its fields, each checked as it is typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.entry import EMPTY, Entry

if TYPE_CHECKING:
    from cockpit.recipe.chat import Sampling
    from cockpit.recipe.schema import FieldPlace

FIELDS = (
    "do_sample",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "repetition_penalty",
    "max_new_tokens",
    "enable_thinking",
    "system_prompt",
)
DRAWN_ONLY = ("temperature", "top_p", "top_k", "min_p", "seed")
"""Fields that greedy replies take no notice of."""


class SamplingRow(Vertical):
    """Label, control, and what is wrong with it."""

    DEFAULT_CSS = """
    SamplingRow {
        height: auto;
        & > Horizontal { height: 1; }
        & .label { width: 19; height: 1; color: $foreground 80%; }
        & Entry, & Choice { width: 1fr; }
        & > .error { height: auto; color: $error; display: none; }
        &.-wrong > .error { display: block; }
        &.-unused .label { color: $foreground 38%; }
        &:focus-within .label { color: $primary; text-style: bold; }
    }
    """

    def __init__(self, name: str, control: Entry | Choice) -> None:
        super().__init__(id=f"row-{name}")
        self.control = control
        self._label = name

    def compose(self) -> ComposeResult:
        """One line, and one for the error."""
        with Horizontal():
            yield Static(Content(self._label), classes="label", markup=False)
            yield self.control
        yield Static("", classes="error", markup=False)

    def say(self, error: str) -> None:
        """What is wrong; nothing where it is right."""
        self.query_one(".error", Static).update(Content(plain_line(error)))
        self.set_class(bool(error), "-wrong")
        self.control.set_class(bool(error), "-wrong")


class SamplingForm(Vertical):
    """Begins with what `kept` holds, else with the first preset, and keeps there what stands in its fields.

    `sampling` is what stands there, `problem` why that cannot be used.
    """

    HELP = "How replies are drawn. Greedy replies (do_sample off) always take the likeliest token."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "field(1)", "next field", id="sampling.next", tooltip="Go to the next field", show=False),
        Binding(
            "up", "field(-1)", "field before", id="sampling.previous", tooltip="Go to the field before", show=False
        ),
    ]
    DEFAULT_CSS = """
    SamplingForm { height: auto; }
    """

    def __init__(
        self,
        presets: Sequence[Sampling],
        kept: dict[str, str] | None = None,
        *,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._presets = list(presets)
        self._kept = kept if kept is not None else {}
        self._preset = self._kept.get("preset", "0")
        begun = {name: self._kept[name] for name in FIELDS} if self._kept else {}
        self._texts: dict[str, str] = begun or _texts_of(self._presets[0])
        self.border_title = Content("sampling")

    def compose(self) -> ComposeResult:
        """The preset where there are several, then its fields."""
        if len(self._presets) > 1:
            names = [plain_line(preset.name) for preset in self._presets]
            indices = [str(at) for at in range(len(names))]
            help = "A preset of the recipe fills the fields below."
            yield SamplingRow("preset", Choice(indices, self._preset, labels=names, id="preset", help=help))
        for name in FIELDS:
            text, help = self._texts[name], _place(name).help
            if _place(name).type.kind == "bool":
                control: Entry | Choice = Choice(["true", "false"], text, labels=["on", "off"], id=name, help=help)
            else:
                control = Entry(
                    text, placeholder=EMPTY if _place(name).default in (None, "") else "", id=name, help=help
                )
            yield SamplingRow(name, control)

    def on_mount(self) -> None:
        """Dim what greedy replies do not use."""
        self._check()

    @property
    def sampling(self) -> Sampling | None:
        """The fields as they stand, or None where one is wrong."""
        from cockpit.recipe.chat import Sampling

        values = {name: _value(name, text) for name, text in self._texts.items()}
        if any(_refusal(name, text) for name, text in self._texts.items()):
            return None
        return Sampling.model_validate({"name": "chat", **values})

    @property
    def problem(self) -> str:
        """The first field that is wrong and why, or nothing."""
        wrong = ((name, _refusal(name, text)) for name, text in self._texts.items())
        return next((f"{name}: {refusal}" for name, refusal in wrong if refusal), "")

    def focus_first(self) -> None:
        """To the first field, which is the preset where there are several."""
        self.query(SamplingRow).first().control.focus()

    def action_field(self, step: int) -> None:
        """To the next field or the one before, at once, as the next key may be waiting already; the ends are ends."""
        rows = [row for row in self.query(SamplingRow) if row.display]
        at = next((index for index, row in enumerate(rows) if row.has_focus_within), 0)
        self.screen.set_focus(rows[min(max(0, at + step), len(rows) - 1)].control)

    @on(Choice.Changed)
    def _on_choice(self, event: Choice.Changed) -> None:
        event.stop()
        if event.choice.id == "preset":
            self._preset = event.value
            self._take(self._presets[int(event.value)])
        elif event.choice.id is not None:
            self._texts[event.choice.id] = event.value
        self._check()

    @on(Input.Changed)
    def _on_input(self, event: Input.Changed) -> None:
        event.stop()
        if event.input.id is not None:
            self._texts[event.input.id] = event.value
            self._check()

    def _take(self, preset: Sampling) -> None:
        self._texts = _texts_of(preset)
        for name, text in self._texts.items():
            self.query_one(f"#row-{name}", SamplingRow).control.value = text

    def _check(self) -> None:
        self._kept.update(self._texts, preset=self._preset)
        greedy = self._texts["do_sample"] == "false"
        for name in FIELDS:
            row = self.query_one(f"#row-{name}", SamplingRow)
            row.say(_refusal(name, self._texts[name]))
            row.set_class(greedy and name in DRAWN_ONLY, "-unused")


def _texts_of(preset: Sampling) -> dict[str, str]:
    from cockpit.recipe.fields import format_value

    return {name: format_value(getattr(preset, name)) for name in FIELDS}


def _place(name: str) -> FieldPlace:
    from cockpit.recipe.schema import find_place

    place = find_place(("chat", "presets", 0, name))
    assert place is not None
    return place


def _value(name: str, text: str) -> Any:
    from cockpit.recipe.setting import setting_value

    value = setting_value(_place(name), text.strip())
    return float(value) if _place(name).type.kind == "float" and isinstance(value, int) else value


def _refusal(name: str, text: str) -> str:
    """What would be right, where `text` is not."""
    from pydantic import ValidationError

    from cockpit.recipe.chat import Sampling
    from cockpit.recipe.validation import refusal

    value = _value(name, text)
    try:
        Sampling.model_validate({name: value})
    except ValidationError:
        _, right = refusal(_place(name).type, value)
        return right
    return ""
