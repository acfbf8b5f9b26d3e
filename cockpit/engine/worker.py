"""The thread that imports, trains and answers"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cockpit.engine.agreement import AgreedControls
from cockpit.engine.beginning import Beginning, recipe_of
from cockpit.engine.controls import Controls
from cockpit.engine.errors import RunFailure, classify_error, is_out_of_memory
from cockpit.engine.fallback import fall_back
from cockpit.engine.journal import Journal
from cockpit.engine.machine import Machine
from cockpit.engine.rank import Ranks, is_loss_of_others
from cockpit.engine.stack import LLAMA_CPP, StackLog, import_stack
from cockpit.machine.compile_cache import usual_place
from cockpit.protocol.commands import Question, Train
from cockpit.protocol.events import GpuReading, Outcome, RunEnded, TrainingResumed
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from cockpit.runs.moved_base import why_other_base, with_base
from cockpit.runs.state import STEPPING

if TYPE_CHECKING:
    from cockpit.engine.chat.answers import Answers
    from cockpit.engine.chat.gguf_replies import GgufAnswers
    from cockpit.engine.model.loading import Loaded
    from cockpit.engine.rank_watch import RankWatch
    from cockpit.engine.training.resumption import Resumption
    from cockpit.engine.training.run import Trained
    from cockpit.engine.training.watchdogs import Watchdogs


class Worker:
    """Does what `controls` say, one thing after another, and ends each run exactly once."""

    def __init__(
        self,
        run: RunDir,
        backend: str,
        journal: Journal,
        controls: Controls,
        machine: Machine,
        *,
        chat_only: bool,
        base: str | None = None,
        may_fall_back: bool = False,
        ranks: Ranks | None = None,
        watch: RankWatch | None = None,
    ) -> None:
        """`run` may be another folder by the time that Train is taken up. `base`: where a chat finds the base, in place
        of the recipe's model. `may_fall_back`: the process begins anew once it `falls_back`, or its launcher does.
        `watch` looks at the other ones of several `ranks`."""
        self.ranks, self._watch = ranks or Ranks(), watch
        self.run = run
        self.begun = False
        """Whether a run was begun."""
        self.ended = False
        """Whether that run has had its RunEnded."""
        self.ready_at: float | None = None
        """Since when the model answers, in time.monotonic()."""
        self.step = 0
        self.falls_back = False
        """Whether the run has not ended, and goes on as it was written in a new engine of the same process, or of the
        same launcher."""
        self.is_falling_back = False
        """Whether that is made ready: commands are then for the engine that comes."""
        self.failure = ""
        """Why the worker ended where nobody asked for that."""
        self._backend = backend
        self.journal = journal
        self.controls = controls
        self._machine = machine
        self._chat_only = chat_only
        self._base = base
        self._may_fall_back = may_fall_back
        self._ending, self._falling = threading.Lock(), threading.Lock()
        self._end: RunEnded | None = None
        self._order: Train | None = None
        self.beginning = Beginning(journal, machine)
        self.watchdogs: Watchdogs | None = None
        """While it trains, and afterwards."""
        self._thread = threading.Thread(target=self.work, name="worker", daemon=True)

    @property
    def is_stepping(self) -> bool:
        """Whether steps are taken, between which a question can be answered."""
        return self.begun and not self.ended and self.journal.phase in STEPPING

    def start(self) -> None:
        """Begin to import."""
        self._thread.start()

    def is_done(self) -> bool:
        """Whether the thread has ended."""
        return not self._thread.is_alive()

    def begin_run(self, train: Train) -> None:
        """Take the run up: tell of it at once, however long the import still takes."""
        self._order = train
        self.begun = True
        self.beginning.tell(self.run, train)
        self.controls.work.put(train)

    def settle_end(self, ending: RunEnded) -> None:
        """How the run will be said to have ended, once what is under way has been left."""
        with self._ending:
            self._end = self._end or ending

    @property
    def ending(self) -> RunEnded | None:
        """How the run has ended; None before that was told."""
        return self._end if self.ended else None

    def end_run(self, ending: RunEnded) -> None:
        """Tell how the run ended, once; the first call says how, and none counts where no run was begun.

        Raises OSError where the disk takes no more; a later call tries to write the same end again.
        """
        with self._ending:
            if not self.begun or self.ended:
                return
            self._end = self._end or ending
            self.beginning.tell_at_last()
            self.journal.emit(self._end)
            self.ended = True

    def work(self) -> None:
        """What the thread does: import, then train or load, then answer."""
        try:
            self.journal.enter_phase("importing", self._backend)
            import_stack(self._backend)
            StackLog(self.journal).listen()
            if self._backend == LLAMA_CPP:
                self._chat_with_gguf()
                return
            if self._chat_only:
                self._chat_with_past_run()
                return
            if not self.begun:
                self.journal.enter_phase("standby")
            job = self.controls.work.get()
            if isinstance(job, Train):
                self._train()
        except BaseException as error:
            traceback.print_exc()
            ending = classify_error(error, self.beginning.known_recipe, self.step)
            # Where a run was begun its end tells the advice; where Train had not come yet nothing else does.
            self.failure = ending.reason if self.begun else " ".join(filter(None, (ending.reason, ending.advice)))
            self.settle_end(ending)  # also of a run that is begun between this failure and the engine's end
            self._try_to_end(ending)

    def _train(self) -> None:
        from cockpit.engine.training.run import save_result

        try:
            recipe = self.beginning.recipe()
            if recipe.backend != self._backend:
                raise RunFailure(
                    f"This engine is warm for {self._backend}, and the recipe's backend is {recipe.backend}."
                )
            self.controls.stop_if_asked()
            self._check_own_code(recipe)
            self._tell_devices()
            self._meet()
            loaded, trained = self._train_with_others(recipe)
            if trained.step and not trained.dropped:
                self.journal.check_folder()
                save_result(loaded, self.run, self.journal, trained)
            self.journal.check_folder()
        except BaseException as error:
            traceback.print_exc()
            ending = self._ending_of(error)
            if not self.fall_back(ending):
                self._try_to_end(ending)
            return
        if trained.stopped:
            self.end_run(self._stopped(trained))
        else:
            self.end_run(RunEnded(outcome="completed", step=trained.step, reason=trained.why))
        if trained.step and not trained.dropped and not self.controls.leaving:
            if not loaded.is_sharded:
                self._chat(loaded, recipe)
                return
            del loaded, trained
            if (whole := self._loaded_whole(recipe)) is not None:
                self._chat(whole, recipe)

    def _loaded_whole(self, recipe: Recipe) -> Loaded | None:
        """What was saved, on this rank alone, once its share of the weights has gone; None where one GPU has no room
        for all of them."""
        import torch

        from cockpit.engine.model.loading import load_for_chat

        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.journal.enter_phase("loading_model", recipe.model.name_or_path)
        try:
            return load_for_chat(recipe, self.run.result or self.run.adapter, self._say)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._say("One GPU has no room for all of the weights, so that nothing can be asked here.")
            return None

    def _meet(self) -> None:
        """Find the other ranks, where there are some: all train what rank 0 was told to."""
        if self.ranks.are_several:
            self._say(f"Rank {self.ranks.rank.index} of {self.ranks.world} meets the others.")
            self.ranks.join()
            self._order = self.ranks.share(self._order)

    def _train_with_others(self, recipe: Recipe) -> tuple[Loaded, Trained]:
        """What every rank does. What is fetched or tokenized is there for the others once the first has it."""
        from cockpit.engine.model.loading import load_for_training

        self.ranks.in_turn(lambda: self._download_all(recipe))
        self.journal.enter_phase("loading_model", recipe.model.name_or_path)
        resumed = self._resumption()
        loaded = load_for_training(self._with_adapter(recipe, resumed), self._say)
        trained = self._prepare_and_train(recipe, loaded, resumed)
        if self._watch is not None:
            self._watch.are_done = True
        self.ranks.leave()
        return loaded, trained

    def _download_all(self, recipe: Recipe) -> None:
        self._download_data(recipe)
        self._download(recipe)

    def training_controls(self) -> Controls:
        """What the training looks at: what readers ask, on which several ranks agree."""
        return AgreedControls(self.ranks, self.controls) if self.ranks.are_several else self.controls

    @property
    def _started_in(self) -> str:
        """The folder that the run was started in; empty where nobody knows."""
        return self._order.folder if self._order is not None else ""

    def _check_own_code(self, recipe: Recipe) -> None:
        """Before anything is loaded. Raises RunFailure."""
        from cockpit.engine.chat.exam import check_own_code
        from cockpit.runs.origin import distrust

        if refusal := distrust(self.run.path):
            self.journal.log("warning", refusal)
        folder = self._started_in
        if recipe.evaluation.answers:
            check_own_code(recipe, folder)
        if recipe.method == "grpo":
            from cockpit.engine.training.rewards import reward_functions

            if folder and folder not in sys.path:
                sys.path.append(folder)
            reward_functions(recipe.grpo)

    def fall_back(self, ending: RunEnded) -> bool:
        """Whether the run is to go on as it was written, which is made ready then: where memory ran out, or where the
        first step already did not work, on this rank or another. May be called from any thread."""
        is_unfit = ending.outcome == "out_of_memory" or (
            ending.outcome == "failed" and self.journal.phase == "compiling" and not ending.rank_lost
        )
        with self._falling:
            may = is_unfit and self._may_fall_back and self.controls.stop is None and self._order is not None
            may = may and (self._watch is None or not self._watch.are_done)  # the others have left by then
            if may and not self.falls_back:
                self.is_falling_back = True
                self.falls_back = self.is_falling_back = self._make_ready_as_written(ending)
            return self.falls_back

    def _make_ready_as_written(self, ending: RunEnded) -> bool:
        assert self._order is not None
        try:
            gpus = self._machine.gpus()
            return fall_back(self.run, self._order, self.journal, ending, gpus[0].name if gpus else "")
        except OSError:
            traceback.print_exc()
            return False

    def _ending_of(self, error: BaseException) -> RunEnded:
        """The end that an exception brings, with what is known of the memory where that ran out. Of one that says only
        that another rank has gone it is that rank's."""
        if self._watch is not None and is_loss_of_others(error) and (found := self._watch.cause()) is not None:
            return msgspec.structs.replace(found, step=self.step)
        ending = classify_error(error, self.beginning.known_recipe, self.step)
        if ending.outcome == "stopped" and not ending.reason:
            return msgspec.structs.replace(ending, reason=self.controls.why)
        if ending.outcome != "out_of_memory":
            return ending
        from cockpit.engine.training.memory import out_of_memory, told

        memory = out_of_memory(error, self.journal.phase or "")
        words = told(memory)
        reason = f"{ending.reason.rstrip('.')}: {words}." if words else ending.reason
        return msgspec.structs.replace(ending, reason=reason, memory=memory)

    def _stopped(self, trained: Trained) -> RunEnded:
        """The end of a run that was stopped by a reader, or by a watchdog, which tells why."""
        cause = self.watchdogs.stopped_by if self.watchdogs is not None else None
        if cause is None:
            return RunEnded(outcome="stopped", step=trained.step, reason=self.controls.why)
        outcome: Outcome = "failed" if trained.dropped else "stopped"
        return RunEnded(outcome=outcome, step=trained.step, reason=cause.finding, advice=cause.advice)

    def _resumption(self) -> Resumption | None:
        from cockpit.engine.training.resumption import resumption

        if self._order is None or not self._order.resume:
            return None
        if self._order.from_step == 0:
            self.journal.emit(TrainingResumed(step=0, path=""))
            return None
        if self.ranks.is_first:
            found = resumption(self.run, self._order.from_step, self._say)
            self.ranks.share(found.step)
        else:
            found = resumption(self.run, self.ranks.share(0), self._say)
        self._say(f"Resuming from {found.checkpoint.path.name}.")
        self.step = found.step
        return found

    def _with_adapter(self, recipe: Recipe, resumed: Resumption | None) -> Recipe:
        """The recipe with the adapter that it goes on with: that of its checkpoint where the run is `resumed`."""
        from cockpit.engine.model.going_on import check_base
        from cockpit.engine.model.new_tokens import starting_adapter

        if recipe.model.adapter is None:
            return recipe
        if resumed is not None:
            model = recipe.model.model_copy(update={"adapter": str(resumed.checkpoint.path)})
            return recipe.model_copy(update={"model": model})
        check_base(recipe, self.beginning.base_sha256, self._say)
        self._say(f"Going on with the adapter {recipe.model.adapter}: {starting_adapter(recipe).summary}.")
        return recipe

    def _prepare_and_train(self, recipe: Recipe, loaded: Loaded, resumed: Resumption | None) -> Trained:
        from cockpit.engine.chat.while_training import WhileTraining
        from cockpit.engine.data.prepare import prepare_data
        from cockpit.engine.training.run import train
        from cockpit.engine.training.watchdogs import Watchdogs

        self.controls.stop_if_asked()
        self.journal.enter_phase("preparing_data")
        asked = resumed.prepared_as_before(recipe) if resumed is not None else recipe
        data = self.ranks.in_turn(
            lambda: prepare_data(asked, loaded.tokenizer, self._say, self._data_progress, loaded.processor)
        )
        self.journal.emit(data.counts)
        for sentence in resumed.changes_of_data(data.counts) if resumed is not None else ():
            self.journal.log("warning", sentence)
        self.controls.stop_if_asked()
        if self.ranks.is_first:
            self.watchdogs = Watchdogs(recipe.watchdogs, self.run, self.journal, self.controls, recipe.kind.unwatched)
            if resumed is not None:
                self.watchdogs.course.begin(resumed.tokens_seen, resumed.trained_tokens)
        answers = WhileTraining(recipe, loaded, self.journal, self.controls, self.ranks, self._started_in)
        return train(
            recipe,
            loaded,
            data,
            self.run,
            self.journal,
            self.training_controls(),
            self.step_done,
            resumed,
            answers.sampler(),
            answers.exam(data),
            self.watchdogs,
            answers.asides(),
            self.ranks,
        )

    def _tell_devices(self) -> None:
        """The choice of GPU, as it would be made by hand."""
        import torch

        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        if named and torch.cuda.is_available():
            self._say(f"CUDA_VISIBLE_DEVICES={named}")
        elif named is not None:
            why = f"names {named}, and no GPU is found" if named else "is empty"
            self._say(f"CUDA_VISIBLE_DEVICES {why}: the CPU trains.")
        place = Path(os.environ.get("UNSLOTH_COMPILE_LOCATION") or usual_place() / "compiled").parent
        if place != usual_place() and not os.access(usual_place(), os.W_OK):
            self._say(f"Compiled code is kept in {place}: {usual_place()} cannot be written.")

    def _download(self, recipe: Recipe) -> None:
        """Bring a model of the Hub to this disk."""
        from cockpit.engine.hub.models import download, is_on_hub

        if is_on_hub(recipe.model):
            self.journal.enter_phase("downloading", recipe.model.name_or_path)
            download(recipe.model, self._say, self._download_progress)

    def _download_data(self, recipe: Recipe) -> None:
        """Bring datasets of the Hub to this disk: before the model, which is larger and would be loaded in vain."""
        from cockpit.engine.data.row_source import is_on_hub
        from cockpit.engine.hub import datasets as hub_rows

        for _, source in recipe.data.every_source():
            if is_on_hub(source):
                self.journal.enter_phase("downloading", source.name_or_path)
                hub_rows.download(source, self._download_progress)

    def _chat_with_past_run(self) -> None:
        from cockpit.engine.model.loading import load_for_chat

        recipe = with_base(recipe_of(self.run), self._base)
        self._download(recipe)
        self.journal.enter_phase("loading_model", recipe.model.name_or_path)
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(why_other_base, self.run, recipe)
            loaded = load_for_chat(recipe, self.run.result or self.run.adapter, self._say)
            self._chat(loaded, recipe, [why] if (why := other.result()) else [])

    def _chat_with_gguf(self) -> None:
        from cockpit.engine.chat.gguf_replies import GgufAnswers
        from cockpit.engine.model.gguf_model import GgufModel

        self.journal.enter_phase("loading_model", self.run.gguf.readlink().name)
        self._answer_all(GgufAnswers(GgufModel(self.run.gguf), self.journal, self.controls))

    def _chat(self, loaded: Loaded, recipe: Recipe, notes: Sequence[str] = ()) -> None:
        import torch

        from cockpit.engine.chat.answers import Answers
        from cockpit.engine.chat.while_training import chatter_of
        from cockpit.engine.model.loading import for_inference

        gc.collect()  # the trainer with its optimizer hangs in cycles
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        for_inference(loaded)
        if recipe.lora.bias != "none" and loaded.adapted:
            self._say(
                "lora.bias has trained biases of the base itself: without the adapter it answers not quite as before."
            )
        if recipe.lora.loftq_config is not None and loaded.adapted:
            self._say("LoftQ has rounded the base itself: without the adapter it answers not quite as before.")
        chatter = chatter_of(loaded, recipe, self.journal, self.controls)
        self._answer_all(Answers(chatter, self.journal, self.controls), notes)

    def _answer_all(self, answers: Answers | GgufAnswers, notes: Sequence[str] = ()) -> None:
        """Answer what is asked until the engine ends. `notes` are sentences on what is odd about the model."""
        self.ready_at = time.monotonic()
        self.journal.enter_phase("ready", " ".join([*notes, *answers.notes]))
        answers.warm_up(self.controls.work.empty)
        while not self.controls.leaving:
            job = self.controls.work.get()
            if isinstance(job, Question):
                answers.answer(job)

    def _try_to_end(self, ending: RunEnded) -> None:
        try:
            self.end_run(ending)
        except OSError:
            print(f"The run's end could not be written: {ending}", file=sys.stderr)

    def _say(self, text: str) -> None:
        self.journal.log("info", text)

    def _data_progress(self, done: int, total: int | None) -> None:
        self.controls.stop_if_asked()
        self.journal.progress("preparing_data", done, total, "rows")

    def _download_progress(self, done: int, total: int) -> None:
        self.controls.stop_if_asked()
        self.journal.progress("downloading", done, total, "B")

    def step_done(self, step: int) -> None:
        """Note a finished step, and what the machine does meanwhile."""
        self.step = step
        reading = self._machine.read(step)
        if self.ranks.on_several_machines:
            reading = msgspec.structs.replace(reading, gpus=[*reading.gpus, *self.readings_of_all()])
        self.journal.emit_reading(reading)

    def readings_of_all(self) -> list[GpuReading]:
        """Of the GPUs of all machines but the first, where there are several; every rank calls this after each step."""
        rank = self.ranks.rank
        if not self.ranks.on_several_machines:
            return []
        ours: list[GpuReading] = []
        if rank.node and not rank.local:
            host, at = os.uname().nodename, rank.index
            ours = [
                msgspec.structs.replace(gpu, index=at + number, name=f"{gpu.name} on {host}")
                for number, gpu in enumerate(self._machine.gpus())
            ]
        return [gpu for gpus in self.ranks.gather(ours) for gpu in gpus]
