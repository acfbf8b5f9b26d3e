"""Kinds of training: what is known of each without torch, and that a recipe says something of its own one alone."""

import json
from pathlib import Path

import pytest

from cockpit.recipe.document import RecipeDocument, resolved_yaml
from cockpit.recipe.fields import form_fields
from cockpit.recipe.methods.method import Method
from cockpit.recipe.methods.registry import METHODS
from cockpit.recipe.schema import json_schema
from tests.recipe.sample import SAMPLE, Bad, checked

ENGINE = Path(__file__).parents[2] / "cockpit" / "engine" / "training"
PRETRAINING = {"method: sft": "method: pretraining", "format: messages": "format: text"}


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda one: one.name)
def test_a_method_is_a_file_on_each_side(method: Method) -> None:
    assert (ENGINE / f"{method.name}.py").is_file(), "the engine finds it by its name"
    known = [figure.name for figure in method.figures]
    assert {name for chart in method.charts for name in chart.figures} <= set(known)
    assert max([0, *(len(figure.label) for figure in method.figures)]) <= 14
    assert max([0, *(len(chart.title) for chart in method.charts)]) <= 24
    if (settings := method.settings) is not None:
        schema = json.loads(json_schema())
        own = {"if": {"required": [method.name]}, "then": {"properties": {"method": {"const": method.name}}}}
        assert own in schema["allOf"], "an editor offers the section where it counts"
        assert type(getattr(RecipeDocument.parse(SAMPLE, "sample.yaml").recipe(), method.name)) is settings
        shown = [field for field in form_fields() if field.methods == (method.name,)]
        assert {field.path.partition(".")[2] for field in shown} == settings.model_fields.keys() - {"rewards"}


def test_a_recipe_without_a_method_is_sft_and_is_written_as_ever() -> None:
    text = SAMPLE.replace("method: sft\n", "")
    recipe = RecipeDocument.parse(text, "old.yaml").recipe()
    assert recipe.method == "sft"
    sections = [line.partition(":")[0] for line in resolved_yaml(recipe).splitlines() if line[:1].isalpha()]
    assert not METHODS.keys() & set(sections), "an older cockpit reads what a run of sft has in its folder"


def test_of_the_methods_sections_the_chosen_one_is_written() -> None:
    text = SAMPLE
    for old, new in PRETRAINING.items():
        text = text.replace(old, new)
    recipe = RecipeDocument.parse(text, "texts.yaml").recipe()
    written = resolved_yaml(recipe)
    assert "\npretraining:\n  embedding_learning_rate:" in written
    assert RecipeDocument.parse(written, "again.yaml").recipe() == recipe


BAD = [
    Bad(
        "the section of another method",
        {"backend: unsloth": "pretraining: {embedding_learning_rate: 1e-5}\nbackend: unsloth"},
        ["14: pretraining.embedding_learning_rate: it is for method pretraining, and method is sft; leave it out, or "
         "give pretraining as method"],
    ),
    Bad(
        "conversations for pretraining",
        {"method: sft": "method: pretraining"},
        ["33: data.sources.0.format: method pretraining does not learn from rows of the form messages; give auto or "
         "text"],
    ),
    Bad(
        "embeddings that are not trained",
        PRETRAINING | {"backend: unsloth": "pretraining: {embedding_learning_rate: 1e-5}\nbackend: unsloth"},
        ["14: pretraining.embedding_learning_rate: neither embeddings nor head are trained; name embed_tokens and "
         "lm_head in lora.modules_to_save, or leave it empty"],
    ),
    *(
        Bad(
            name,
            {"method: sft": f"method: {method}", "format: messages": f"format: {form}", old: new},
            [says],
        )
        for name, method, form, old, new, says in (
            ("pairs that are packed", "dpo", "preference", "max_steps: 60", "packing: true",
             "37: training.packing: answers are compared, and are not packed; give false"),
            ("pairs that are joined", "orpo", "preference", "max_steps: 60", "padding_free: true",
             "37: training.padding_free: answers are compared, and are not joined; give false"),
            ("pairs by length", "kto", "labelled", "max_steps: 60", "group_by_length: true",
             "37: training.group_by_length: TRL draws the rows of this method in random order; give false"),
            ("pairs learnt whole", "dpo", "preference", "eval_rows: 64", "train_on: all",
             "34: data.train_on: an answer alone is better or worse; give answers"),
            ("pairs in pieces", "dpo", "preference", "eval_rows: 64", "long_rows: split",
             "34: data.long_rows: an answer in pieces is no answer; give truncate or drop"),
            ("the losses of pairs", "dpo", "preference", "backend: unsloth", "output: {row_losses: true}",
             "14: output.row_losses: the loss by row is kept for sft and pretraining alone; give false"),
            ("answers to pairs", "orpo", "preference", "backend: unsloth", "evaluation: {rows: 8}",
             "14: evaluation.rows: held-out rows are compared, and not answered; give 0"),
            ("an adapter on the head", "dpo", "preference", "- v_proj", "- lm_head",
             "28: lora.target_modules.1: dpo multiplies by the head itself, and would leave an adapter on it out; "
             "take it out"),
            ("one side alone", "dpo", "preference", "format: preference",
             "format: preference\n      columns: {chosen: a}",
             "34: data.sources.0.columns.chosen: the column of the rejected answer is not named; name both"),
            ("examples for dpo", "dpo", "messages", "backend: unsloth", "backend: unsloth",
             "33: data.sources.0.format: method dpo does not learn from rows of the form messages; give auto or "
             "preference or ranking"),
            ("pairs for sft", "sft", "preference", "backend: unsloth", "backend: unsloth",
             "33: data.sources.0.format: method sft does not learn from rows of the form preference; give auto or "
             "messages or sharegpt or image_text or alpaca or prompt_completion or text"),
            ("exo without smoothing", "dpo", "preference", "backend: unsloth", "dpo: {loss_type: exo_pair}",
             "14: dpo.label_smoothing: exo_pair needs more than 0; give 0.001"),
            ("smoothing that is not used", "dpo", "preference", "backend: unsloth", "dpo: {label_smoothing: 0.1}",
             "14: dpo.label_smoothing: the loss sigmoid does not use it; give 0, or exo_pair, robust, aot, "
             "aot_unpaired as loss_type"),
            ("weights that are sorted away", "dpo", "preference", "backend: unsloth",
             "dpo: {loss_type: aot, use_weighting: true}",
             "14: dpo.use_weighting: aot sorts the pairs, which would then have each other's weights; give false, or "
             "another loss_type"),
            ("a divergence of another loss", "dpo", "preference", "backend: unsloth",
             "dpo: {loss_type: nca_pair, f_divergence_type: js_divergence}",
             "14: dpo.f_divergence_type: the loss nca_pair is of the reverse KL alone; give reverse_kl, or sigmoid, "
             "sigmoid_norm, hinge, ipo, exo_pair, robust, discopop as loss_type"),
            ("a beta of nothing", "dpo", "preference", "backend: unsloth", "dpo: {beta: 0}",
             "14: dpo.beta: 0 is too small; give a number above 0 and up to 100"),
            ("a loss that there is not", "kto", "labelled", "backend: unsloth", "kto: {loss_type: dpo}",
             "14: kto.loss_type: 'dpo' is not one of the choices; give one of: kto, apo_zero_unpaired"),
            ("one row for KTO", "kto", "labelled", "max_steps: 60", "per_device_train_batch_size: 1",
             "37: training.per_device_train_batch_size: kto estimates its KL divergence from the rows of a batch, and "
             "there is one; give 2 or more, or apo_zero_unpaired as kto.loss_type"),
            ("nothing rewarded", "grpo", "prompts", "backend: unsloth", "grpo: {max_completion_length: 64}",
             "14: grpo.rewards: nothing is rewarded; give one at least, such as {regex: ...} or {function: "
             "module:function}"),
            ("an empty reward", "grpo", "prompts", "backend: unsloth",
             "grpo: {max_completion_length: 64, rewards: [{weight: 2}]}",
             "14: grpo.rewards.0.function: nothing is rewarded: none of function, regex, reasoning_tag, "
             "numeric_answer, json_schema, length is given; give one of them"),
            ("a function without its module", "grpo", "prompts", "backend: unsloth",
             "grpo: {max_completion_length: 64, rewards: [{function: my_rewards}]}",
             "14: grpo.rewards.0.function: 'my_rewards' does not say in which module the function stands; give "
             "module:function, such as my_rewards:brief"),
            ("a tag in its brackets", "grpo", "prompts", "backend: unsloth",
             "grpo: {max_completion_length: 64, rewards: [{reasoning_tag: <think>}]}",
             "14: grpo.rewards.0.reasoning_tag: '<think>' is no name of a tag; give the name alone, such as think"),
            ("a schema in a word", "grpo", "prompts", "backend: unsloth",
             "grpo: {max_completion_length: 64, rewards: [{json_schema: object}]}",
             "14: grpo.rewards.0.json_schema: 'object' is not a mapping; give a mapping of names, each to any value, "
             "or leave it empty"),
            ("a length of nothing", "grpo", "prompts", "backend: unsloth",
             "grpo: {max_completion_length: 64, rewards: [{length: 0}]}",
             "14: grpo.rewards.0.length: 0 is below the smallest value; give a whole number from 1 to 1000000, or "
             "leave it empty"),
            ("a reward that is no section", "grpo", "prompts", "backend: unsloth",
             "grpo: {max_completion_length: 64, rewards: [length]}",
             "14: grpo.rewards.0: 'length' is not a section; give a section with fields of its own"),
            ("one completion to compare", "grpo", "prompts", "backend: unsloth",
             "grpo: {max_completion_length: 64, num_generations: 1, rewards: [{length: 4}]}",
             "14: grpo.num_generations: 1 is below the smallest value; give a whole number from 2 to 1024"),
            ("answers to prompts", "grpo", "prompts", "backend: unsloth",
             "evaluation: {rows: 3}\ngrpo: {max_completion_length: 64, rewards: [{length: 4}]}",
             "14: evaluation.rows: held-out prompts are rewarded, and have no answers to be compared; give 0"),
            ("a method in capitals", "DPO", "preference", "max_steps: 60", "max_steps: 61",
             "4: method: 'DPO' is not one of the choices; did you mean dpo? Give one of: sft, pretraining, dpo, orpo, "
             "kto, grpo"),
            ("a metric without its beginning", "dpo", "preference", "max_steps: 60", "metric_for_best_model: loss",
             "37: training.metric_for_best_model: 'loss' cannot be a value here; give text such as eval_loss"),
            ("two rewards in one", "grpo", "prompts", "backend: unsloth",
             "grpo: {max_completion_length: 64, rewards: [{regex: a, length: 4}]}",
             "14: grpo.rewards.0.length: regex is given too; give each a reward of its own"),
            ("no regular expression", "grpo", "prompts", "backend: unsloth",
             "grpo: {max_completion_length: 64, rewards: [{regex: '('}]}",
             "14: grpo.rewards.0.regex: this is no regular expression (missing ), unterminated subpattern at position "
             "0); mend it"),
            ("a group that does not fit", "grpo", "prompts", "backend: unsloth",
             "grpo: {max_completion_length: 64, num_generations: 3, rewards: [{length: 4}]}",
             "14: grpo.num_generations: it does not divide the 8 completions of a step; give a divisor of "
             "per_device_train_batch_size x gradient_accumulation_steps"),
            ("no room for prompts", "grpo", "prompts", "backend: unsloth",
             "grpo: {max_completion_length: 256, rewards: [{length: 4}]}",
             "14: grpo.max_completion_length: no room is left for a prompt within 256 tokens; give less than 256, or "
             "raise model.max_seq_length"),
            ("a bound below the other", "grpo", "prompts", "backend: unsloth",
             "grpo: {max_completion_length: 64, epsilon_high: 0.1, rewards: [{length: 4}]}",
             "14: grpo.epsilon_high: it is less than epsilon; give as much at least, or leave it empty"),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_what_does_not_go_with_a_method(bad: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(bad, tmp_path, monkeypatch) == bad.says
