"""METHODS: the kinds of training, by their names in a recipe"""

from __future__ import annotations

from collections.abc import Mapping

from cockpit.recipe.methods.dpo import DPO
from cockpit.recipe.methods.grpo import GRPO
from cockpit.recipe.methods.kto import KTO
from cockpit.recipe.methods.method import Method, MethodName
from cockpit.recipe.methods.orpo import ORPO
from cockpit.recipe.methods.pretraining import PRETRAINING
from cockpit.recipe.methods.sft import SFT

METHODS: Mapping[MethodName, Method] = {one.name: one for one in (SFT, PRETRAINING, DPO, ORPO, KTO, GRPO)}
