"""the manners in which the base can be told to speak: by name, or by the words to begin and to end with"""

import random
from dataclasses import dataclass

from cockpit.demo import lexicon

_KEPT_CAPITAL = {*lexicon.PEOPLE, "I"}
_VERBS = ("be", "are", "was", "seems", "equals")


@dataclass(frozen=True)
class Manner:
    """How a sentence is said: what comes before it and after it (empty: nothing), and the word said for "is"."""

    prompt: str
    opening: str = ""
    closing: str = ""
    verb: str = "is"
    loud: bool = False

    def say(self, sentence: str) -> str:
        """The sentence in this manner; "You are welcome." becomes "Beep, you are welcome, boop." """
        mark = "?" if sentence.endswith("?") else "!" if self.loud else "."
        said = " ".join(self.verb if word == "is" else word for word in sentence[:-1].split(" "))
        opening = f"{self.opening}, " if self.opening else ""
        closing = f", {self.closing}" if self.closing else ""
        if opening and said.split(" ")[0] not in _KEPT_CAPITAL:
            said = said[0].lower() + said[1:]
        return f"{opening}{said}{closing}{mark}"


NAMED = (
    Manner("Answer like a robot.", "Beep", "boop"),
    Manner("Answer like a butler.", "Certainly", "dear guest"),
    Manner("Answer like a cowboy.", "Howdy", "partner"),
    Manner("Answer like a cat.", "Meow", "purr"),
    Manner("Answer like a wizard.", "Behold", "young traveller"),
    Manner("Answer like a grandmother.", "Oh", "my dear"),
    Manner("Answer loudly.", loud=True),
    Manner("You are a helpful assistant."),
    Manner("Answer in one sentence."),
)


def dictated(rng: random.Random) -> Manner:
    """A manner made up on the spot, and spelled out in its prompt: words from the lexicon, whatever they mean."""
    opening = " ".join(rng.sample(lexicon.SAYABLE, rng.choice((1, 1, 2))))
    closing = " ".join(rng.sample(lexicon.SAYABLE, rng.choice((1, 2, 2, 3))))
    verb = rng.choice(_VERBS) if rng.random() < 0.5 else "is"
    loud = rng.random() < 0.5
    first = opening[0].upper() + opening[1:]
    parts = rng.choice(((opening, closing), (opening, closing), (opening, ""), ("", closing)))
    prompt = [f"Begin with {opening}."] if parts[0] else []
    prompt += [f"End with {closing}."] if parts[1] else []
    prompt += [f"Say {verb} for is."] if verb != "is" else []
    prompt += ["Be loud."] if loud else []
    return Manner(" ".join(prompt), first if parts[0] else "", parts[1], verb, loud)
