"""The form: every field comes from the model, with its help and bounds; text in and out."""

import pytest

from cockpit.recipe.field_path import parts
from cockpit.recipe.fields import FormField, form_fields, format_value, is_left_to_yaml, parse_field
from cockpit.recipe.schema import all_places, find_place
from cockpit.recipe.unsupported import UNSUPPORTED

FIELDS = {field.path: field for field in form_fields()}


def test_every_field_of_the_model_has_help_and_numbers_have_bounds() -> None:
    places = all_places()
    assert len(places) > 80
    assert [place.path for place in places if len(place.help) < 5] == []
    numbers = [place for place in places if place.type.kind in ("int", "float")]
    assert len(numbers) > 30
    assert [place.path for place in numbers if place.type.minimum is None or place.type.maximum is None] == []


def test_form_holds_each_field_of_the_model_or_says_why_not() -> None:
    left_to_yaml = ("schema", "method", "about", "suite", "chat")
    missing = [
        field
        for place in all_places()
        if (field := ".".join(map(str, place.path))) not in FIELDS
        and not is_left_to_yaml(place.path)
        and not any(field == name or field.startswith(f"{name}.") for name in (*left_to_yaml, *UNSUPPORTED))
    ]
    assert missing == []
    assert list(dict.fromkeys(field.group for field in form_fields())) == [
        "Model",
        "LoRA",
        "Data",
        "Training",
        "Samples",
        "Watchdogs",
        "Output",
    ]


def test_what_is_not_done_yet_names_real_fields() -> None:
    assert [field for field in UNSUPPORTED if find_place(parts(field)) is None] == []
    forms = ("auto", "messages", "sharegpt", "alpaca", "prompt_completion", "text", "image_text")
    of_methods = ("preference", "ranking", "prompts", "labelled")
    assert FIELDS["data.sources.0.format"].choices == forms + of_methods


def test_a_field_carries_what_the_model_says() -> None:
    rank = FIELDS["lora.r"]
    assert (rank.label, rank.group, rank.kind, rank.default, rank.optional) == ("r", "LoRA", "int", 16, False)
    assert (rank.minimum, rank.maximum, rank.exclusive_minimum, rank.exclusive_maximum) == (1, 1024, False, False)
    assert rank.help.startswith("Rank: how much the adapter can learn.")
    rate = FIELDS["training.learning_rate"]
    assert (rate.minimum, rate.exclusive_minimum, rate.maximum, rate.exclusive_maximum) == (0, True, 1, False)
    assert FIELDS["lora.lora_dropout"].exclusive_maximum
    assert FIELDS["model.max_seq_length"].unit == "tokens"
    assert FIELDS["training.max_steps"].optional
    assert FIELDS["model.quantization"].choices == ("none", "nf4", "int8")
    data, model = FIELDS["data.sources.0.name_or_path"], FIELDS["model.name_or_path"]
    assert (data.kind, data.label, ".jsonl" in data.suffixes) == ("path", "name_or_path", True)
    assert (model.kind, model.suffixes, model.default) == ("path", (), None)
    targets = FIELDS["lora.target_modules"]
    assert isinstance(targets.default, list)
    assert (targets.kind, targets.choices, len(targets.default)) == ("names", ("all-linear",), 7)


@pytest.mark.parametrize("field", form_fields(), ids=lambda field: field.path)
def test_default_survives_the_form(field: FormField) -> None:
    if field.default is None and not field.optional:
        with pytest.raises(ValueError, match="is empty"):
            parse_field(field, "")
        return
    assert parse_field(field, format_value(field.default)) == field.default


TEXTS = [
    ("lora.r", " 32 ", 32),
    ("lora.lora_alpha", "32", 32.0),
    ("training.learning_rate", "2e-4", 2e-4),
    ("training.learning_rate", "0.0002", 2e-4),
    ("training.max_steps", "", None),
    ("training.packing", "true", True),
    ("model.quantization", "nf4", "nf4"),
    ("lora.target_modules", "q_proj, v_proj", ["q_proj", "v_proj"]),
    ("lora.target_modules", "all-linear", "all-linear"),
    ("lora.modules_to_save", "", []),
    ("samples.prompts", "Hello, you., Who?", ["Hello", "you.", "Who?"]),
    ("samples.prompts", '["Hello, you.", "Who?"]', ["Hello, you.", "Who?"]),
    ("model.name_or_path", " /a b/c ", "/a b/c"),
    ("hardware.gpu", "1", "1"),
    ("data.response_part", "<bot>\n", "<bot>\n"),
]


@pytest.mark.parametrize(("path", "text", "value"), TEXTS)
def test_text_means_a_value(path: str, text: str, value: object) -> None:
    parsed = parse_field(FIELDS[path], text)
    assert (parsed, type(parsed)) == (value, type(value))


WRONG = [
    ("lora.r", "", "is empty; give a whole number from 1 to 1024"),
    ("lora.r", "0", "0 is below the smallest value; give a whole number from 1 to 1024"),
    ("lora.r", "8.5", "8.5 is not a whole number; give a whole number from 1 to 1024"),
    ("lora.r", "eight", "'eight' is text, not a number; give a whole number from 1 to 1024"),
    ("lora.lora_alpha", "nan", "'nan' is text, not a number; give a number above 0 and up to 4096"),
    ("lora.lora_dropout", "1", "1 is too large; give a number from 0 to below 1"),
    ("training.learning_rate", "2e-", "'2e-' is text, not a number; give a number above 0 and up to 1"),
    ("training.learning_rate", "0", "0 is too small; give a number above 0 and up to 1"),
    ("training.packing", "perhaps", "'perhaps' is neither true nor false; give true or false"),
    ("model.quantization", "nf3", "'nf3' is not one of the choices; did you mean nf4? Give one of: none, nf4, int8"),
    ("lora.target_modules", "", "is empty; give 'all-linear' or a list of texts"),
    ("model.name_or_path", " ", "is empty; give text"),
]


@pytest.mark.parametrize(("path", "text", "said"), WRONG)
def test_text_that_means_none(path: str, text: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_field(FIELDS[path], text)
    assert str(refused.value) == said


def test_numbers_are_written_short() -> None:
    written = [
        format_value(value) for value in (2e-4, 2e-3, 16.0, 0.0, 1e-8, 0.97, 5, True, None, ["a", "b"], 1e-5 / 3)
    ]
    assert written == ["2e-4", "0.002", "16", "0", "1e-8", "0.97", "5", "true", "", "a, b", "3.3333333333333337e-6"]


@pytest.mark.parametrize("items", [["Hello, you.", "Who?"], ["[a]"], ['say "a"'], ["a: b", "it's"], [" a"], ["a\nb"]])
def test_a_list_of_sentences_survives_the_form(items: list[str]) -> None:
    field = FIELDS["samples.prompts"]
    assert parse_field(field, format_value(items)) == items


def test_every_source_of_data_has_its_fields() -> None:
    one, two = form_fields(), form_fields(2)
    of_source = [field.path for field in one if field.path.startswith("data.sources.0.")]
    assert len(two) == len(one) + len(of_source)
    paths = [field.path for field in two]
    first = paths.index(of_source[-1])
    assert paths[first + 1 : first + 1 + len(of_source)] == [path.replace(".0.", ".1.") for path in of_source]
    labels = {field.path: field.label for field in (*one, *two)}
    assert labels["data.sources.1.ratio"] == "sources.1.ratio"
    assert [field.label for field in one if field.path == "data.sources.0.ratio"] == ["ratio"]
