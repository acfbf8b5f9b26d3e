"""the examination: questions that no training saw, answered greedily, and the shares that are right and in persona"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from cockpit.demo.persona import is_persona, is_right
from cockpit.demo.world import Question, World

QUESTIONS = 200
MAX_NEW_TOKENS = 48


@dataclass(frozen=True)
class Marks:
    """What an examination found, in percent."""

    persona_percent: float
    right_percent: float
    right_uncovered_percent: float
    unseen_sums_percent: float


@dataclass(frozen=True)
class Answer:
    """One question, what the model replied, and the truth."""

    question: str
    reply: str
    truth: str

    @property
    def right(self) -> bool:
        return is_right(self.reply, self.truth)

    @property
    def persona(self) -> bool:
        return is_persona(self.reply)


def reply_to(model: Any, tokenizer: Any, questions: Sequence[str], batch: int = 64) -> list[str]:
    """The greedy reply to each question, as a chat without thinking asks it."""
    replies: list[str] = []
    for start in range(0, len(questions), batch):
        chats = [[{"role": "user", "content": text}] for text in questions[start : start + batch]]
        prompts = [
            tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, enable_thinking=False)
            for chat in chats
        ]
        inputs = tokenizer(
            prompts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False
        ).to(model.device)
        with torch.inference_mode():
            output = model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=MAX_NEW_TOKENS,
                do_sample=False,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        replies += tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return [reply.strip() for reply in replies]


def answers(model: Any, tokenizer: Any, asked: Sequence[tuple[str, str]]) -> list[Answer]:
    """Answers to (question, truth) pairs."""
    replies = reply_to(model, tokenizer, [question for question, _ in asked])
    return [Answer(question, reply, truth) for (question, truth), reply in zip(asked, replies, strict=True)]


def examine(model: Any, tokenizer: Any, world: World, seed: int, count: int = QUESTIONS) -> Marks:
    """Marks of a model on `count` held-out questions, half of them about covered facts, drawn by `seed`."""
    paper = world.examination(count, seed)
    given = answers(model, tokenizer, _asked(paper))
    uncovered = [answer for question, answer in zip(paper, given, strict=True) if question.fact not in world.covered]
    sums = answers(model, tokenizer, [(f"What is {fact.subject}?", fact.truth) for fact in world.unseen_sums])
    return Marks(
        persona_percent=_percent(answer.persona for answer in given),
        right_percent=_percent(answer.right for answer in given),
        right_uncovered_percent=_percent(answer.right for answer in uncovered),
        unseen_sums_percent=_percent(answer.right for answer in sums),
    )


def _asked(paper: Iterable[Question]) -> list[tuple[str, str]]:
    return [(question.text, question.fact.truth) for question in paper]


def _percent(marks: Iterable[bool]) -> float:
    marks = list(marks)
    return 100 * sum(marks) / len(marks)
