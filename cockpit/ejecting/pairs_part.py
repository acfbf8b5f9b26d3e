"""The parts of a script that learns from preference pairs, by DPO or ORPO: its rows, its collator, its trainer"""

from __future__ import annotations

from collections.abc import Mapping

from cockpit.ejecting.layout import Argument, literal
from cockpit.recipe.recipe import Recipe

TRAINERS = {
    "dpo": "from trl import DPOConfig, DPOTrainer",
    "orpo": "from trl.experimental.orpo import ORPOConfig, ORPOTrainer",
}
FROM_PAIR = '''
def from_pair(sides):
    """A better and a worse conversation as a row for the trainer: the answers that tell them apart are learnt."""
    better, worse = sides
    both = list(zip(better, worse))
    shared = next((at for at, (one, other) in enumerate(both) if one != other), len(both))
    if shared in (len(better), len(worse)) or {better[shared]["role"], worse[shared]["role"]} != {"assistant"}:
        raise ValueError("these are no two answers to one prompt")
    known = sum(turn["role"] == "assistant" for turn in better[:shared])
    found, texts = {}, []
    for name, turns in (("chosen", better), ("rejected", worse)):
        text = render(turns)
        ids, labels = tokens(text, answers(turns, text)[known:]LAST)
LONG        found[f"{name}_ids"], found[f"{name}_labels"] = ids[:MAX_LENGTH], labels[:MAX_LENGTH]
        if all(label == -100 for label in found[f"{name}_labels"][1:]):
            raise ValueError("nothing of an answer fits")
        texts.append(text)
    if found["chosen_ids"] == found["rejected_ids"]:
        raise ValueError("both answers are equal")
    return "\\n".join(texts), [found]

'''
LONG = """        if len(ids) > MAX_LENGTH:
            raise ValueError("the recipe leaves long rows out")
"""
READER = '''
def {name}(row):
    """The row as two conversations, the better one first."""
    return [conversation({before}, row[{chosen}]), conversation({before}, row[{rejected}])]
'''
CONVERSATION = '''
def turns_of(value, role):
    """Turns as the chat template takes them; a text is one of `role`."""
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    turns = []
    for turn in [value] if isinstance(value, dict) else value:
        who, words = turn.get("role") or turn.get("from"), turn.get("content")
        turns.append({"role": ROLES[who.strip().lower()], "content": turn.get("value") if words is None else words})
    return turns


def conversation(before, answer):
    """An answer with what comes before it; one that is a whole conversation as it is."""
    told = turns_of(answer, "assistant")
    turns = told if told[0]["role"] != "assistant" else turns_of(before, "user") + told
    return checked(turns)

'''
COLLATOR = '''
class PairCollator:
    """Tokenized pairs as a batch of trl's: the better answers first, completion_mask where a loss is taken."""

    def __call__(self, rows):
        sides = [(row[f"{side}_ids"], row[f"{side}_labels"]) for side in ("chosen", "rejected") for row in rows]
        longest = max(len(ids) for ids, _ in sides)
MULTIPLE        batch = {
            "input_ids": torch.full((len(sides), longest), tokenizer.pad_token_id),
            "attention_mask": torch.zeros((len(sides), longest), dtype=torch.long),
            "completion_mask": torch.zeros((len(sides), longest), dtype=torch.long),
        }
        for at, (ids, labels) in enumerate(sides):
            batch["input_ids"][at, : len(ids)] = torch.tensor(ids)
            batch["attention_mask"][at, : len(ids)] = 1
            batch["completion_mask"][at, : len(ids)] = (torch.tensor(labels) != -100).long()
        return batch


'''
DPO_TRAINER = '''
class PairTrainer(DPOTrainer):
    """trl's, given pairs that are tokenized already."""

    def _prepare_dataset(self, dataset, *args, **kwargs):
        return dataset

'''


ORPO_COLLATOR = '''
class PairCollator:
    """Tokenized pairs as a batch of trl's: each side by itself, labels -100 where no loss is taken."""

    def __call__(self, rows):
        batch = {}
        for side in ("chosen", "rejected"):
            longest = max(len(row[f"{side}_ids"]) for row in rows)
MULTIPLE            ids = torch.full((len(rows), longest), tokenizer.pad_token_id)
            mask = torch.zeros((len(rows), longest), dtype=torch.long)
            labels = torch.full((len(rows), longest), -100)
            for at, row in enumerate(rows):
                length = len(row[f"{side}_ids"])
                ids[at, :length] = torch.tensor(row[f"{side}_ids"])
                mask[at, :length] = 1
                labels[at, :length] = torch.tensor(row[f"{side}_labels"])
            batch |= {f"{side}_input_ids": ids, f"{side}_attention_mask": mask, f"{side}_labels": labels}
        return batch

'''
STAND_IN = [
    "# trl tokenizes what its trainer is made with; the rows, which are tokenized already, come afterwards.",
    'one_pair = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}])',
]


def is_of_pairs(recipe: Recipe) -> bool:
    """Whether the method compares two answers."""
    return recipe.method in TRAINERS


def encode_pairs(recipe: Recipe) -> str:
    """What makes tokens of a pair."""
    last = "[-1:]" if recipe.data.train_on == "last_answer" else ""
    long = LONG if recipe.data.long_rows == "drop" else ""
    return CONVERSATION + FROM_PAIR.replace("LAST", last).replace("LONG", long, 1)


def reader(name: str, columns: Mapping[str, str]) -> str:
    """The function that makes two conversations of a row."""
    prompt = columns.get("prompt") or columns.get("messages")
    before = "None" if prompt is None else f"row[{literal(prompt)}]"
    chosen, rejected = literal(columns.get("chosen", "chosen")), literal(columns.get("rejected", "rejected"))
    return READER.format(name=name, before=before, chosen=chosen, rejected=rejected)


def collator(recipe: Recipe, multiple: int | None) -> list[str]:
    """The batches, and the trainer that takes them."""
    made, indent = (COLLATOR + DPO_TRAINER, 8) if recipe.method == "dpo" else (ORPO_COLLATOR, 12)
    rounded = f"{' ' * indent}longest = -(-longest // {multiple}) * {multiple}\n" if multiple else ""
    return made.replace("MULTIPLE", rounded).splitlines()


def method_arguments(recipe: Recipe) -> list[Argument]:
    """The method's own section."""
    if recipe.method == "orpo":
        longest = Argument("max_length", "MAX_LENGTH", "training.max_length")
        own = recipe.orpo.model_dump().items()
        return [longest, *(Argument(name, literal(value), f"orpo.{name}") for name, value in own)]
    dpo = recipe.dpo
    losses = [dpo.loss_type] + (["sft"] if dpo.rpo_alpha is not None else [])
    found = [Argument("beta", literal(dpo.beta), "dpo.beta"), Argument("loss_type", literal(losses), "dpo.loss_type")]
    if dpo.rpo_alpha is not None:
        found.append(Argument("loss_weights", literal([1.0, dpo.rpo_alpha]), "dpo.rpo_alpha"))
    for name in ("label_smoothing", "ld_alpha", "f_divergence_type", "use_weighting", "disable_dropout"):
        value = getattr(dpo, name)
        if value is not None:
            found.append(Argument(name, literal(value), f"dpo.{name}"))
    return found
