"""The editor: a recipe as a form, and beside it what the edits mean."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static

from cockpit.text.plain_text import plain_line
from cockpit.ui.editing.draft import Draft
from cockpit.ui.editing.field_offers import FieldOffers
from cockpit.ui.editing.prospect import Prospect
from cockpit.ui.messages import WarmFor
from cockpit.ui.screens.editor_ways import EditorWays, errors_text
from cockpit.ui.widgets.change_list import ChangeList
from cockpit.ui.widgets.field_help import FieldHelp
from cockpit.ui.widgets.field_row import FieldRow, help_text
from cockpit.ui.widgets.group_tabs import GroupTabs
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.recipe_form import MoreFields, RecipeForm
from cockpit.ui.widgets.schedule_preview import SchedulePreview, summary_of
from cockpit.ui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.fields import FormField
    from cockpit.recipe.recipe import Recipe
    from cockpit.ui.widgets.top_line import EngineStatus

PLAN_AFTER_S = 0.15
"""The plan follows once typing has paused for so long: a data file is not read for each letter of its name."""
PLAN_TAB = "Plan"
BATCH_FIELDS = ("training.per_device_train_batch_size", "training.gradient_accumulation_steps")


class EditorScreen(EditorWays):
    """Edits a copy; nothing is written unless it is saved. The result is the file that was saved last."""

    CSS_PATH = "editor.tcss"
    HELP = (
        "Change any field; what is wrong stands under it at once, and what the change means stands beside the form.\n"
        "F5 starts the run with what is here, without saving. Ctrl+S keeps it as a recipe of your own.\n"
        "F6 shows the data as training would see it, token by token. F4 measures how it trains fastest here."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5,ctrl+g", "start", "start", id="editor.start", tooltip="Train with what stands here",
                key_display="F5"),
        Binding("f3", "queue", "to the queue", id="editor.queue", key_display="F3", show=False,
                tooltip="Put what stands here into the queue, to be trained when its turn comes"),
        Binding("ctrl+s", "save", "save as", id="editor.save", tooltip="Save as a recipe of your own"),
        Binding("f6", "data", "data", id="editor.data", tooltip="See what training would see of the data",
                key_display="F6"),
        Binding("f4", "tune", "tune", id="editor.tune", key_display="F4", show=False,
                tooltip="Measure which way this trains fastest on this machine"),
        Binding("f7", "largest_batch", "fit batch", id="editor.largest_batch", key_display="F7", show=False,
                tooltip="The largest micro-batch that fits into the GPU, with as many rows a step as now"),
        Binding("escape", "leave", "back", id="editor.leave", tooltip="Back to the recipes"),
        Binding("ctrl+r", "reset", "reset", id="editor.reset", tooltip="The focused field as it was opened"),
        Binding("f8", "reset_all", "reset all", id="editor.reset_all", tooltip="All fields as they were opened",
                key_display="F8", show=False),
        Binding("f9", "more_fields", "more fields", id="editor.more_fields", key_display="F9", show=False,
                tooltip="All fields, also those that are rarely changed; again for the usual ones"),
        Binding("pagedown", "group(1)", "group", id="editor.next_group", tooltip="Show the next group of fields",
                key_display="pgdn", priority=True),
        Binding("pageup", "group(-1)", "group before", id="editor.previous_group", key_display="pgup",
                tooltip="Show the group of fields before", show=False, priority=True),
        Binding("down", "field(1)", "next field", id="editor.next_field", tooltip="Go to the next field", show=False),
        Binding("up", "field(-1)", "field before", id="editor.previous_field", tooltip="Go to the field before",
                show=False),
    ]  # fmt: skip

    def __init__(self, document: RecipeDocument, field: str = "") -> None:
        """`document` is copied; it is not changed. `field` is the one that it opens at, if it is named."""
        super().__init__()
        self._opens_at = field
        self.draft = Draft(document)
        self._prospect = Prospect(self.draft)
        self._plan_timer: Timer | None = None
        self._summary = ""
        self._saved_as: Path | None = None
        self._shows_all = False
        self.is_opening = True
        """Whether the first field has yet to be built and to get the focus; what is typed meanwhile waits for it."""

    def compose(self) -> ComposeResult:
        """Groups, form, meaning; the focused field's help below."""
        yield TopLine(f"{self.draft.document.name} · edit")
        groups = {group: self.draft.fields_of(group) for group in self.draft.groups}
        with Container(id="bench"):
            yield GroupTabs(list(groups), PLAN_TAB, id="groups", classes="pane")
            yield RecipeForm(groups, self.draft.text, self.draft.unset, FieldOffers(), id="form", classes="pane")
            with Vertical(id="meaning"):
                yield SchedulePreview(id="preview")
                yield ChangeList(id="changes", classes="pane")
        yield Static("", id="summary", markup=False)
        yield FieldHelp(id="field-help")
        yield KeyBar()

    def on_mount(self) -> None:
        """The frame; its first group follows in a frame of its own."""
        self.query_one("#changes").border_title = Content("changes")
        self.query_one("#facts").add_class("pane")
        self.watch(self.app, "engine_status", self._show_status)
        self.call_after_refresh(self._open)

    async def _open(self) -> None:
        changed = self.draft.changed()  # such as the data that the person has brought
        named = self.draft.fields.get(self.draft.field_at(self._opens_at) or "")
        first = named or next((field for path, field in self.draft.fields.items() if path in changed), None)
        await self.show_group(first.group if first is not None else self.draft.groups[0])
        if named is not None:
            self.query_one(RecipeForm).focus_field(named.path)
        else:
            self._focus_first()
        self.is_opening = False
        self.show_plan()
        self.show_states()
        self.run_worker(self._learn(), exclusive=True)

    async def _learn(self) -> None:
        """What runs here have taken comes into the forecast once it has been read."""
        await asyncio.to_thread(self._prospect.learn)
        await self._look_and_plan()

    def _show_status(self, status: EngineStatus) -> None:
        self.query_one(TopLine).set_status(status)
        if status.report is not self._prospect.report:
            self._prospect.report = status.report
            self.plan_soon()

    @property
    def unsaved(self) -> int:
        """How many fields differ from what was opened or saved."""
        return len(self.draft.changed())

    # Groups and fields

    async def show_group(self, group: str) -> None:
        """Show the fields of this group, or the plan."""
        self.query_one(GroupTabs).chosen = group
        self.set_class(group == PLAN_TAB, "-plan")
        if group == PLAN_TAB:
            self.query_one(FieldHelp).show()
        else:
            await self.query_one(RecipeForm).show_group(group)
            self.show_states()

    def _focus_first(self) -> None:
        self.query_one(RecipeForm).focus_end(1)

    @property
    def rare(self) -> set[str]:
        """The fields that are not shown because they are rarely changed."""
        return set() if self._shows_all else self.draft.rarely_looked_at()

    @on(MoreFields.Asked)
    def action_more_fields(self) -> None:
        """Show all fields, or again the usual ones alone."""
        self._shows_all = not self._shows_all
        focused = self.query_one(RecipeForm).focused_path
        self.show_states()
        if focused in self.rare:
            self._focus_first()

    @on(GroupTabs.Chosen)
    async def _on_group_chosen(self, event: GroupTabs.Chosen) -> None:
        await self.show_group(event.group)
        if event.enter and event.group != PLAN_TAB:
            self._focus_first()

    async def action_group(self, step: int) -> None:
        """Show the next or previous group, and go into its fields."""
        groups = [*self.draft.groups, *([PLAN_TAB] if self.has_class("-narrow") else [])]
        group = groups[(groups.index(self.query_one(GroupTabs).chosen) + step) % len(groups)]
        await self.show_group(group)
        if group == PLAN_TAB:
            self.query_one(GroupTabs).focus()
        else:
            self._focus_first()

    async def action_field(self, step: int) -> None:
        """Go to the next or previous field; at the end of a group on into the next."""
        form = self.query_one(RecipeForm)
        if form.focused_path is None or form.step(step):
            return
        groups = self.draft.groups
        group = groups[(groups.index(form.group) + step) % len(groups)]
        await self.show_group(group)
        form.focus_end(step)

    @on(Input.Submitted)
    async def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        await self.action_field(1)

    @on(RecipeForm.FieldFocused)
    def _on_field_focused(self, event: RecipeForm.FieldFocused) -> None:
        self._help_with(event.field)

    def _help_with(self, field: FormField) -> None:
        moot = self.draft.meaning().get(field.path, ("", ""))[0]
        text = f"Changes nothing here: {moot}. {help_text(field)}" if moot else help_text(field)
        self.query_one(FieldHelp).show(field.label, text)

    # Edits

    @on(FieldRow.Edited)
    def _on_edited(self, event: FieldRow.Edited) -> None:
        self.take_in(event.path, event.text)
        self.show_states()
        self.plan_soon()

    def take_in(self, path: str, text: str) -> None:
        """Change a field, as in the form."""
        if text != self.draft.text(path):
            self._prospect.obstacles.pop(path, None)
        self.query_one(RecipeForm).refresh_texts(self.draft.type(path, text))

    def take_all_in(self) -> None:
        """A key that acts on the whole recipe may come before the news of the last key that was typed."""
        for path, text in self.query_one(RecipeForm).texts().items():
            self.take_in(path, text)
        self.show_states()

    def errors(self) -> dict[str, str]:
        """What is wrong with the recipe, and what stands in its way on this machine, in the form's order."""
        errors = self._prospect.obstacles | self.draft.errors()
        order = [path for path in self.draft.fields if path in errors]
        return {path: errors[path] for path in dict.fromkeys([*order, *errors])}

    def show_states(self) -> None:
        """Mark what is changed and what is wrong."""
        errors, changed = self.errors(), self.draft.changed()
        form = self.query_one(RecipeForm)
        form.set_states(errors, changed, self.draft.meaning(), self.draft.left_out(), self.rare)
        counts = {}
        for group in self.draft.groups:
            paths = [field.path for field in self.draft.fields_of(group)]
            counts[group] = (sum(path in changed for path in paths), sum(path in errors for path in paths))
        self.query_one(GroupTabs).set_counts(counts)
        elsewhere = {path: text for path, text in errors.items() if path not in self.draft.fields}
        self.query_one(ChangeList).show(self.draft.changes(), elsewhere)
        self._show_summary(len(errors), len(changed), _sentences(elsewhere))

    def _show_summary(self, wrong: int, changed: int, elsewhere: list[str]) -> None:
        parts = []
        if wrong:
            parts.append(Content.styled(f"✗ {errors_text(wrong)}", "$error"))
        if changed:
            parts.append(Content.styled(f"* {changed} changed", "$changed"))
        if elsewhere:
            parts.append(Content.styled(elsewhere[0], "$error"))
        if not wrong and self._summary:
            parts.append(Content(self._summary))
        self.query_one("#summary", Static).update(Content("  ").join(parts), layout=False)

    def plan_soon(self) -> None:
        """Say what the edits mean once typing has paused."""
        if self._plan_timer is not None:
            self._plan_timer.stop()
        self._plan_timer = self.set_timer(
            PLAN_AFTER_S, lambda: self.run_worker(self._look_and_plan(), group="plan", exclusive=True)
        )

    async def _look_and_plan(self) -> None:
        """Until all that the recipe names by now was read by another thread; what is typed meanwhile may name more."""
        read: Recipe | None = None
        while (recipe := self.draft.recipe()) is not None and recipe != read:
            await asyncio.to_thread(self._prospect.read, recipe)
            read = recipe
        self.show_plan()

    def show_plan(self) -> None:
        """Say what the edits mean."""
        if not self.display:  # it is being removed
            return
        recipe, plan, outlook = self._prospect.look()
        self.query_one(SchedulePreview).show(recipe, plan, outlook)
        if recipe is not None and plan is not None:
            self._summary = plain_line(summary_of(recipe, plan, outlook))
            self.show_states()
            self.post_message(WarmFor(recipe))

    async def action_reset(self) -> None:
        """The focused field as it was opened."""
        path = self.query_one(RecipeForm).focused_path
        if path is not None:
            self.query_one(RecipeForm).refresh_texts(self.draft.reset(path))
            self.show_states()
            self.plan_soon()

    def action_reset_all(self) -> None:
        """All fields as they were opened."""
        self.draft.reset_all()
        self.query_one(RecipeForm).refresh_texts()
        self.show_states()
        self.plan_soon()

    def action_largest_batch(self) -> None:
        """As many rows to a micro-batch as fit, and as many of these as make the same step."""
        self.take_all_in()
        try:
            found = self._prospect.largest_batch()
        except ValueError as error:
            self.notify(str(error), severity="warning", markup=False)
            return
        for path, number in zip(BATCH_FIELDS, found, strict=True):
            self.draft.type(path, str(number))
        self.query_one(RecipeForm).refresh_texts(list(BATCH_FIELDS))
        self.show_states()
        self.show_plan()
        self.notify(f"{found[0]} × {found[1]} rows a step: the largest micro-batch that fits.", markup=False)


def _sentences(errors: dict[str, str]) -> list[str]:
    return [plain_line(f"{path}: {text}") for path, text in errors.items()]
