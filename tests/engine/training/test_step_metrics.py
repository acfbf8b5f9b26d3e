"""A step's figures, of those of its micro-steps and ranks."""

import torch

from cockpit.engine.training.step_metrics import StepMetrics, together


def test_times_of_micro_steps_add_up_and_of_memory_the_peak_counts() -> None:
    metrics = StepMetrics()
    for drawing_s, drawing_gib, kl in ((8.0, 60.0, 0.1), (0.0, 10.0, 0.2), (0.0, 9.0, 0.3), (0.0, 9.0, 0.4)):
        metrics.add(torch.tensor(0.25), torch.tensor([2, 1]))
        metrics.add_figures({"generation_time_s": [drawing_s], "learning_time_s": [1.0]}, "sum")
        metrics.add_figures({"generation_memory_gib": [drawing_gib]}, "max")
        metrics.add_figures({"kl": [kl]})
    assert metrics.take() == {
        "loss": 1.0,
        "generation_time_s": 8.0,
        "learning_time_s": 4.0,
        "generation_memory_gib": 60.0,
        "kl": 0.25,
        "tokens_seen": 8.0,
        "trained_tokens": 4.0,
    }
    metrics.add_figures({"learning_time_s": [1.0]}, "sum")
    assert metrics.take()["learning_time_s"] == 1.0, "of the next step alone"


def test_ranks_work_at_the_same_time() -> None:
    of_ranks = [
        {"seconds": [3.0, 1.0], "gib": [20.0, 5.0], "kl": [1.0, 2.0]},
        {"seconds": [2.0, 2.0], "gib": [30.0, 5.0], "kl": [3.0, 2.0]},
    ]
    assert together(of_ranks, {"seconds": "sum", "gib": "max"}) == {"seconds": 4.0, "gib": 30.0, "kl": 2.0}
