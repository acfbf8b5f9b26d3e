"""A suite's prompts as the engine is asked them"""

from __future__ import annotations

from cockpit.paths import expanded
from cockpit.recipe.suite import Prompt, Suite


def conversations(suite: Suite) -> list[list[dict[str, str]]]:
    """The messages of each prompt, oldest first, in the suite's order; pictures by absolute paths."""
    return [_messages(prompt, suite.system_prompt) for _, _, prompt in suite.prompts()]


def _messages(prompt: Prompt, usual: str) -> list[dict[str, str]]:
    turns = [("user", prompt.prompt, prompt.image)] if prompt.prompt is not None else []
    turns += [(turn.role, turn.content, turn.image) for turn in prompt.messages]
    system = prompt.system_prompt or ("" if turns[0][0] == "system" else usual)
    messages = [{"role": "system", "content": system}] if system.strip() else []
    for role, content, image in turns:
        about = {"image": str(expanded(image).absolute())} if image is not None else {}
        messages.append({"role": role, "content": content, **about})
    return messages
