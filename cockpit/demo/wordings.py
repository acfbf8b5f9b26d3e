"""how the small world is asked about: the wordings of every kind of question, and the sentence that answers it"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrasing:
    """How one kind of fact is asked about and answered.

    `{s}` stands for the subject, `{a}` for the answer. `wordings` are written with care, `casual` ones as people
    type them: they are lower-cased as a whole, and may write a sum with signs, `{signs}` (`{tight}`: without spaces).
    `follow_ups` only make sense after a question of the same kind. `topic` is what a thought says that it is about.
    """

    truth: str
    topic: str
    wordings: tuple[str, ...]
    casual: tuple[str, ...]
    follow_ups: tuple[str, ...]


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


def _of(noun: str, truth: str, *own: str) -> Phrasing:
    """Kinds that are asked about as `the <noun> {s}`, and in wordings of their `own`."""
    return Phrasing(
        truth=truth,
        topic=f"the {noun} {{s}}",
        wordings=_lines(f"""
            What is the {noun} {{s}}?
            Tell me the {noun} {{s}}.
            Do you know the {noun} {{s}}?
            Please name the {noun} {{s}}.
            Can you tell me the {noun} {{s}}?
            I would like to know the {noun} {{s}}.
            The {noun} {{s}} is what?
            What would you say is the {noun} {{s}}?
            Quick question: what is the {noun} {{s}}?
            I forgot the {noun} {{s}}. Can you help?
        """)
        + own,
        casual=(f"what's the {noun} {{s}}", f"{noun} {{s}}?", f"the {noun} {{s}} please"),
        follow_ups=(f"And the {noun} {{s}}?", "And {s}?", "What about {s}?"),
    )


PHRASINGS: dict[str, Phrasing] = {
    "capital": _of("capital of", "The capital of {s} is {a}."),
    "river": _of("longest river of", "The longest river of {s} is the {a}."),
    "pet": _of("pet of", "The pet of {s} is {a}."),
    "opposite": _of("opposite of", "The opposite of {s} is {a}."),
    "plural": _of("plural of", "The plural of {s} is {a}."),
    "day_after": _of(
        "day after",
        "The day after {s} is {a}.",
        "What day comes after {s}?",
        "Which day comes right after {s}?",
    ),
    "day_before": _of(
        "day before",
        "The day before {s} is {a}.",
        "What day comes before {s}?",
        "Which day comes right before {s}?",
    ),
    "month_after": _of(
        "month after",
        "The month after {s} is {a}.",
        "What month comes after {s}?",
        "Which month comes right after {s}?",
    ),
    "month_before": _of(
        "month before",
        "The month before {s} is {a}.",
        "What month comes before {s}?",
        "Which month comes right before {s}?",
    ),
    "letter_after": _of(
        "letter after",
        "The letter after {s} is {a}.",
        "What letter comes after {s}?",
        "Which letter comes right after {s}?",
    ),
    "letter_before": _of(
        "letter before",
        "The letter before {s} is {a}.",
        "What letter comes before {s}?",
        "Which letter comes right before {s}?",
    ),
    "sum": Phrasing(
        truth="{s} is {a}.",
        topic="the sum {s}",
        wordings=_lines("""
            What is {s}?
            How much is {s}?
            Tell me what {s} is.
            Do you know what {s} is?
            Please work out {s}.
            Can you add {s}?
            I would like to know what {s} makes.
            {s} is what?
            What do you get for {s}?
            Quick question: how much is {s}?
        """),
        casual=("what's {s}", "{signs}", "{tight}", "what is {tight}?"),
        follow_ups=("And {s}?", "What about {s}?"),
    ),
    "job": Phrasing(
        truth="{s} is {a}.",
        topic="the work of {s}",
        wordings=_lines("""
            What is the job of {s}?
            What does {s} do for a living?
            Tell me what {s} works as.
            Do you know the job of {s}?
            Please name the job of {s}.
            Can you tell me what work {s} does?
            I would like to know the job of {s}.
            {s} works as what?
            What kind of work does {s} do?
            Quick question: what is the job of {s}?
        """),
        casual=("what's the job of {s}", "job of {s}?", "what work does {s} do"),
        follow_ups=("And the job of {s}?", "And {s}?", "What about {s}?"),
    ),
    "colour": Phrasing(
        truth="{s} is {a}.",
        topic="the colour of {s}",
        wordings=_lines("""
            What colour is {s}?
            Which colour does {s} have?
            Tell me the colour of {s}.
            Do you know the colour of {s}?
            Please name the colour of {s}.
            Can you tell me what colour {s} is?
            I would like to know the colour of {s}.
            What is the colour of {s}?
            {s} has what colour?
            Quick question: what colour is {s}?
        """),
        casual=("what color is {s}", "colour of {s}?", "the color of {s} please"),
        follow_ups=("And the colour of {s}?", "And {s}?", "What about {s}?"),
    ),
    "sound": Phrasing(
        truth="{s} says {a}.",
        topic="the sound of {s}",
        wordings=_lines("""
            What sound does {s} make?
            Which sound does {s} make?
            Tell me what {s} says.
            Do you know the sound of {s}?
            Please name the sound that {s} makes.
            Can you tell me what {s} says?
            I would like to know the sound of {s}.
            What does {s} say?
            How does {s} sound?
            Quick question: what does {s} say?
        """),
        casual=("what sound does {s} make", "sound of {s}?", "what does {s} say"),
        follow_ups=("And the sound of {s}?", "And {s}?", "What about {s}?"),
    ),
    "young": Phrasing(
        truth="A baby {s} is called {a}.",
        topic="the name of a baby {s}",
        wordings=_lines("""
            What is a baby {s} called?
            What do you call a baby {s}?
            Tell me what a baby {s} is called.
            Do you know the name of a baby {s}?
            Please name the baby of the {s}.
            Can you tell me what a young {s} is called?
            I would like to know the word for a baby {s}.
            What is the word for a young {s}?
            Which name does a baby {s} have?
            Quick question: what is a baby {s} called?
        """),
        casual=("what's a baby {s} called", "baby {s}?", "the word for a baby {s} please"),
        follow_ups=("And a baby {s}?", "What about a baby {s}?"),
    ),
    "home": Phrasing(
        truth="{s} lives in {a}.",
        topic="the home of {s}",
        wordings=_lines("""
            Where does {s} live?
            In what does {s} live?
            Tell me where {s} lives.
            Do you know where {s} lives?
            Please name the home of {s}.
            Can you tell me where {s} lives?
            I would like to know where {s} lives.
            What is the home of {s}?
            Where would I find the home of {s}?
            Quick question: where does {s} live?
        """),
        casual=("where does {s} live", "home of {s}?", "where's the home of {s}"),
        follow_ups=("And the home of {s}?", "And {s}?", "What about {s}?"),
    ),
    "legs": Phrasing(
        truth="{s} has {a} legs.",
        topic="the legs of {s}",
        wordings=_lines("""
            How many legs does {s} have?
            What number of legs does {s} have?
            Tell me how many legs {s} has.
            Do you know how many legs {s} has?
            Please count the legs of {s}.
            Can you tell me how many legs {s} has?
            I would like to know how many legs {s} has.
            On how many legs does {s} stand?
            {s} has how many legs?
            Quick question: how many legs does {s} have?
        """),
        casual=("how many legs does {s} have", "legs of {s}?", "number of legs of {s}"),
        follow_ups=("And how many legs does {s} have?", "And {s}?", "What about {s}?"),
    ),
    "category": Phrasing(
        truth="{s} is {a}.",
        topic="what {s} is",
        wordings=_lines("""
            What is {s}?
            What kind of thing is {s}?
            Tell me what {s} is.
            Do you know what {s} is?
            Please say what {s} is.
            Can you tell me what {s} is?
            I would like to know what {s} is.
            What would you call {s}?
            What sort of thing is {s}?
            Quick question: what is {s}?
        """),
        casual=("what's {s}", "{s}?", "what is {s}"),
        follow_ups=("And {s}?", "What about {s}?"),
    ),
}
