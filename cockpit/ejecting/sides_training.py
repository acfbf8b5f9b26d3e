"""The part of the script that learns from pairs of answers, or from marked ones: batches, trainers, their settings"""

from __future__ import annotations

from cockpit.ejecting.layout import Argument, literal
from cockpit.recipe.recipe import Recipe

TRAINERS = {
    "dpo": "from trl import DPOConfig, DPOTrainer",
    "orpo": "from trl.experimental.orpo import ORPOConfig, ORPOTrainer",
    "kto": "from trl import KTOConfig, KTOTrainer",
}
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
KTO_COLLATOR = '''
def padded(ids, labels):
    """Tokens as tensors, completion_mask where a loss is taken."""
    longest = max(len(one) for one in ids)
MULTIPLE    batch = {
        "input_ids": torch.full((len(ids), longest), tokenizer.pad_token_id),
        "attention_mask": torch.zeros((len(ids), longest), dtype=torch.long),
        "completion_mask": torch.zeros((len(ids), longest), dtype=torch.long),
    }
    for at, (one, learnt) in enumerate(zip(ids, labels)):
        batch["input_ids"][at, : len(one)] = torch.tensor(one)
        batch["attention_mask"][at, : len(one)] = 1
        batch["completion_mask"][at, : len(one)] = (torch.tensor(learnt) != -100).long()
    batch["completion_mask"][:, 0] = 0  # the first token is never predicted
    return batch


class MarkedCollator:
    """Marked answers as a batch of trl's."""

    def __call__(self, rows):
        ids, labels = [row["input_ids"] for row in rows], [row["labels"] for row in rows]
        batch = padded(ids, labels)
        batch["label"] = torch.tensor([row["label"] for row in rows])
KL        return batch

'''
KL = """        # Each prompt with the answer of the row before it: it tells how far the model has moved.
        starts = [next(at for at, label in enumerate(one) if label != -100) for one in labels]
        before = range(-1, len(rows) - 1)
        crossed = [ids[at][: starts[at]] + ids[by][starts[by] :] for at, by in enumerate(before)]
        learnt = [[-100] * starts[at] + labels[by][starts[by] :] for at, by in enumerate(before)]
        batch |= {f"KL_{name}": values for name, values in padded(crossed, learnt).items()}
"""
STAND_INS = {
    "orpo": {"prompt": "a", "chosen": "b", "rejected": "c"},
    "kto": {"prompt": "a", "completion": "b", "label": True},
}
"""What the trainers that tokenize by themselves are made with."""


def stand_in(recipe: Recipe) -> list[str]:
    """The row that the trainer is made with."""
    return [
        "# trl tokenizes what its trainer is made with; the rows, which are tokenized already, come afterwards.",
        f"stand_in = Dataset.from_list([{literal(STAND_INS[recipe.method])}])",
    ]


def given_afterwards(recipe: Recipe) -> list[str]:
    """What the trainer is told once it is made."""
    lines = ["trainer.train_dataset = train_rows"]
    lines += ["trainer.eval_dataset = measured_rows"] * recipe.data.holds_out
    if recipe.method == "orpo":
        lines.append("trainer.use_dpo_data_collator = True  # PairCollator names what is in a batch as trl's own does")
    else:
        lines.append('trainer.args.train_sampling_strategy = "random"  # MarkedCollator crosses rows as they are drawn')
    return lines


def collator(recipe: Recipe, multiple: int | None) -> list[str]:
    """The batches, and the trainer that takes them."""
    kl = KL if recipe.method == "kto" and recipe.kto.loss_type == "kto" else ""
    made, indent = {
        "dpo": (COLLATOR + DPO_TRAINER, 8),
        "orpo": (ORPO_COLLATOR, 12),
        "kto": (KTO_COLLATOR.replace("KL        return", f"{kl}        return"), 4),
    }[recipe.method]
    rounded = f"{' ' * indent}longest = -(-longest // {multiple}) * {multiple}\n" if multiple else ""
    return made.replace("MULTIPLE", rounded).splitlines()


def method_arguments(recipe: Recipe) -> list[Argument]:
    """The method's own section."""
    if recipe.method == "kto":
        own = recipe.kto.model_dump().items()
        return [Argument(name, literal(value), f"kto.{name}") for name, value in own]
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
