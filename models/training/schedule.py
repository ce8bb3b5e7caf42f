# SPDX-License-Identifier: GPL-3.0-or-later
"""The learning rate over a budget of time, and the moving average of the weights."""

import math

import torch


def learning_rate(config, steps, progress):
    """Warm-up by steps, then half a cosine over progress 0..1 (Loshchilov, Hutter 2017).

    progress is the share of the time budget that is spent, so that a run ends well on any machine.
    """
    warm = min(1.0, (steps + 1) / config.warm_up_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    peak, last = config.learning_rate, config.last_learning_rate
    return warm * (last + (peak - last) * cosine)


class MovingAverage:
    """Exponential moving average of a network's state; what is validated and exported.

    Young averages forget faster, so that the first random weights do not linger. Counters (integer
    buffers) are copied.
    """

    def __init__(self, network, decay):
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in network.state_dict().items()}

    def update(self, network, steps):
        """Take in the weights after `steps` steps."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        averaged, current = [], []
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                averaged.append(self.state[name])
                current.append(value.detach())
            else:
                self.state[name].copy_(value)
        torch._foreach_lerp_(averaged, current, 1 - decay)

    def load(self, state):
        """Continue from a checkpoint's average, on the devices of the present one."""
        for name, value in self.state.items():
            value.copy_(state[name])
