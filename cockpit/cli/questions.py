"""Questions: who is asked, how replies are drawn, and what was said before"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cockpit.cli.ending import end

if TYPE_CHECKING:
    from cockpit.protocol.commands import Chat
    from cockpit.recipe.chat import Sampling
    from cockpit.runs.conversation import Conversation, Round
    from cockpit.runs.folder import RunDir
    from cockpit.runs.state import Reply

Who = Literal["tuned", "both", "base"]


class Questions:
    """Makes the commands of a conversation."""

    def __init__(self, who: Who, preset: str | None, changes: dict[str, Any], image: Path | None = None) -> None:
        """`preset` is a name of the recipe's, `changes` are fields that it is changed by; the first question is about
        `image`."""
        from cockpit.paths import expanded
        from cockpit.runs.conversation import Conversation

        self.who: Who = who
        self.changes = changes
        self.conversation: Conversation = Conversation()
        self.image = None if image is None else str(expanded(image).absolute())
        self._preset_name = preset
        self._presets: list[Sampling] = []

    @property
    def adapters(self) -> list[bool]:
        """Whether the adapter is on, of each that is asked."""
        return {"tuned": [True], "both": [False, True], "base": [False]}[self.who]

    @property
    def sampling(self) -> Sampling:
        """How replies are drawn."""
        named = [one for one in self._presets if one.name == self._preset_name]
        preset = (named or self._presets)[0]
        return preset.model_copy(update=self.changes)

    def take_recipe(self, run: RunDir) -> None:
        """Use the presets of the run's recipe. Ends the command where none has the name that was given. Raises
        RecipeError."""
        from cockpit.recipe.document import RecipeDocument

        self._presets = RecipeDocument.load(run.recipe).recipe().chat.presets
        names = [preset.name for preset in self._presets]
        if self._preset_name is not None and self._preset_name not in names:
            end(f"--preset: there is no preset {self._preset_name}; the recipe has {', '.join(names)}.", 2)

    def chats(self, prompt: str, replies: dict[str, Reply] | None = None, *, again: bool = False) -> list[Chat]:
        """The prompt for each that is asked, with what was said before; `again`, the last one once more."""
        from cockpit.protocol.commands import Chat
        from cockpit.runs.link import new_command_id

        sampling = self.sampling
        fields = sampling.model_dump(exclude={"name", "system_prompt"})
        return [
            Chat(
                id=new_command_id(),
                messages=self.conversation.messages_for(
                    prompt,
                    replies or {},
                    adapter=adapter,
                    image=self.image,
                    again=again,
                    system=sampling.system_prompt,
                ),
                adapter=adapter,
                **fields,
            )
            for adapter in self.adapters
        ]

    def remember(self, prompt: str, chats: list[Chat], *, again: bool = False) -> None:
        """They were put."""
        asked: Round = {chat.adapter: chat.id for chat in chats}
        if again:
            self.conversation.ask_again(asked)
        else:
            self.conversation.ask(prompt, asked, image=self.image)
            self.image = None
