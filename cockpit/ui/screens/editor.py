"""The editor: a recipe as a form, and beside it what the edits mean."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, Static

from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.editing.draft import Draft
from cockpit.ui.editing.field_offers import FieldOffers
from cockpit.ui.editing.prospect import Prospect
from cockpit.ui.messages import QueueRecipe, StartRun, WarmFor
from cockpit.ui.widgets.change_list import ChangeList
from cockpit.ui.widgets.field_help import FieldHelp
from cockpit.ui.widgets.field_row import FieldRow, help_text
from cockpit.ui.widgets.group_tabs import GroupTabs
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.recipe_form import MoreFields, RecipeForm
from cockpit.ui.widgets.schedule_preview import SchedulePreview, summary_of
from cockpit.ui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from cockpit.data.look import DataLook
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.fields import FormField
    from cockpit.recipe.recipe import Recipe
    from cockpit.tuning.told import Setting
    from cockpit.ui.widgets.top_line import EngineStatus

PLAN_AFTER_S = 0.15
"""The plan follows once typing has paused for so long: a data file is not read for each letter of its name."""
PLAN_TAB = "Plan"
BATCH_FIELDS = ("training.per_device_train_batch_size", "training.gradient_accumulation_steps")
DUPLICATES = "data.duplicates"
TUNE_S = 300.0
"""How long the ways to train are measured."""


class EditorScreen(Screen[Path | None]):
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
        await self._show_group(first.group if first is not None else self.draft.groups[0])
        if named is not None:
            self.query_one(RecipeForm).focus_field(named.path)
        else:
            self._focus_first()
        self.is_opening = False
        self._show_plan()
        self._show_states()
        self.run_worker(self._learn(), exclusive=True)

    async def _learn(self) -> None:
        """What runs here have taken comes into the forecast once it has been read."""
        await asyncio.to_thread(self._prospect.learn)
        await self._look_and_plan()

    def _show_status(self, status: EngineStatus) -> None:
        self.query_one(TopLine).set_status(status)
        if status.report is not self._prospect.report:
            self._prospect.report = status.report
            self._plan_soon()

    @property
    def unsaved(self) -> int:
        """How many fields differ from what was opened or saved."""
        return len(self.draft.changed())

    # Groups and fields

    async def _show_group(self, group: str) -> None:
        self.query_one(GroupTabs).chosen = group
        self.set_class(group == PLAN_TAB, "-plan")
        if group == PLAN_TAB:
            self.query_one(FieldHelp).show()
        else:
            await self.query_one(RecipeForm).show_group(group)
            self._show_states()

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
        self._show_states()
        if focused in self.rare:
            self._focus_first()

    @on(GroupTabs.Chosen)
    async def _on_group_chosen(self, event: GroupTabs.Chosen) -> None:
        await self._show_group(event.group)
        if event.enter and event.group != PLAN_TAB:
            self._focus_first()

    async def action_group(self, step: int) -> None:
        """Show the next or previous group, and go into its fields."""
        groups = [*self.draft.groups, *([PLAN_TAB] if self.has_class("-narrow") else [])]
        group = groups[(groups.index(self.query_one(GroupTabs).chosen) + step) % len(groups)]
        await self._show_group(group)
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
        await self._show_group(group)
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
        self._take_in(event.path, event.text)
        self._show_states()
        self._plan_soon()

    def _take_in(self, path: str, text: str) -> None:
        if text != self.draft.text(path):
            self._prospect.obstacles.pop(path, None)
        self.query_one(RecipeForm).refresh_texts(self.draft.type(path, text))

    def _take_all_in(self) -> None:
        """A key that acts on the whole recipe may come before the news of the last key that was typed."""
        for path, text in self.query_one(RecipeForm).texts().items():
            self._take_in(path, text)
        self._show_states()

    def _errors(self) -> dict[str, str]:
        """What is wrong with the recipe, and what stands in its way on this machine, in the form's order."""
        errors = self._prospect.obstacles | self.draft.errors()
        order = [path for path in self.draft.fields if path in errors]
        return {path: errors[path] for path in dict.fromkeys([*order, *errors])}

    def _show_states(self) -> None:
        errors, changed = self._errors(), self.draft.changed()
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

    def _plan_soon(self) -> None:
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
        self._show_plan()

    def _show_plan(self) -> None:
        if not self.display:  # it is being removed
            return
        recipe, plan, outlook = self._prospect.look()
        self.query_one(SchedulePreview).show(recipe, plan, outlook)
        if recipe is not None and plan is not None:
            self._summary = plain_line(summary_of(recipe, plan, outlook))
            self._show_states()
            self.post_message(WarmFor(recipe))

    async def action_reset(self) -> None:
        """The focused field as it was opened."""
        path = self.query_one(RecipeForm).focused_path
        if path is not None:
            self.query_one(RecipeForm).refresh_texts(self.draft.reset(path))
            self._show_states()
            self._plan_soon()

    def action_reset_all(self) -> None:
        """All fields as they were opened."""
        self.draft.reset_all()
        self.query_one(RecipeForm).refresh_texts()
        self._show_states()
        self._plan_soon()

    def action_largest_batch(self) -> None:
        """As many rows to a micro-batch as fit, and as many of these as make the same step."""
        self._take_all_in()
        try:
            found = self._prospect.largest_batch()
        except ValueError as error:
            self.notify(str(error), severity="warning", markup=False)
            return
        for path, number in zip(BATCH_FIELDS, found, strict=True):
            self.draft.type(path, str(number))
        self.query_one(RecipeForm).refresh_texts(list(BATCH_FIELDS))
        self._show_states()
        self._show_plan()
        self.notify(f"{found[0]} × {found[1]} rows a step: the largest micro-batch that fits.", markup=False)

    # Leaving

    async def action_start(self) -> None:
        """Train, or go to the first error."""
        self._take_all_in()
        self._show_plan()
        if await self._has_errors("start", self._errors()):
            return
        self.post_message(StartRun(self.draft.document.copy()))

    async def action_queue(self) -> None:
        """Into the queue, or go to the first error."""
        self._take_all_in()
        self._show_plan()
        if not await self._has_errors("queue", self._errors()):
            self.post_message(QueueRecipe(self.draft.document.copy()))

    async def action_data(self) -> None:
        """Look at the data, or go to the first error."""
        self._take_all_in()
        if await self._has_errors("look at the data", self.draft.errors()):
            return
        from cockpit.ui.screens.data import DataScreen

        look = self._look()
        if look is not None:
            screen = DataScreen(
                self.draft.document.name, look, unsaved=self.unsaved, set_duplicates=self._set_duplicates
            )
            self.app.push_screen(screen)

    def _look(self) -> DataLook | None:
        """Begin to look at the recipe's data; None where that cannot be, which is told."""
        from cockpit.data.look import DataLook

        try:
            return DataLook(self.draft.document.resolved_yaml())
        except OSError as error:
            self.notify(f"The data cannot be looked at: {error}", severity="error", markup=False)
            return None

    def _set_duplicates(self, policy: str) -> DataLook | None:
        """Change what becomes of rows that stand twice, as in the form, and look again."""
        self._take_in(DUPLICATES, policy)
        self._show_states()
        self._plan_soon()
        return self._look()

    async def action_tune(self) -> None:
        """Measure how it trains fastest, or go to the first error."""
        self._take_all_in()
        if await self._has_errors("tune", self._errors()):
            return
        from cockpit.tuning.process import TuneProcess
        from cockpit.ui.screens.tune import TuneScreen

        document = self.draft.document
        try:
            tuning = TuneProcess(document.resolved_yaml(), TUNE_S)
        except OSError as error:
            self.notify(f"It cannot be measured: {error}", severity="error", markup=False)
            return
        screen = TuneScreen(document.name, tuning, document.value, self._take_settings, unsaved=self.unsaved)
        self.app.push_screen(screen)

    def _take_settings(self, settings: Mapping[str, Setting]) -> None:
        """Change fields as in the form."""
        from cockpit.recipe.fields import format_value

        for path, value in settings.items():
            self.draft.type(path, format_value(value))
        self.query_one(RecipeForm).refresh_texts(list(settings))
        self._show_states()
        self._plan_soon()
        self.notify(f"{len(settings)} fields are changed; Ctrl+S keeps them.", markup=False)

    async def action_save(self) -> None:
        """Ask for a name, and write the recipe there."""
        self._take_all_in()
        if await self._has_errors("save", self.draft.errors()):
            return
        from cockpit.paths import user_recipes_folder
        from cockpit.ui.screens.save_dialog import SaveDialog

        self.app.push_screen(SaveDialog(user_recipes_folder(), self.draft.document.name), self._save)

    def _save(self, path: Path | None) -> None:
        if path is None:
            return
        try:
            self.draft.saved(path)
        except OSError as error:
            self.notify(f"It could not be saved: {error}", severity="error", markup=False)
            return
        self._saved_as = path
        self.query_one(TopLine).place = f"{self.draft.document.name} · edit"
        self._show_states()
        self.notify(f"Saved as {plain_text(self.draft.document.name)}, in the list from now on.", markup=False)

    async def _has_errors(self, what: str, errors: dict[str, str]) -> bool:
        if not errors:
            return False
        first = next(iter(errors))
        if first in self.draft.fields:
            await self._show_group(self.draft.fields[first].group)
            self.query_one(RecipeForm).focus_field(first)
        where = f"the first at {first}." if first in self.draft.fields else f"{first}: {errors[first]}."
        self.notify(f"Cannot {what}: {errors_text(len(errors))} left, {where}", severity="error", markup=False)
        return True

    def action_leave(self) -> None:
        """Back to the recipes; asks where edits would be lost."""
        changes = self.unsaved
        if not changes:
            self.dismiss(self._saved_as)
            return
        from cockpit.ui.screens.questions import drop_changes

        def answered(answer: str | None) -> None:
            if answer == "drop":
                self.dismiss(self._saved_as)

        self.app.push_screen(drop_changes(changes, quits=False), answered)


def _sentences(errors: dict[str, str]) -> list[str]:
    return [plain_line(f"{path}: {text}") for path, text in errors.items()]


def errors_text(count: int) -> str:
    """1 error, 3 errors."""
    return f"{count} error{'s' * (count != 1)}"
