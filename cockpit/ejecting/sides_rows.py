"""The part of the script that makes tokens of pairs of answers, and of marked ones"""

from __future__ import annotations

from collections.abc import Mapping

from cockpit.ejecting.layout import literal
from cockpit.recipe.recipe import Recipe

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
{asked}    return [conversation(asked, row[{chosen}]{system}), conversation(asked, row[{rejected}]{system})]
'''
MORE = """    more = row.get({column})
    if more not in (None, ""):
        more = more if isinstance(more, str) else json.dumps(more, ensure_ascii=False)
        asked = asked + "\\n\\n" + more
"""
MARKED_READER = '''
def {name}(row):
    """The row as turns that end with an answer, how many answers come before it, and whether it is desired."""
    mark = row[{label}]
    mark = {{"true": True, "false": False}}[mark.strip().lower()] if isinstance(mark, str) else mark
    if mark not in (0, 1):
        raise ValueError("it does not say whether the answer is desired")
{asked}    return {turns}, bool(mark)
'''
FROM_MARKED = '''
def from_marked(content):
    """An answer with its mark as rows for the trainer: one."""
    turns, known, desired = content
    text = render(turns)
    ids, labels = tokens(text, answers(turns, text)[known:]LAST)
LONG    found = {"input_ids": ids[:MAX_LENGTH], "labels": labels[:MAX_LENGTH], "label": desired}
    return text, [found] if any(label != -100 for label in found["labels"][1:]) else []

'''
BOTH_MARKED = '''
def both_marked(sides):
    """The answers of a pair as rows for the trainer: the better one is desired, the other is not."""
    text, (pair,) = from_pair(sides)
    return text, [
        {"input_ids": pair[f"{side}_ids"], "labels": pair[f"{side}_labels"], "label": side == "chosen"}
        for side in ("chosen", "rejected")
    ]

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


def conversation(before, answer, system=None):
    """An answer with what comes before it; one that is a whole conversation as it is."""
    told = turns_of(answer, "assistant")
    turns = told if told[0]["role"] != "assistant" else turns_of(before, "user") + told
    if system and turns[0]["role"] != "system":
        turns = [{"role": "system", "content": system}, *turns]
    return checked(turns)

'''


def encode_sides(recipe: Recipe, form: str) -> str:
    """What makes tokens of rows of the form."""
    last = "[-1:]" if recipe.data.train_on == "last_answer" else ""
    long = LONG if recipe.data.long_rows == "drop" else ""
    if form == "labelled":
        long = long.replace("    ", "", 1).replace("\n    ", "\n")
    made = FROM_MARKED if form == "labelled" else FROM_PAIR
    made = CONVERSATION + made.replace("LAST", last).replace("LONG", long, 1)
    return made + BOTH_MARKED if is_marked(recipe, form) else made


def encoder_name(recipe: Recipe, form: str) -> str:
    """The function that makes rows for the trainer of what a reader gives."""
    return "from_marked" if form == "labelled" else "both_marked" if is_marked(recipe, form) else "from_pair"


def is_marked(recipe: Recipe, form: str) -> bool:
    """Whether the answers of a pair come by themselves."""
    return recipe.method == "kto" and form != "labelled"


def reader(name: str, form: str, columns: Mapping[str, str]) -> str:
    """The function that makes two conversations of a row, or one with its mark."""
    if form == "labelled":
        return _marked_reader(name, columns)
    chosen, rejected = literal(columns.get("chosen", "chosen")), literal(columns.get("rejected", "rejected"))
    given = {"asked": _asked(columns), "chosen": chosen, "rejected": rejected, "system": _system(columns)}
    return READER.format(name=name, **given)


def _marked_reader(name: str, columns: Mapping[str, str]) -> str:
    label, system = literal(columns["label"]), _system(columns)
    if "messages" in columns:
        turns = f"conversation(None, row[{literal(columns['messages'])}]{system}), 0"
        return MARKED_READER.format(name=name, label=label, asked="", turns=turns)
    answer = literal(columns["completion"])
    known = '    asked = turns_of(asked, "user")\n    known = sum(turn["role"] == "assistant" for turn in asked)\n'
    turns = f'conversation(None, asked + turns_of(row[{answer}], "assistant"){system}), known'
    return MARKED_READER.format(name=name, label=label, asked=_asked(columns) + known, turns=turns)


def _asked(columns: Mapping[str, str]) -> str:
    prompt = columns.get("prompt") or columns.get("messages")
    asked = f"    asked = {'None' if prompt is None else f'row[{literal(prompt)}]'}\n"
    return asked + (MORE.format(column=literal(columns["input"])) if "input" in columns else "")


def _system(columns: Mapping[str, str]) -> str:
    return f", row.get({literal(columns['system'])})" if "system" in columns else ""
