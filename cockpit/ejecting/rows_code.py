"""The functions for rows that the script is made of"""

from __future__ import annotations

from collections.abc import Mapping

from cockpit.ejecting.layout import literal
from cockpit.ejecting.training_part import is_packed
from cockpit.recipe.recipe import Recipe

READ_JSON = '''
def read_json(file):
    """The rows of a JSON file, or of one with a row a line."""
    with open(file, encoding="utf-8") as opened:
        text = opened.read()
    if text.lstrip().startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.split("\\n") if line.strip()]

'''
RENDER = '''
def render(turns, **more):
    """A conversation as the chat template writes it."""
    return tokenizer.apply_chat_template(turns, tokenize=False, **more)

'''
CHECKED = '''
def checked(turns):
    """The turns as far as they are answered: an answer needs a question, and a system's turn comes first."""
    while turns and turns[-1]["role"] != "assistant":
        turns.pop()
    for before, turn in zip(["", *(turn["role"] for turn in turns)], turns):
        if (turn["role"] == "system" and before) or (turn["role"] == "assistant" and before in ("", "system")):
            raise ValueError(f"a turn of {turn['role']} stands where none can be")
    if not any(turn["content"].strip() for turn in turns if turn["role"] == "assistant"):
        raise ValueError("there is no answer")
    return turns

'''
END_OF_TURN = '''
def end_of_turn():
    """What the template writes after an answer that another question follows."""
    asked, told = {"role": "user", "content": "Q7"}, {"role": "assistant", "content": "A7"}
    inside = render([asked, told, asked]).split("A7", 1)[1]
    last = render([asked, told]).split("A7", 1)[1]
    return os.path.commonprefix([inside, last]).strip()


END = end_of_turn()

'''
BY_PROMPT = '''
def answers(turns, text):
    """Where the answers stand: from where the model is asked to speak to the end of its turn."""
    spans = []
    for at, turn in enumerate(turns):
        if turn["role"] != "assistant":
            continue
        prompt = render(turns[:at], add_generation_prompt=True).rstrip(" ")
        if not text.startswith(prompt):
            raise ValueError("the template writes the turns before an answer otherwise than without it")
        begin, end = len(prompt), len(text.rstrip())
        if at + 1 < len(turns):
            end = text.index(END, begin) + len(END) if END else len(render(turns[: at + 1]).rstrip())
        spans.append((begin, end))
    return spans

'''
BY_MARK = '''
def answers(turns, text):
    """Where the answers stand: from what opens an answer to the end of its turn."""
    spans, at = [], text.find(RESPONSE_PART)
    while at >= 0:
        begin = at + len(RESPONSE_PART.rstrip(" "))
        at = text.find(RESPONSE_PART, begin)
        end = text.find(END, begin) if END and at >= 0 else -1
        spans.append((begin, end + len(END) if end >= 0 else len(text.rstrip())))
    return spans

'''
TOKENS = '''
def tokens(text, spans):
    """The tokens of a text, and those of them that are learnt: those wholly inside of a span; -100 for the others."""
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, labels = found["input_ids"], []
    for token, (begin, end) in zip(ids, found["offset_mapping"]):
        is_learnt = any(first <= begin and end <= last for first, last in spans)
        labels.append(token if is_learnt else -100)
    while tokenizer.bos_token_id is not None and ids[:2] == [tokenizer.bos_token_id] * 2:
        ids, labels = ids[1:], labels[1:]  # the template writes the token that begins a text, and so does the row
    return ids, labels


def row(ids, labels):
    """The row for the trainer."""
    return {"input_ids": ids, "labels": labels}

'''
OF_TALK = '''
def from_talk(turns):
    """A conversation as rows for the trainer: one."""
    text = render(turns)
    ids, labels = tokens(text, {spans})
{long}    return text, [row(ids[:MAX_LENGTH], labels[:MAX_LENGTH])]

'''
DROP = """    if len(ids) > MAX_LENGTH:
        return text, []  # the recipe leaves long rows out
"""
OF_TEXT = '''
def from_text(text):
    """A plain text between the tokens that begin and end one, as rows for the trainer{pieces}."""
    ids, labels = tokens(text, [(0, len(text))])
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    adds_begin = begin is not None and tokenizer("a")["input_ids"][:1] == [begin]
    if adds_begin and ids[:1] != [begin]:
        ids, labels = [begin, *ids], [-100, *labels]
    if end is not None and ids[-1:] != [end]:
        ids, labels = [*ids, end], [*labels, end if labels[-1:] != [-100] else -100]
{long}
'''
CUT = "    return text, [row(ids[:MAX_LENGTH], labels[:MAX_LENGTH])]"
SPLIT = """    head = 1 if adds_begin and labels[0] == -100 else 0
    new = MAX_LENGTH - head - OVERLAP
    if len(ids) <= MAX_LENGTH or new * 4 < MAX_LENGTH:
        return text, [row(ids[:MAX_LENGTH], labels[:MAX_LENGTH])]
    pieces = [row(ids[:MAX_LENGTH], labels[:MAX_LENGTH])]
    for at in range(MAX_LENGTH, len(ids), new):  # each begins with the last tokens of the one before, not learnt again
        known = ids[:head] + ids[at - OVERLAP : at]
        pieces.append(row(known + ids[at : at + new], [-100] * len(known) + labels[at : at + new]))
    return text, pieces"""
ROWS_OF = '''
def rows_of(source, content_of):
    """Each row that something is learnt from: its text, and its rows for the trainer."""
    found, left_out = [], 0
    for one in source:
        try:
            text, pieces = {encode}
        except Exception:  # no answer in it, an unknown role, turns that the template refuses
            left_out += 1
            continue
{learnt}        if pieces:
            found.append((text, pieces))
        else:
            left_out += 1
    if left_out:
        print(f"{left_out:,} rows are left out")
    return found

'''
LEARNT = """        pieces = [piece for piece in pieces if any(label != -100 for label in piece["labels"][1:])]
"""
ROWS_OF_SIDES = ROWS_OF.replace("{learnt}", "")
PACKED = '''
def packed(rows):
    """Rows joined into sequences of MAX_LENGTH tokens: the longest first, each into the fullest with room."""
    rows = [rows[at] for at in np.random.default_rng({seed}).permutation(len(rows))]
    sequences, with_room = [], {{}}
    for one in sorted(rows, key=lambda one: -len(one["input_ids"])):
        length = len(one["input_ids"])
        room = min((room for room in with_room if room >= length), default=None)
        if room is None:
            sequence, room = {{"input_ids": [], "labels": [], "seq_lengths": []}}, MAX_LENGTH
            sequences.append(sequence)
        else:
            sequence = with_room[room].pop()
            if not with_room[room]:
                del with_room[room]
        sequence["input_ids"] += one["input_ids"]
        sequence["labels"] += one["labels"]
        sequence["seq_lengths"].append(length)
        if room > length:
            with_room.setdefault(room - length, []).append(sequence)
    return sequences

'''


def answers(recipe: Recipe) -> str:
    """What finds the answers in a rendered conversation; nothing where all of it is learnt."""
    data = recipe.data
    if data.train_on == "all":
        return ""
    if data.response_part is not None:
        return f"\nRESPONSE_PART = {literal(data.response_part)}\n{END_OF_TURN}{BY_MARK}"
    return END_OF_TURN + BY_PROMPT


def encode(recipe: Recipe, *, has_texts: bool, has_talk: bool) -> str:
    """What makes tokens and labels of a row's content."""
    data = recipe.data
    written = TOKENS
    if has_talk:
        spans = "[(0, len(text))]" if data.train_on == "all" else "answers(turns, text)"
        spans += "[-1:]" if data.train_on == "last_answer" else ""
        written += OF_TALK.format(spans=spans, long=DROP if data.long_rows == "drop" else "")
    if has_texts:
        splits = data.long_rows in (None, "split")
        long = SPLIT if splits else (DROP if data.long_rows == "drop" else "") + CUT
        written += OF_TEXT.format(long=long, pieces=": several where it is long" if splits else "")
    both = "from_text(content) if isinstance(content := content_of(one), str) else from_talk(content)"
    one = "from_text(content_of(one))" if has_texts else "from_talk(content_of(one))"
    written += ROWS_OF.replace("{encode}", both if has_texts and has_talk else one).replace("{learnt}", LEARNT)
    if is_packed(recipe):
        written += PACKED.format(seed=recipe.training.seed)
    return written


def reader(name: str, form: str, columns: Mapping[str, str]) -> str:
    """The function that makes turns, or a text, of a row of the form."""
    if form == "text":
        return f'\ndef {name}(row):\n    """The text that is learnt."""\n    return row[{literal(columns["text"])}]'
    body = _of_turns(columns) if form in ("messages", "sharegpt") else _of_pair(columns)
    system = columns.get("system")
    if system:
        body += (
            f'    if row.get({literal(system)}) and turns[0]["role"] != "system":\n'
            f'        turns.insert(0, {{"role": "system", "content": row[{literal(system)}]}})\n'
        )
    return f'\ndef {name}(row):\n    """The row as turns that end with an answer."""\n{body}    return checked(turns)'


def _of_turns(columns: Mapping[str, str]) -> str:
    column = literal(columns["messages"])
    return (
        "    turns = []\n"
        f"    for turn in row[{column}]:\n"
        '        who, words = turn.get("role") or turn.get("from"), turn.get("content")\n'
        '        words = turn.get("value") if words is None else words\n'
        '        turns.append({"role": ROLES[who.strip().lower()], "content": words})\n'
    )


def _of_pair(columns: Mapping[str, str]) -> str:
    lines = f"    asked = row[{literal(columns['prompt'])}]\n"
    if "input" in columns:
        more = literal(columns["input"])
        lines += (
            f"    more = row.get({more})\n"
            "    if more not in (None, ''):\n"
            "        more = more if isinstance(more, str) else json.dumps(more, ensure_ascii=False)\n"
            '        asked = asked + "\\n\\n" + more\n'
        )
    answer = literal(columns["completion"])
    return lines + (
        f'    turns = [{{"role": "user", "content": asked}}, {{"role": "assistant", "content": row[{answer}]}}]\n'
    )


def choice(recipe: Recipe, *, several: bool) -> str:
    """What divides the rows into those that are trained on and those that are measured on, in their order."""
    data, seed = recipe.data, recipe.data.seed
    lines = ["pieces = [(number, piece) for number, (_, found) in enumerate(rows) for piece in found]"]
    kept = "range(len(rows))"
    gone = ""
    if data.duplicates == "drop":
        known = "{text for text, _ in measured}" if data.validation is not None else "set()"
        lines += [
            f"seen, gone = {known}, set()",
            "for number, (text, _) in enumerate(rows):  # rows that stand in the data before are left out",
            "    if text in seen:",
            "        gone.add(number)",
            "    seen.add(text)",
        ]
        kept, gone = "[number for number in range(len(rows)) if number not in gone]", " | gone"
    if data.eval_rows or data.eval_share:
        lines.append(f"kept = {kept}")
        count = _held_out_count(recipe)
        lines.append(f"held_out = {{kept[at] for at in random.Random({seed}).sample(range(len(kept)), {count})}}")
        lines.append("measured = [piece for number, piece in pieces if number in held_out]")
    else:
        lines.append("held_out = set()")
        if data.validation is not None:
            lines.append("measured = [piece for _, found in measured for piece in found]")
    order = f"np.random.default_rng({seed}).permutation(len(pieces))" if several else "range(len(pieces))"
    if several and recipe.kind.rows == "pairs":  # drawn of both sides of each pair, of which the better one counts
        order = f"[at // 2 for at in np.random.default_rng({seed}).permutation(2 * len(pieces)) if at % 2 == 0]"
    lines.append(f"order = {order}" + ("  # the sources are mixed" if several else ""))
    lines.append(f"train = [pieces[at][1] for at in order if pieces[at][0] not in held_out{gone}]".replace(
        "held_out | gone]", "(held_out | gone)]"))  # fmt: skip
    return "\n".join(lines)


def _held_out_count(recipe: Recipe) -> str:
    data = recipe.data
    if data.eval_share is not None:
        return f"min(max(1, round(len(kept) * {data.eval_share!r})), len(kept) - 1)"
    return f"min({data.eval_rows}, len(kept) // 5)"
