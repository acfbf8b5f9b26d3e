"""Parameters counted from a config.json alone are those of the real models."""

from typing import Any

import pytest

from cockpit.models.shape import ModelShape

LLAMA_3_8B = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip
LLAMA_32_1B = {
    "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "head_dim": 64,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": True,
}  # fmt: skip
MISTRAL_7B = LLAMA_3_8B | {"model_type": "mistral", "vocab_size": 32768}
QWEN3_06B = {
    "model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "head_dim": 128,
    "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 151936, "tie_word_embeddings": True,
}  # fmt: skip
QWEN3_8B = {
    "model_type": "qwen3", "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36, "head_dim": 128,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 151936, "tie_word_embeddings": False,
}  # fmt: skip
QWEN25_05B = {
    "model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
    "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True,
}  # fmt: skip
GEMMA_3_270M = {
    "model_type": "gemma3_text", "hidden_size": 640, "intermediate_size": 2048, "num_hidden_layers": 18,
    "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 262144,
}  # fmt: skip
GEMMA_3_4B = {
    # As its makers publish it: the heads and the vocabulary are left to transformers.
    "model_type": "gemma3",
    "text_config": {
        "model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34
    },
    "vision_config": {
        "model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
        "num_attention_heads": 16, "patch_size": 14, "image_size": 896, "vision_use_head": False,
    },
}  # fmt: skip
PHI_3_MINI = {
    "model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32064, "tie_word_embeddings": False,
}  # fmt: skip
GPT_OSS_20B = {
    "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 24, "head_dim": 64,
    "num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 201088, "num_local_experts": 32,
    "num_experts_per_tok": 4, "tie_word_embeddings": False,
}  # fmt: skip
GEMMA_4_E2B = {
    "model_type": "gemma4",
    "text_config": {
        "model_type": "gemma4_text", "hidden_size": 1536, "intermediate_size": 6144, "num_hidden_layers": 35,
        "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256, "num_kv_shared_layers": 20,
        "use_double_wide_mlp": True, "vocab_size": 262144,
    },
    "vision_config": {"model_type": "gemma4_vision"},
    "audio_config": {"model_type": "gemma4_audio"},
}  # fmt: skip
QWEN35_2B = {
    "model_type": "qwen3_5",
    "tie_word_embeddings": True,
    "text_config": {
        "model_type": "qwen3_5_text", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 24,
        "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 256, "vocab_size": 248320,
        "linear_num_value_heads": 16,
    },
    "vision_config": {
        "model_type": "qwen3_5", "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "out_hidden_size": 2048
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "parameters", "layers"),
    [
        (LLAMA_3_8B, 8_030_261_248, 32),
        (LLAMA_32_1B, 1_235_814_400, 16),
        (MISTRAL_7B, 7_248_023_552, 32),
        (QWEN3_06B, 596_049_920, 28),
        (QWEN3_8B, 8_190_735_360, 36),
        (QWEN25_05B, 494_032_768, 24),
        (GEMMA_3_270M, 268_098_176, 18),
        (GEMMA_3_4B, 4_300_079_472, 34),
        (PHI_3_MINI, 3_821_079_552, 32),
        (GPT_OSS_20B, 20_914_757_184, 24),
        (GEMMA_4_E2B, 5_097_219_104, 35),
        (QWEN35_2B, 2_213_241_664, 24),
    ],
)
def test_parameters_are_those_that_transformers_makes_of_the_config(
    config: dict[str, Any], parameters: int, layers: int
) -> None:
    shape = ModelShape.of(config)
    assert shape is not None
    assert (shape.parameters, shape.layers) == (parameters, layers)


def test_models_that_see_are_told() -> None:
    gemma, llama = ModelShape.of(GEMMA_3_4B), ModelShape.of(LLAMA_3_8B)
    assert gemma is not None and gemma.is_vision and gemma.tower.patches == 4096
    assert llama is not None and not llama.is_vision


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "mamba", "hidden_size": 4096},
        LLAMA_3_8B | {"intermediate_size": None},
        LLAMA_3_8B | {"hidden_size": "wide"},
        LLAMA_3_8B | {"num_attention_heads": 0},
        GEMMA_3_4B | {"vision_config": {"model_type": "new_eyes"}},
        {"text_config": []},
    ],
)
def test_what_nobody_has_taught_it_has_no_shape(config: dict[str, Any]) -> None:
    assert ModelShape.of(config) is None
