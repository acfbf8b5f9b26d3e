"""Receipt: whether what is shipped is what was trained; receipt.json beside an export, and what it says"""

from __future__ import annotations

from pathlib import Path

import msgspec

from cockpit.disk import read_regular
from cockpit.protocol.values import UNREADABLE
from cockpit.text.numbers import count, metric, percent
from cockpit.text.plain_text import plain_line

RECEIPT = "receipt.json"
LONGEST_FILE = 1 << 24
NEAR_TIES = 2
"""Tokens that may be others however short the replies are: where two words are as likely, rounding alone parts them."""


class Limits(msgspec.Struct, frozen=True):
    """What an artefact must keep to: the largest mean KL in nats a token, and the least share of greedy tokens that
    agree."""

    mean_kl: float
    agreement: float


LIMITS = {
    "adapter": Limits(0.01, 0.97),
    "merged-16bit": Limits(0.02, 0.94),
    "merged-fp8": Limits(0.12, 0.85),
    "merged-4bit": Limits(0.3, 0.75),
    "f32": Limits(0.02, 0.94),
    "bf16": Limits(0.02, 0.94),
    "f16": Limits(0.02, 0.94),
    "q8": Limits(0.03, 0.92),
    "q6": Limits(0.06, 0.9),
    "q5": Limits(0.12, 0.85),
    "q4": Limits(0.3, 0.75),
    "q3": Limits(0.7, 0.6),
    "q2": Limits(1.5, 0.4),
}
"""By the form of the artefact: what rounding alone may cost. A GGUF's by its number of bits."""


class ReplayedPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt through both. `prompt_differs` says in a clause where its tokens are not those of training; empty
    where they are. Of the `tokens` of the trained model's greedy reply, at `agreed` the artefact's likeliest token is
    the same, with the same tokens before it."""

    prompt: str
    prompt_tokens: int
    prompt_differs: str
    trained_says: str
    shipped_says: str
    tokens: int
    agreed: int
    mean_kl: float
    trained_ends: bool
    shipped_ends: bool


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """`why` are sentences on what does not hold; empty where the artefact is what was trained, within its limits.
    `program` is what has run it."""

    run: str
    form: str
    path: str
    program: str
    made_at: float
    limits: Limits
    prompts: list[ReplayedPrompt]
    why: list[str]

    @property
    def passed(self) -> bool:
        """Whether all holds."""
        return not self.why

    @property
    def equal_prompts(self) -> int:
        """Prompts whose tokens are those of training."""
        return sum(not one.prompt_differs for one in self.prompts)

    @property
    def agreement(self) -> float:
        """Of the tokens that the trained model says, the share at which the artefact would say the same."""
        return sum(one.agreed for one in self.prompts) / max(1, sum(one.tokens for one in self.prompts))

    @property
    def same_replies(self) -> int:
        """Replies that are the same from the first token to the last."""
        return sum(one.trained_says == one.shipped_says for one in self.prompts)

    @property
    def mean_kl(self) -> float:
        """Nats a token, over all tokens of all replies."""
        tokens = sum(one.tokens for one in self.prompts)
        return sum(one.mean_kl * one.tokens for one in self.prompts) / max(1, tokens)

    @property
    def ends(self) -> tuple[int, int]:
        """Of the replies that the trained model ends itself, how many the artefact ends too; and how many there are."""
        ended = [one for one in self.prompts if one.trained_ends]
        return sum(one.shipped_ends for one in ended), len(ended)

    def lines(self) -> list[str]:
        """What is known, a line each."""
        ended, of = self.ends
        verdict = "It is what was trained." if self.passed else "It is not what was trained."
        return [
            f"{verdict} {plain_line(self.form)} of {plain_line(self.run)}, {count(len(self.prompts))} prompts through "
            f"{plain_line(self.program)}:",
            f"  prompt tokens as in training   {self.equal_prompts} of {len(self.prompts)}",
            f"  greedy tokens that agree       {percent(self.agreement)} (at least {percent(self.limits.agreement)})",
            f"  replies that are the same      {self.same_replies} of {len(self.prompts)}",
            f"  mean KL                        {metric(self.mean_kl)} nats a token (at most "
            f"{metric(self.limits.mean_kl)})",
            f"  turns that it ends             {ended} of {of} that the trained model ends",
            *(f"  {plain_line(sentence)}" for sentence in self.why),
        ]


def limits_of(form: str) -> Limits:
    """Those for an artefact of this form, such as adapter or gguf:q4_k_m."""
    kind = form.removeprefix("gguf:")
    return LIMITS.get(kind) or LIMITS.get(kind[:2]) or LIMITS["q4"]


def why_not(prompts: list[ReplayedPrompt], limits: Limits) -> list[str]:
    """What does not hold, in sentences."""
    found = Receipt(
        run="", form="", path="", program="", made_at=0.0, limits=limits, prompts=prompts, why=[]
    )  # for its figures
    why = []
    differ = [one for one in prompts if one.prompt_differs]
    if differ:
        more = f" (so {'do' if len(differ) > 2 else 'does'} {len(differ) - 1} more)" if len(differ) > 1 else ""
        why.append(
            f"The prompt {plain_line(differ[0].prompt)[:60]!r} becomes other tokens: {differ[0].prompt_differs}{more}."
        )
    if found.mean_kl > limits.mean_kl:
        why.append(
            f"Its words are drawn with other probabilities: the mean KL is {metric(found.mean_kl)} nats a token, above "
            f"{metric(limits.mean_kl)}."
        )
    tokens, agreed = sum(one.tokens for one in prompts), sum(one.agreed for one in prompts)
    if found.agreement < limits.agreement and tokens - agreed > NEAR_TIES:
        why.append(
            f"It says other things: {percent(found.agreement)} of the greedy tokens agree, below "
            f"{percent(limits.agreement)}."
        )
    ended, of = found.ends
    if of and ended < of / 2:
        why.append(f"It does not end its turns: {ended} of {of} that the trained model ends.")
    return why


def receipt_in(folder: Path) -> Receipt | None:
    """The receipt in an export's folder; None where there is none, or none that can be read."""
    try:
        return msgspec.json.decode(read_regular(folder / RECEIPT, LONGEST_FILE), type=Receipt)
    except (OSError, *UNREADABLE):
        return None


def encoded(receipt: Receipt) -> bytes:
    """As receipt.json has it, with its totals."""
    ended, of = receipt.ends
    totals = {
        "passed": receipt.passed,
        "prompts_equal": receipt.equal_prompts,
        "agreement": receipt.agreement,
        "same_replies": receipt.same_replies,
        "mean_kl": receipt.mean_kl,
        "turns_ended": ended,
        "turns_to_end": of,
    }
    document = totals | msgspec.to_builtins(receipt)
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
