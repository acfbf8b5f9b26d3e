"""the embedded default: its small world, its pretraining, its weights, its dataset"""

from pathlib import Path

DATASET_PATH = Path(__file__).parent / "pirate.jsonl"
