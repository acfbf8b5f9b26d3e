"""Parameters counted from a config.json alone are those of the real models."""

from typing import Any

import pytest

from cockpit.models.shape import ModelShape
from tests.models.shapes import (
    GEMMA_3_4B,
    GEMMA_3_270M,
    GEMMA_4_E2B,
    GPT_OSS_20B,
    LLAMA_3_8B,
    LLAMA_32_1B,
    MISTRAL_7B,
    PHI_3_MINI,
    QWEN3_06B,
    QWEN3_8B,
    QWEN25_05B,
    QWEN35_2B,
)


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
