"""The memory forecast: parts that can be counted by hand, what each field changes, and runs that were measured."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cockpit.models.shape import ModelShape
from cockpit.preflight.memory import NCCL, Device, Forecast, Lengths, Part, fit, forecast
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from tests.bench.memory import forecast_of
from tests.bench.memory_cases import case
from tests.models.shapes import GEMMA_3_4B, LLAMA_3_8B, LLAMA_32_1B, MISTRAL_7B, QWEN3_06B, QWEN3_8B
from tests.preflight.memory_recipe import RECIPE

MIB, GIB = 2**20, 2**30
H200 = Device(139 * GIB, 138 * GIB)
FULL_ROWS = Lengths(2048, 2048, alike=True)
CHATS = Lengths(1024, 317)
LLAMA_LINEARS = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
LLAMA_ADAPTER = 32 * 16 * (2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14336))


def told(config: dict[str, Any], *settings: str, lengths: Lengths | None = None, **options: Any) -> Forecast:
    """The forecast for the recipe with the settings on it."""
    document = RecipeDocument.parse(RECIPE, "recipe.yaml")
    for setting in settings:
        document.set_from_text(setting)
    found = forecast(config, document.recipe(), H200, lengths=lengths, **options)
    assert found is not None
    return found


def part(found: Forecast, name: Part, phase: str = "step") -> int:
    """A part of the fullest moment of a phase, in bytes."""
    return next(moment for moment in found.moments if moment.phase == phase).parts[name]


def test_nf4_weights_are_half_a_byte_and_their_scales_and_the_rest_is_16_bit() -> None:
    rest = 8_030_261_248 - LLAMA_LINEARS
    quantised = LLAMA_LINEARS * (1 / 2 + 1 / 64 + 4 / (64 * 256))
    assert part(told(LLAMA_3_8B), "weights") == pytest.approx(quantised + 2 * rest, abs=1)


def test_plain_transformers_makes_what_is_not_quantised_32_bit() -> None:
    rest = 8_030_261_248 - LLAMA_LINEARS
    found = told(LLAMA_3_8B, "backend=transformers", "training.gradient_checkpointing=none")
    assert part(found, "weights") == pytest.approx(LLAMA_LINEARS * 0.515869140625 + 4 * rest, abs=1)


def test_weights_of_16_and_8_bits() -> None:
    assert part(told(LLAMA_3_8B, "model.quantization=none"), "weights") == 2 * 8_030_261_248
    rows = 32 * (2 * 4096 + 2 * 1024 + 2 * 14336 + 4096)
    rest = 8_030_261_248 - LLAMA_LINEARS
    assert part(told(LLAMA_3_8B, "model.quantization=int8"), "weights") == LLAMA_LINEARS + 4 * rows + 2 * rest


def test_files_that_are_quantised_already_are_what_they_are() -> None:
    ready = told(LLAMA_3_8B, "model.quantization=none", quantized="nf4")
    assert part(ready, "weights") == part(told(LLAMA_3_8B), "weights")


def test_an_adapter_is_float32_and_so_are_its_gradients() -> None:
    found = told(LLAMA_3_8B)
    assert found.trainable == LLAMA_ADAPTER == 41_943_040
    assert part(found, "adapter") == part(found, "gradients") == 4 * LLAMA_ADAPTER
    assert told(LLAMA_3_8B, "lora.r=32").trainable == 2 * LLAMA_ADAPTER
    attention = told(LLAMA_3_8B, "lora.target_modules=[q_proj, k_proj, v_proj, o_proj]").trainable
    assert attention == 32 * 16 * (2 * 8192 + 2 * 5120)


@pytest.mark.parametrize(
    ("optim", "each"),
    [("adamw_8bit", 2.03125), ("adamw_torch", 8), ("adamw_torch_fused", 8), ("sgd", 0)],
)
def test_optimizers_keep_two_states_or_none(optim: str, each: float) -> None:
    found = told(LLAMA_3_8B, f"training.optim={optim}")
    assert part(found, "optimizer") == pytest.approx(each * LLAMA_ADAPTER, abs=100)


def test_small_matrices_are_not_paged_out() -> None:
    assert part(told(LLAMA_3_8B, "training.optim=paged_adamw_8bit"), "optimizer") < part(told(LLAMA_3_8B), "optimizer")
    large = told(LLAMA_3_8B, "training.optim=paged_adamw_8bit", "lora.r=128")
    assert part(large, "optimizer") == 0


def test_layers_trained_whole_weigh_as_much_as_they_have() -> None:
    head = 128_256 * 4096
    found = told(LLAMA_3_8B, "lora.modules_to_save=[lm_head, embed_tokens]")
    assert told(LLAMA_3_8B, "model.add_tokens=[<call>]") == found, "Unsloth trains both whole for a new token"
    assert found.trainable == LLAMA_ADAPTER + 2 * head
    tied = told(LLAMA_32_1B, "lora.modules_to_save=[lm_head, embed_tokens]")
    assert tied.trainable - told(LLAMA_32_1B).trainable == 128_256 * 2048, "one matrix"


def test_rows_of_new_tokens_need_a_copy_of_the_head_on_plain_transformers() -> None:
    plain = ("backend=transformers", "training.gradient_checkpointing=none", "model.quantization=none")
    with_token, without = told(LLAMA_32_1B, *plain, "model.add_tokens=[<call>]"), told(LLAMA_32_1B, *plain)
    assert with_token.trainable == without.trainable
    more = part(with_token, "activations") - part(without, "activations")
    assert more == pytest.approx(2 * 128_256 * 2048, rel=0.2)


def test_full_training_trains_every_weight() -> None:
    full = told(QWEN3_06B, "finetuning_type=full", "model.quantization=none")
    assert full.trainable == full.parameters == 596_049_920
    assert part(full, "gradients") == part(full, "weights") == 2 * 596_049_920
    assert part(full, "adapter") == 0


def test_vision_layers_get_adapters_only_where_they_are_switched_on() -> None:
    text = told(GEMMA_3_4B).trainable
    assert text == 34 * 16 * (2 * (2560 + 2048) + 2 * (2560 + 1024) + 3 * (2560 + 10240))
    seeing = told(GEMMA_3_4B, "lora.target_modules=all-linear", "lora.finetune_vision_layers=true").trainable
    assert seeing == text + 27 * 16 * (4 * (1152 + 1152) + 2 * (1152 + 4304))
    attention = told(GEMMA_3_4B, "lora.finetune_mlp_modules=false").trainable
    assert attention == 34 * 16 * (2 * (2560 + 2048) + 2 * (2560 + 1024))


def peaks(config: dict[str, Any], field: str, values: tuple[object, ...], *settings: str) -> list[int]:
    """The peak for each value of a field."""
    return [told(config, *settings, f"{field}={value}").peak.total for value in values]


def test_what_takes_more_is_forecast_to_take_more() -> None:
    def grows(sizes: list[int]) -> bool:
        return all(one < other for one, other in itertools.pairwise(sizes))

    none = "training.gradient_checkpointing=none"
    for backend in ("backend=unsloth", "backend=transformers"):
        assert grows(peaks(LLAMA_3_8B, "training.per_device_train_batch_size", (1, 2, 4, 8), none, backend))
        assert grows(peaks(LLAMA_3_8B, "training.max_length", (256, 512, 1024, 2048), none, backend))
        assert grows(peaks(LLAMA_3_8B, "lora.r", (8, 16, 64), none, backend))
        assert grows(peaks(LLAMA_3_8B, "training.gradient_checkpointing", ("non_reentrant", "none"), backend))
    assert grows(peaks(LLAMA_3_8B, "training.gradient_checkpointing", ("unsloth", "non_reentrant", "none")))
    assert grows(peaks(LLAMA_3_8B, "model.quantization", ("nf4", "none"), none))
    float32_stream = peaks(LLAMA_3_8B, "model.quantization", ("none", "nf4"), none, "backend=transformers")
    assert grows(float32_stream), "what peft makes 32-bit beside a quantised base outweighs the base here"


def test_rows_are_as_long_as_they_are_known_to_be() -> None:
    none = "training.gradient_checkpointing=none"
    assert told(LLAMA_3_8B, none).tokens == 2 * 2048
    assert told(LLAMA_3_8B, none, lengths=CHATS).tokens == 2 * 1024
    assert told(LLAMA_3_8B, none, "training.pad_to_multiple_of=1000", lengths=CHATS).tokens == 2 * 2000
    assert told(LLAMA_3_8B, none, "training.packing=true", lengths=CHATS).tokens == 2 * 2048
    joined = told(LLAMA_3_8B, none, "training.padding_free=true", lengths=CHATS).tokens
    assert 1024 < joined < 2 * 1024, "two rows of the longest are hardly ever in one batch"


def test_the_loss_is_cut_into_pieces_that_fit_into_what_is_free() -> None:
    recipe = RecipeDocument.parse(RECIPE, "recipe.yaml").recipe()
    shape = ModelShape.of(GEMMA_3_4B)
    assert shape is not None
    small = forecast(shape, recipe, Device(8 * GIB, 7 * GIB), lengths=FULL_ROWS)
    large = forecast(shape, recipe, H200, lengths=FULL_ROWS)
    assert small is not None and large is not None and small.peak.total <= large.peak.total


def test_an_evaluation_is_forecast_where_there_is_one() -> None:
    def phases(found: Forecast) -> Iterator[str]:
        return (moment.phase for moment in found.moments)

    assert list(phases(told(LLAMA_3_8B))) == ["load", "step", "save"]
    tested = told(LLAMA_3_8B, "data.eval_rows=100", "training.per_device_eval_batch_size=64")
    assert list(phases(tested)) == ["load", "step", "evaluation", "save"]
    assert tested.peak.phase == "evaluation", "64 rows at once, without gradients, take more than 2 with them"


def test_answers_are_forecast_with_their_cache_as_far_as_it_fits() -> None:
    """Rows of 2048 tokens and 128 new ones: keys and values of 32 layers with 1024 numbers each, a layer's twice; and
    what the widest layer makes of all prompts at once."""
    asked = told(LLAMA_3_8B, "data.eval_rows=100", "evaluation.rows=64")
    assert [moment.phase for moment in asked.moments] == ["load", "step", "evaluation", "answers", "save"]
    rows = 65_536 // (2048 + 128)
    cache = 2 * rows * (2048 + 128) * 2 * 1024 * 33
    layer = 2 * (3 * 14336 + 4 * 4096 + 2 * 4096) * rows * 2048
    assert part(asked, "activations", "answers") == cache + layer
    short = told(LLAMA_3_8B, "data.eval_rows=100", "evaluation.rows=64", lengths=Lengths(100, 50))
    assert 4 * part(short, "activations", "answers") < part(asked, "activations", "answers")
    document = RecipeDocument.parse(RECIPE, "recipe.yaml")
    for setting in ("data.eval_rows=100", "evaluation.rows=64"):
        document.set_from_text(setting)
    small = forecast(LLAMA_3_8B, document.recipe(), Device(16 * GIB, 15 * GIB))
    assert small is not None
    assert 0 < part(small, "activations", "answers") <= (cache + layer) / 2, "a batch that runs out is halved"
    given = next(moment for moment in small.moments if moment.phase == "answers")
    assert fit(given.total, 15 * GIB) == "fits", "answers never keep a run from fitting"


def test_a_model_without_a_shape_has_no_forecast() -> None:
    recipe = RecipeDocument.parse(RECIPE, "recipe.yaml").recipe()
    assert forecast({"model_type": "mamba"}, recipe, H200) is None


def test_what_fits() -> None:
    assert fit(10 * GIB, 12 * GIB) == "fits"
    assert fit(10 * GIB, round(10.2 * GIB)) == "tight"
    assert fit(10 * GIB, 9 * GIB) == "does not fit"
    assert told(LLAMA_3_8B).fit(16 * GIB) == "fits"
    assert told(LLAMA_3_8B, "model.quantization=none").fit(16 * GIB) == "does not fit"


PLAIN = ("backend=transformers", "training.gradient_checkpointing=non_reentrant")
NOT_CHECKPOINTED = (
    "training.gradient_checkpointing=none", "training.per_device_train_batch_size=8", "model.max_seq_length=1024"
)  # fmt: skip


@pytest.mark.parametrize(
    ("config", "settings", "lengths", "measured_mib"),
    [
        # docs/benchmarks.md, one H200: what the driver says.
        (LLAMA_3_8B, (), FULL_ROWS, 7956),
        (MISTRAL_7B, (), FULL_ROWS, 6476),
        (QWEN3_8B, (), FULL_ROWS, 8270),
        (GEMMA_3_4B, (), FULL_ROWS, 5914),
        (LLAMA_3_8B, PLAIN, FULL_ROWS, 12832),
        (MISTRAL_7B, PLAIN, FULL_ROWS, 9700),
        (QWEN3_8B, PLAIN, FULL_ROWS, 13390),
        (GEMMA_3_4B, PLAIN, FULL_ROWS, 8416),
        # The same machine, rows of a chat: what torch had reserved, and 0.8 to 1 GiB beside it.
        (LLAMA_3_8B, NOT_CHECKPOINTED, CHATS, 37 * 1024 + 840),
        (QWEN3_8B, NOT_CHECKPOINTED, CHATS, 41 * 1024 + 840),
        (GEMMA_3_4B, NOT_CHECKPOINTED, CHATS, 33 * 1024 + 1010),
        (LLAMA_3_8B, (*NOT_CHECKPOINTED, "model.quantization=none"), CHATS, 46 * 1024 + 840),
    ],
)
def test_runs_that_were_measured_are_forecast_within_5_percent(
    config: dict[str, Any], settings: tuple[str, ...], lengths: Lengths, measured_mib: float
) -> None:
    found = told(config, *settings, lengths=lengths)
    assert found.peak.total / MIB == pytest.approx(measured_mib, rel=0.05)


def test_the_24_runs_of_the_table_in_docs_memory() -> None:
    measured = json.loads((Path(__file__).parent / "memory_h200.json").read_text())
    device = Device(measured["total"], measured["free"])
    offs = {
        name: forecast_of(case(name), device).peak.total / MIB / peak - 1 for name, peak in measured["peak_mib"].items()
    }
    assert len(offs) == 24
    assert sum(abs(off) <= 0.05 for off in offs.values()) >= 23
    assert max(abs(off) for off in offs.values()) <= 0.06


def test_layers_that_unsloth_does_not_compile_make_three_gradients_in_place() -> None:
    def layer(*settings: str) -> int:
        return part(
            told(
                MISTRAL_7B,
                "training.gradient_checkpointing=unsloth",
                "training.per_device_train_batch_size=8",
                *settings,
            ),
            "activations",
        )

    packing, three = "training.packing=true", 3 * 2 * 14336 * 8 * 2048
    assert layer() - layer(packing) == three
    assert layer() - layer("hardware.compile=false") == three
    assert layer(packing, "lora.lora_dropout=0.1") > layer(packing) + 2 * 14336 * 8 * 2048
    of_attention = "lora.target_modules=[q_proj, k_proj, v_proj, o_proj]"
    assert layer(of_attention) == layer(of_attention, packing), "the feed-forward part is not Unsloth's kernel there"


def test_a_head_that_is_trained_has_its_gradient_beside_the_loss() -> None:
    head = 128_256 * 2048
    settings = ("backend=transformers", "model.quantization=none", "training.gradient_checkpointing=none")
    full = told(LLAMA_32_1B, *settings, "finetuning_type=full", lengths=FULL_ROWS)
    assert part(full, "logits") > 6 * head > 2 * part(told(LLAMA_32_1B, *settings, lengths=FULL_ROWS), "logits")


def test_each_of_several_gpus_holds_the_gradients_twice_and_what_they_talk_with() -> None:
    alone, together = told(MISTRAL_7B), told(MISTRAL_7B, "hardware.devices=4")
    assert part(together, "gradients") == 2 * part(alone, "gradients")
    assert part(together, "context") == part(alone, "context") + NCCL
    assert part(together, "weights") == part(alone, "weights"), "each has the whole model"


def test_int8_inputs_are_kept_though_checkpointed_unless_by_reentrant_checkpointing() -> None:
    settings = ("backend=transformers", "model.quantization=int8")
    kept, freed = (
        told(LLAMA_32_1B, *settings, f"training.gradient_checkpointing={mode}", lengths=FULL_ROWS)
        for mode in ("non_reentrant", "reentrant")
    )
    inputs = 16 * 2 * 2048 * (4 * (2 * 2048 + 8192) + 2 * 2048)
    assert part(kept, "activations") - part(freed, "activations") == inputs - 2 * 2048 * 2048 * 4


PAIRS = ("method=dpo", "data.sources.0.format=preference")


def changed(*settings: str) -> Recipe:
    """The recipe with settings that go together, whatever each does to the recipe alone."""
    document = RecipeDocument.parse(RECIPE, "recipe.yaml")
    for setting in settings:
        document.set_from_text(setting)
    return document.recipe()


def test_pairs_are_two_sequences_each() -> None:
    pairs = forecast(LLAMA_3_8B, changed(*PAIRS), H200)
    assert pairs is not None and pairs.tokens == 2 * told(LLAMA_3_8B).tokens
    twice = told(LLAMA_3_8B, "training.per_device_train_batch_size=4")
    assert pairs.peak.parts == twice.peak.parts


def test_full_training_that_compares_holds_the_model_twice() -> None:
    full = ("finetuning_type=full", "model.quantization=none")
    alone, pairs = (forecast(LLAMA_3_8B, changed(*one), H200) for one in (full, (*full, *PAIRS)))
    odds = forecast(LLAMA_3_8B, changed(*full, "method=orpo", PAIRS[1]), H200)
    assert alone is not None and pairs is not None and odds is not None
    assert part(pairs, "weights") == 2 * part(alone, "weights") == 2 * part(odds, "weights")


def test_completions_that_are_drawn_have_a_moment_of_their_own() -> None:
    """8 of 2048 tokens in all: keys and values of 32 layers with 1024 numbers each, a layer's twice."""
    rewards = ("method=grpo", "data.sources.0.format=prompts", "grpo.rewards=[{length: 8}]")
    found = forecast(LLAMA_3_8B, changed(*rewards), H200)
    assert found is not None and [one.phase for one in found.moments] == ["load", "step", "answers", "save"]
    assert part(found, "activations", "answers") > 2 * 8 * 2048 * 2 * 1024 * 33
    with_vllm = forecast(LLAMA_3_8B, changed(*rewards, "grpo.use_vllm=true"), H200)
    assert with_vllm is not None
    assert part(with_vllm, "buffers", "answers") == pytest.approx(0.3 * H200.total, abs=1)
