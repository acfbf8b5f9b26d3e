"""A data report that never changes, for the screen and its pictures."""

from cockpit.data.report import DataReport, NotUsed, Sample, Token


def sample(number: int, question: str, answer: str, **more: object) -> Sample:
    """A conversation in ChatML, a token a word."""
    marks = [Token("<|im_start|>", False, True), Token("user", False), Token("\n", False)]
    asked = [Token(word, False) for word in _words(question)]
    between = [
        Token("<|im_end|>", False, True),
        Token("\n", False),
        Token("<|im_start|>", False, True),
        Token("assistant", False),
        Token("\n", False),
    ]
    refused = bool(more.get("refusal"))
    answered = [Token(word, not refused) for word in _words(answer)] + [Token("<|im_end|>", not refused, True)]
    tokens = [*marks, *asked, *between, *answered, Token("\n", False)]
    fields = {"whole_tokens": len(tokens)} | more
    return Sample(where=f"reasoning.jsonl:{number}", tokens=tokens, **fields)  # type: ignore[arg-type]


def _words(text: str) -> list[str]:
    first, *rest = text.split(" ")
    return [first, *(f" {word}" for word in rest)]


def data_report() -> DataReport:
    """2,500 rows of 19,252, four of them shown."""
    proof = "Suppose a² = 2b².\n\nThen a is even, so b is even too: [red]a contradiction[/red]. " * 6
    return DataReport(
        recipe="qwen3-8b-reasoning-chat",
        model="unsloth/Qwen3-8B",
        template="model",
        sources=["reasoning.jsonl, messages"],
        rows_there=19_252,
        rows_held=19_252,
        rows_seen=2_500,
        is_all=False,
        train_rows=2_493,
        held_out_rows=100,
        left_out_rows=7,
        untrained_rows=3,
        left_out=["reasoning.jsonl:2: no token of an answer stands within its first 2,048 tokens."],
        not_used=[
            NotUsed(source="reasoning.jsonl", kind="column", name="score", rows=2_500),
            NotUsed(source="reasoning.jsonl", kind="turn", name="name", rows=12),
        ],
        stops=False,
        max_length=2_048,
        lengths=[min(4_000, 60 + (at * at) // 1_600) for at in range(2_493)],
        truncated_rows=498,
        tokens=2_650_000,
        trained_tokens=2_120_000,
        batching="padded",
        batch_rows=2,
        accumulation=4,
        sequences=None,
        tokens_per_step=8_504.0,
        padding_share=0.311,
        samples=[
            sample(1, "Name three fruits.", "Arr, apples, pears and plums, matey! 日本", padding=34),
            sample(2, "Why? " * 40, "Because.", refusal="no token of an answer stands within its first 2,048 tokens"),
            sample(3, "Is the root of two a fraction?", proof, whole_tokens=2_300),
            sample(4, "Read the formula.", "x^2 + y^2", images=1, image_tokens=256, held_out=True),
        ],
        notes=["Plain texts have no answers apart, so the loss is taken on the whole of them."],
    )
