"""the embedded default: its small world, its pretraining, its weights, its dataset"""

from pathlib import Path

DATASET_PATH = Path(__file__).parent / "pirate.jsonl"
PREFERENCES_PATH = DATASET_PATH.with_name("preferences.jsonl")
SUMS_PATH = DATASET_PATH.with_name("sums.jsonl")
