"""What is answered while a run trains: the recipe's prompts, held-out rows, questions; rank 0 does, of several"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

from cockpit.engine.chat.asides import Asides
from cockpit.engine.chat.exam import Exam
from cockpit.engine.chat.gathered import GatheredAsides, GatheredSampler
from cockpit.engine.chat.replies import Chatter
from cockpit.engine.chat.samples import Sampler
from cockpit.engine.chat.shared_exam import SharedExam
from cockpit.engine.controls import Controls
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.prepare import PreparedData
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.engine.model.shards import gathered
from cockpit.engine.rank import Ranks
from cockpit.recipe.recipe import Recipe


def chatter_of(loaded: Loaded, recipe: Recipe, journal: Journal, controls: Controls) -> Chatter:
    """What gives the model's replies, with the template that its rows had."""
    template = None
    if loaded.tokenizer.chat_template:
        template = ChatTemplate(loaded.tokenizer, recipe.data.instruction_part, recipe.data.response_part)
    return Chatter(loaded, template, journal, controls)


class WhileTraining:
    """Each is None where the recipe asks for none of it, and on ranks that are not needed for it: rank 0 answers alone,
    and the others take part where each has a share of the weights, or where all are to know what answers come to."""

    def __init__(
        self, recipe: Recipe, loaded: Loaded, journal: Journal, controls: Controls, ranks: Ranks, folder: str
    ) -> None:
        """`folder` is the one that the run was started in, where commands of the suite run."""
        self._recipe, self._loaded, self._ranks = recipe, loaded, ranks
        self._journal, self._controls, self._folder = journal, controls, folder

    def asides(self) -> Asides | GatheredAsides | None:
        """What answers questions."""
        asides = None
        if self._ranks.is_first:
            asides = Asides(self._recipe, self._loaded, self._chatter(), self._journal, self._controls)
        return GatheredAsides(asides, self._loaded.model) if self._loaded.is_sharded else asides

    def sampler(self) -> Sampler | GatheredSampler | None:
        """What answers the recipe's prompts."""
        if not self._recipe.samples.prompts:
            return None
        sampler = None
        if self._ranks.is_first:
            sampler = Sampler(self._recipe, self._loaded, self._chatter(), self._journal, self._controls)
        return GatheredSampler(self._recipe, sampler, self._loaded.model) if self._loaded.is_sharded else sampler

    def exam(self, data: PreparedData) -> Exam | SharedExam | None:
        """What answers held-out rows and the suite, and measures the answers."""
        if not self._recipe.evaluation.answers:
            return None
        gather = partial(gathered, self._loaded.model) if self._loaded.is_sharded else nullcontext
        if not self._ranks.is_first:
            return SharedExam(self._recipe, None, self._ranks, gather)
        chatter = self._chatter()
        exam = Exam(self._recipe, self._loaded, chatter, self._journal, self._controls, self._folder)
        exam.begin(data.held_out)
        return SharedExam(self._recipe, exam, self._ranks, gather) if self._ranks.are_several else exam

    def _chatter(self) -> Chatter:
        return chatter_of(self._loaded, self._recipe, self._journal, self._controls)
