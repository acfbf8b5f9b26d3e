"""Bad recipes: fields that are fine alone and cannot work together. Each gives its whole message and exit status 2."""

from pathlib import Path

import pytest

from tests.recipe.sample import Bad, checked

BAD = [
    Bad(
        "a metric that nothing measures",
        {"warmup_steps: 5": "eval_steps: 10\n  early_stopping_patience: 2\n  metric_for_best_model: eval_bogus"},
        [
            "41: training.metric_for_best_model: no evaluation measures eval_bogus; give one of eval_loss, "
            "eval_mean_token_accuracy, eval_entropy, or have evaluation measure more",
        ],
    ),
    Bad(
        "the loss by row of images",
        {
            "backend: unsloth": "backend: transformers\noutput: {row_losses: true}",
            "format: messages": "format: image_text",
        },
        ["15: output.row_losses: the loss by row is not kept for rows with images; give false"],
    ),
    Bad(
        "main directions of weights in four bits",
        {"quantization: none": "quantization: nf4", "  r: 16  # rank": "  r: 16\n  init: pissa"},
        [
            "25: lora.init: pissa begins with the weights themselves, and model.quantization is nf4; give default, or "
            "none as model.quantization"
        ],
    ),
    Bad(
        "two beginnings of an adapter",
        {"  r: 16  # rank": "  r: 16\n  init: olora\n  loftq_config: {loftq_bits: 4}"},
        ["25: lora.init: loftq_config starts the adapter in its own way; keep one of the two"],
    ),
    Bad(
        "main directions and DoRA",
        {"  r: 16  # rank": "  r: 16\n  init: olora\n  use_dora: true"},
        [
            "25: lora.init: use_dora learns sizes from where the adapter begins, and olora begins elsewhere; give "
            "default, or false as use_dora"
        ],
    ),
    Bad(
        "a beginning that there is not",
        {"  r: 16  # rank": "  r: 16\n  init: eva"},
        [
            "25: lora.init: 'eva' is not one of the choices; give one of: default, gaussian, pissa, "
            "pissa_niter_16, olora"
        ],
    ),
    Bad(
        "both warm-ups",
        {"warmup_steps: 5": "warmup_steps: 5\n  warmup_ratio: 0.1"},
        ["40: training.warmup_ratio: warmup_steps is set too; keep one of the two"],
    ),
    Bad(
        "warm-up of a constant rate",
        {"warmup_steps: 5": "warmup_steps: 5\n  lr_scheduler_type: constant"},
        [
            "39: training.warmup_steps: the schedule constant has no warm-up; give constant_with_warmup "
            "as lr_scheduler_type, or no warm-up",
        ],
    ),
    Bad(
        "a setting of another scheduler",
        {"warmup_steps: 5": "lr_scheduler_kwargs:\n    power: 2\n    num_cycles: 1"},
        [
            "40: training.lr_scheduler_kwargs.power: linear has no such setting, it has none; it is for polynomial",
            "41: training.lr_scheduler_kwargs.num_cycles: linear has no such setting, it has none; it is for cosine, "
            "cosine_with_restarts, cosine_with_min_lr, cosine_warmup_with_min_lr, warmup_stable_decay",
        ],
    ),
    Bad(
        "a cosine without its end",
        {"warmup_steps: 5": "lr_scheduler_type: cosine_with_min_lr"},
        [
            "39: training.lr_scheduler_type: cosine_with_min_lr needs to know where it ends; give "
            "lr_scheduler_kwargs.min_lr or min_lr_rate",
        ],
    ),
    Bad(
        "a cosine that rises, with two ends",
        {
            "warmup_steps: 5": "lr_scheduler_type: cosine_with_min_lr\n  lr_scheduler_kwargs:\n    min_lr: 0.01\n"
            "    min_lr_rate: 0.1"
        },
        [
            "41: training.lr_scheduler_kwargs.min_lr: 0.01 is not below learning_rate, which is 0.002; give less than "
            "0.002",
            "42: training.lr_scheduler_kwargs.min_lr_rate: min_lr is set too; keep one of the two",
        ],
    ),
    Bad(
        "half a restart",
        {"warmup_steps: 5": "lr_scheduler_type: cosine_with_restarts\n  lr_scheduler_kwargs: {num_cycles: 1.5}"},
        ["40: training.lr_scheduler_kwargs.num_cycles: 1.5 is not a whole number of restarts; give 1, 2, 3 ..."],
    ),
    Bad(
        "a decay longer than the run, and none",
        {
            "warmup_steps: 5": "lr_scheduler_type: warmup_stable_decay\n  warmup_steps: 5\n  lr_scheduler_kwargs:\n"
            "    num_decay_steps: 56"
        },
        [
            "42: training.lr_scheduler_kwargs.num_decay_steps: warm-up and decay take 61 steps, and max_steps is 60; "
            "give fewer, or more max_steps",
        ],
    ),
    Bad(
        "a decay of unknown length",
        {"warmup_steps: 5": "lr_scheduler_type: warmup_stable_decay"},
        [
            "39: training.lr_scheduler_type: warmup_stable_decay needs to know over how many steps it falls; give "
            "lr_scheduler_kwargs.num_decay_steps",
        ],
    ),
    Bad(
        "a warm-up that leaves polynomial nothing",
        {"warmup_steps: 5": "lr_scheduler_type: polynomial\n  warmup_steps: 60"},
        [
            "40: training.warmup_steps: polynomial would have no step left to fall in, as max_steps is 60; give fewer, "
            "or another lr_scheduler_type",
        ],
    ),
    Bad(
        "a plateau without evaluations, and with a warm-up",
        {"warmup_steps: 5": "lr_scheduler_type: reduce_lr_on_plateau\n  warmup_steps: 5"},
        [
            "39: training.lr_scheduler_type: reduce_lr_on_plateau follows the evaluations, and eval_steps is empty; "
            "give eval_steps (and data.eval_rows), or another scheduler",
            "40: training.warmup_steps: the schedule reduce_lr_on_plateau has no warm-up; give constant_with_warmup as "
            "lr_scheduler_type, or no warm-up",
        ],
    ),
    Bad(
        "greedy that could never fall, or rise",
        {
            "learning_rate: 2e-3\n  warmup_steps: 5": "learning_rate: 5e-4\n  lr_scheduler_type: greedy\n"
            "  eval_steps: 5\n  lr_scheduler_kwargs:\n    max_lr: 1e-4\n    window_size: 5"
        },
        [
            "41: training.lr_scheduler_kwargs.min_lr: 0.001, as where it is empty, is not below learning_rate, which "
            "is 5e-4; give less than 5e-4",
            "42: training.lr_scheduler_kwargs.max_lr: 1e-4 is below learning_rate, which is 5e-4; give at least that, "
            "or leave it empty",
            "43: training.lr_scheduler_kwargs.window_size: it is not used, as smooth is off; switch smooth on",
        ],
    ),
    Bad(
        "evaluation of no rows",
        {"eval_rows: 64\n\ntraining:": "seed: 1\n\ntraining:\n  eval_steps: 5"},
        [
            "37: training.eval_steps: no rows are held out to measure, as data.eval_rows is 0; give "
            "data.eval_rows, eval_share or validation too, or leave it empty",
        ],
    ),
    Bad(
        "rows longer than the model",
        {"max_steps: 60": "max_length: 512"},
        [
            "37: training.max_length: rows of 512 tokens do not fit model.max_seq_length (256); give at "
            "most 256, or raise model.max_seq_length",
        ],
    ),
    Bad(
        "full training of nf4",
        {"quantization: none\n": "quantization: nf4\nfinetuning_type: full\n"},
        [
            "19: finetuning_type: nf4 weights cannot be trained, and full trains every weight; give lora, "
            "or none as model.quantization",
        ],
    ),
    Bad(
        "LoftQ on nf4",
        {"quantization: none\nhardware": "quantization: nf4\nhardware", "- v_proj": "- v_proj\n  loftq_config: {}"},
        [
            "29: lora.loftq_config: LoftQ quantises the base itself, and model.quantization is nf4; give "
            "none as model.quantization, or leave it empty",
        ],
    ),
    Bad(
        "a new token twice, one of blanks, and a layer whose rows are trained",
        {
            "quantization: none": "quantization: none\n  add_tokens: [<call>, <call>, ' ']",
            "- v_proj": "- v_proj\n    - lm_head",
        },
        [
            "19: model.add_tokens.1: stands twice; keep one of the two",
            "19: model.add_tokens.2: a token of blanks alone; give text such as <call>",
        ],
    ),
    Bad(
        "an adapter on layers whose rows are trained for new tokens",
        {"quantization: none": "quantization: none\n  add_tokens: [<call>]", "- v_proj": "- v_proj\n    - lm_head"},
        [
            "30: lora.target_modules.2: lm_head has rows that are trained as they are for model.add_tokens; take it "
            "out, or leave add_tokens empty",
        ],
    ),
    Bad(
        "all-linear in a list",
        {"- v_proj": "- all-linear"},
        ["28: lora.target_modules.1: all-linear is not the name of a layer; write it alone, not in a list"],
    ),
    Bad(
        "two layers in one name",
        {"- v_proj": "- v_proj k_proj\n  modules_to_save: [lm_head embed_tokens]"},
        [
            "28: lora.target_modules.1: 'v_proj k_proj' cannot be the name of a layer; give names such as q_proj, "
            "with commas between",
            "29: lora.modules_to_save.0: 'lm_head embed_tokens' cannot be the name of a layer; give names such as "
            "q_proj, with commas between",
        ],
    ),
    Bad(
        "DoRA and LoftQ",
        {"- v_proj": "- v_proj\n  use_dora: true\n  loftq_config: {}"},
        ["30: lora.loftq_config: use_dora starts the adapter in its own way; keep one of the two"],
    ),
    Bad(
        "no language, no vision",
        {"r: 16": "finetune_language_layers: false\n  r: 16"},
        [
            "24: lora.finetune_language_layers: with finetune_vision_layers off as well, no layer is left "
            "to train; switch one of the two on",
        ],
    ),
    Bad(
        "no attention, no feed-forward",
        {"r: 16": "finetune_attention_modules: false\n  finetune_mlp_modules: false\n  r: 16"},
        [
            "24: lora.finetune_attention_modules: with finetune_mlp_modules off as well, no layer is left "
            "to train; switch one of the two on",
        ],
    ),
    Bad(
        "Unsloth's checkpointing without it",
        {
            "gradient_checkpointing: none": "gradient_checkpointing: unsloth",
            "backend: unsloth": "backend: transformers",
        },
        [
            "40: training.gradient_checkpointing: unsloth checkpointing is Unsloth's own, and backend is "
            "transformers; give non_reentrant, reentrant or none",
        ],
    ),
    Bad(
        "checkpoints to keep, none asked for",
        {"training:\n": "output:\n  save_total_limit: 3\ntraining:\n"},
        [
            "37: output.save_total_limit: save_steps is empty, and 3 are kept then; give save_steps too, or leave it "
            "empty",
        ],
    ),
    Bad(
        "merged 4-bit of 16-bit",
        {"training:\n": "output:\n  merged: merged_4bit\ntraining:\n"},
        [
            "37: output.merged: merged_4bit is for an nf4 base, and model.quantization is none; give "
            "merged_16bit, or nf4 as model.quantization",
        ],
    ),
    Bad(
        "repository",
        {"training:\n": "output:\n  push_to_hub: me\ntraining:\n"},
        ["37: output.push_to_hub: this names no repository of the Hub; write it as owner/name"],
    ),
    Bad(
        "TensorBoard's folder",
        {"training:\n": "output:\n  logging_dir: logs\ntraining:\n"},
        [
            "37: output.logging_dir: it is TensorBoard's folder, and report_to does not name tensorboard; "
            "add tensorboard to report_to, or leave it empty",
        ],
    ),
    Bad(
        "samples that never come",
        {"training:\n": "finetuning_type: full\nsamples:\n  prompts: [hello]\ntraining:\n"},
        [
            "38: samples.prompts: they are never asked: both samples.every_steps and output.save_steps "
            "are empty; give one of the two",
        ],
    ),
    Bad(
        "samples of nothing",
        {"training:\n": "samples:\n  every_steps: 5\ntraining:\n"},
        ["37: samples.every_steps: there are no samples.prompts to answer; give prompts, or leave it empty"],
    ),
    Bad(
        "answers of nothing",
        {"training:\n": "evaluation:\n  every_steps: 5\ntraining:\n"},
        ["37: evaluation.every_steps: there is nothing to answer; give rows or suite: true, or leave it empty"],
    ),
    Bad(
        "answers that nothing measures",
        {"training:\n": "evaluation:\n  rows: 8\n  metrics: []\ntraining:\n"},
        ["38: evaluation.metrics: nothing is measured of the rows' answers; give one, such as exact_match"],
    ),
    Bad(
        "answers to a suite that is not there, judged by no regex and no function",
        {"training:\n": "evaluation:\n  suite: true\n  regex: '['\n  function: mine\ntraining:\n"},
        [
            "38: evaluation.regex: it is no regular expression (unterminated character set at position 0); mend it",
            "39: evaluation.function: 'mine' names no function; write it as my.module:function",
        ],
    ),
    Bad(
        "a suite without prompts",
        {"training:\n": "evaluation: {suite: true}\ntraining:\n"},
        ["36: evaluation.suite: the recipe has no suite; give it prompts in suite, or give false"],
    ),
    Bad(
        "presets of one name",
        {"training:\n": "chat:\n  presets:\n    - name: chat\n    - name: chat\ntraining:\n"},
        ["39: chat.presets.1.name: preset 0 is called chat too; give each preset a name of its own"],
    ),
    Bad(
        "half of the markers",
        {"eval_rows: 64": "instruction_part: <user>"},
        [
            "34: data.instruction_part: response_part is empty, so the answers would not be found; give "
            "both, or leave both empty to find them",
        ],
    ),
    Bad(
        "markers that are not used",
        {"eval_rows: 64": "response_part: <bot>\n  train_on: all"},
        [
            "34: data.response_part: it is not used, as train_on is all; give answers or last_answer as train_on, "
            "or leave it empty",
        ],
    ),
    Bad(
        "ratio of one source",
        {"format: messages": "ratio: 0.5"},
        ["33: data.sources.0.ratio: there is only one source; leave it empty, or add a source"],
    ),
    Bad(
        "ratio everywhere",
        {"format: messages": "ratio: 0.5\n    - name_or_path: b.json\n      ratio: 0.5"},
        [
            "35: data.sources.1.ratio: every source has a ratio, and none is left that they are ratios to; "
            "leave one source without; it is taken whole",
        ],
    ),
    Bad(
        "two without a ratio",
        {"format: messages": "ratio: 0.5\n    - name_or_path: b.json\n    - name_or_path: c.json"},
        ["35: data.sources.2.ratio: sources 1 and 2 have no ratio; give all but one a ratio, or none"],
    ),
    Bad(
        "images among texts",
        {"format: messages": "format: text\n    - name_or_path: b.json\n      format: image_text"},
        [
            "33: data.sources.0.format: rows without images cannot be mixed with rows that have them; "
            "give image_text for all sources, or for none",
        ],
    ),
    Bad(
        "packed images",
        {"format: messages\n  eval_rows: 64\n\ntraining:": "format: image_text\n\ntraining:\n  packing: true"},
        ["36: training.packing: rows with images cannot be packed; give false"],
    ),
    Bad(
        "column of another form",
        {"format: messages": "format: text\n      columns: {prompt: question}"},
        [
            "34: data.sources.0.columns.prompt: rows of the form text have no prompt; they have text; or "
            "give auto as format",
        ],
    ),
    Bad(
        "instruction for messages",
        {"format: messages": "format: messages\n      instruction: Say it."},
        [
            "34: data.sources.0.instruction: rows of the form messages have no place for an instruction "
            "of their own; leave it empty; it is for rows with images",
        ],
    ),
    Bad(
        "held out by number and by share",
        {"eval_rows: 64": "eval_rows: 64\n  eval_share: 0.1"},
        ["35: data.eval_share: eval_rows is set too; keep one of the two"],
    ),
    Bad(
        "packing without padding",
        {"max_steps: 60": "packing: true\n  padding_free: true"},
        ["38: training.padding_free: packing leaves no padding to save; keep one of the two"],
    ),
    Bad(
        "packing and padding",
        {"max_steps: 60": "packing: true\n  pad_to_multiple_of: 64"},
        ["38: training.pad_to_multiple_of: packing leaves no padding to save; keep one of the two"],
    ),
    Bad(
        "several at once",
        {
            "r: 16  # rank\n  lora_alpha: 32": "r: 0\n  lora_alfa: 32\n  lora_dropout: 2",
            "warmup_steps: 5": "warmup_steps: 5\n  warmup_ratio: 0.1",
            "  name_or_path: embedded:demo  # ours\n": "",
        },
        [
            "15: model.name_or_path: is missing; give text: A Hub name such as unsloth/gemma-3-4b-it, a local "
            "folder, or embedded:demo, the model that cockpit ships",
            "23: lora.r: 0 is below the smallest value; give a whole number from 1 to 1024",
            "24: lora.lora_alfa: lora has no such field; did you mean lora_alpha?",
            "25: lora.lora_dropout: 2 is above the largest value; give a number from 0 to below 1",
        ],
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_message(bad: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(bad, tmp_path, monkeypatch) == bad.says
