"""the embedded default: its small world, its pretraining, its weights, its dataset"""

from pathlib import Path

MODEL_DIR = Path(__file__).parent / "model"
DATASET_PATH = Path(__file__).parent / "pirate.jsonl"
