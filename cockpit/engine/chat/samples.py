"""The recipe's prompts, answered while it trains: the same words each time, so that one reads what has changed"""

from __future__ import annotations

import torch

from cockpit.engine.chat.answering import answering
from cockpit.engine.chat.replies import Chatter
from cockpit.engine.controls import Controls
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.protocol.commands import Chat
from cockpit.protocol.events import SampleAnswered
from cockpit.recipe.recipe import Recipe


class Sampler:
    """Asks as the chat pane does, greedily where the recipe says nothing else."""

    def __init__(self, recipe: Recipe, loaded: Loaded, chatter: Chatter, journal: Journal, controls: Controls) -> None:
        self._recipe, self._loaded, self._chatter = recipe, loaded, chatter
        self._journal, self._controls = journal, controls
        self.every_steps = recipe.samples.every_steps
        self.prompts = len(recipe.samples.prompts)

    def answer(self, step: int) -> None:
        """Answer all prompts with the weights after `step`; a stop leaves the rest. What goes wrong is told with the
        answer. The caller sees to random numbers."""
        with answering(self._loaded, self._recipe):
            torch.manual_seed(self._recipe.training.seed)
            for index, prompt in enumerate(self._recipe.samples.prompts):
                if self._controls.stop is not None:
                    break
                self._answer(step, index, prompt)

    def _answer(self, step: int, index: int, prompt: str) -> None:
        settings = self._recipe.samples
        system = [{"role": "system", "content": settings.system_prompt}] if settings.system_prompt else []
        chat = Chat(
            id="",
            messages=[*system, {"role": "user", "content": prompt}],
            enable_thinking=settings.enable_thinking,
            do_sample=settings.do_sample,
            max_new_tokens=settings.max_new_tokens,
            temperature=settings.temperature,
            top_p=1.0,
            top_k=0,
        )
        answer, reasoning = [], []

        def tell(text: str, thinking: str, tokens: int) -> None:
            answer.append(text)
            reasoning.append(thinking)

        reply = self._chatter.reply(chat, tell, lambda: self._controls.stop is not None, trains=True)
        self._journal.emit(
            SampleAnswered(
                step=step,
                index=index,
                prompt=prompt,
                text="".join(answer),
                thinking="".join(reasoning),
                end=reply.end,
                new_tokens=reply.new_tokens,
                duration_s=reply.duration_s,
                reason=reply.reason,
            )
        )
