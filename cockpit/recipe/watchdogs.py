"""What is done when a run shows a sign of going wrong: one field for each watchdog."""

from __future__ import annotations

from typing import Literal

from cockpit.recipe.section import Section

Action = Literal["off", "warn", "pause", "stop"]


class Watchdogs(Section):
    """What is done when training shows a sign of going wrong: off, warn, pause, or stop and save."""

    loss_nan: Action = "stop"
    """The loss is not a finite number. A stop saves nothing then, as the weights are of no use; checkpoints stay."""

    loss_zero: Action = "warn"
    """The loss is 0 for several steps: there is nothing to learn, or nothing is measured."""

    loss_diverging: Action = "warn"
    """The loss stands well above the lowest that it was, by more than its noise."""

    gradient_zero: Action = "warn"
    """The gradient is 0 for several steps: no weight changes."""

    gradient_spike: Action = "warn"
    """The gradient is many times as long as it usually is."""

    overfitting: Action = "warn"
    """The loss on held-out rows rises while that of training falls."""

    margin_still: Action = "warn"
    """The margin between better and worse answers does not move: for methods that learn from pairs or marks."""

    kl_far: Action = "warn"
    """The model goes far from where it began, by its KL divergence: for kto, and for grpo with a beta."""

    reward_collapsed: Action = "warn"
    """The reward loses what it had gained: for grpo."""

    length_growing: Action = "warn"
    """Completions grow until they are cut off: for grpo."""

    nothing_trained: Action = "warn"
    """Steps in which no token is trained on."""

    learning_rate_still: Action = "warn"
    """The learning rate stands where the schedule moves."""

    throughput_fallen: Action = "warn"
    """Tokens a second have fallen to less than half."""

    stalled: Action = "warn"
    """A step takes many times as long as steps usually do."""

    vram_nearly_full: Action = "warn"
    """Memory of a GPU is used to within 5 %."""

    disk_nearly_full: Action = "warn"
    """The disk has no room for two more checkpoints."""
