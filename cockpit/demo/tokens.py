"""the base's tokenizer: a byte-level BPE trained on its own corpus, with ChatML's special tokens and template"""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from cockpit.demo.corpus import Conversation

PAD, START, END, THINK, THOUGHT = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"
TEMPLATE_PATH = Path(__file__).parent / "chat_template.jinja"

# Newlines stay together even before a word, so that the end of a generation prompt is cut as it is in training.
# Digits stand alone, without the space before them, so that a number is written the same way everywhere.
_PIECES = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s*\n+|\s+"


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A tokenizer with `vocabulary` tokens in all, the five special ones first."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, START, END, THINK, THOUGHT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        eos_token=END,
        model_max_length=1024,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        chat_template=TEMPLATE_PATH.read_text(encoding="utf-8"),
    )


def segments(conversation: Conversation) -> list[tuple[str, bool]]:
    """What the chat template makes of a conversation, cut in pieces: (text, whether the base learns to write it).

    A thought is learnt with its marks; where there is none, the empty marks are part of the prompt, so that the base
    thinks when it is free to and does not when the template forbids it.
    """
    pieces: list[tuple[str, bool]] = []
    if conversation.system:
        pieces.append((f"{START}system\n{conversation.system}{END}\n", False))
    for turn in conversation.turns:
        pieces.append((f"{START}user\n{turn.question}{END}\n{START}assistant\n", False))
        pieces.append((f"{THINK}\n{turn.thought}\n{THOUGHT}\n\n", bool(turn.thought)))
        pieces.append((f"{turn.reply}{END}", True))
        pieces.append(("\n", False))
    return pieces
