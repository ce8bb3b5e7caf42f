# SPDX-License-Identifier: GPL-3.0-or-later
"""How a training runs; stored in its checkpoint."""

from dataclasses import dataclass, field

from models.reconstruction.config import NetworkConfig


@dataclass(frozen=True)
class LossWeights:
    """What each loss counts, given that each is about 1 at a typical error of a young network."""

    point_likelihood: float = 0.5
    point_distance: float = 0.5
    gap: float = 1.2
    identity: float = 1.2  # here and in expression parameters and vertices are balanced
    expression: float = 3.0
    gaze: float = 1.0
    rotation: float = 0.25
    segmentation: float = 2.0  # from here to relief: the per-pixel heads
    canonical: float = 0.25
    depth: float = 0.25
    normal: float = 0.25
    relief: float = 0.25
    face: float = 0.25
    jitter: float = 0.4  # at the end of training, where there are neighbours; 0 at its start


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a run besides the pools and the machine.

    minutes: budget of training time; the learning rate follows the share of it that is spent.
    pictures: budget of pictures that are seen, instead of the minutes; 0: none. occluders:
    whether things are painted in front of the faces. camera: share of the pictures that are spoilt as
    cameras do.
    only: the parts of the network that learn (names of ReconstructionNetwork's modules); the others
    stay as they are, their normalisation too; empty: all learn.
    fixed_normalisation: whether normalisation keeps its running figures and goes by them, instead of
    by each batch's. For weights that have learnt: pictures without a face, whose points nobody
    trains, can stretch a batch's figures many times, and a few more or less of them then move all.
    average: per-step decay of the moving average of the weights, which is what gets exported.
    clip: largest norm of a step's gradient.
    dynamic: whether parameters and vertices are weighed against each other as training goes.
    neighbours: share of a batch's crops that show the next frame of others, for the jitter loss.
    """

    minutes: float = 60.0
    pictures: int = 0
    occluders: bool = True
    camera: float = 1.0
    only: tuple[str, ...] = ()
    fixed_normalisation: bool = False
    batch: int = 64
    learning_rate: float = 2e-3
    last_learning_rate: float = 1e-5
    warm_up_steps: int = 300
    weight_decay: float = 0.02
    clip: float = 5.0
    average: float = 0.999
    seed: int = 1
    dynamic: bool = True
    neighbours: float = 0.0
    network: NetworkConfig = field(default_factory=NetworkConfig)
    losses: LossWeights = field(default_factory=LossWeights)

    @classmethod
    def from_dict(cls, values):
        """The config from a checkpoint's plain dictionary."""
        values = dict(values)
        values["network"] = NetworkConfig.from_dict(values["network"])
        values["losses"] = LossWeights(**values["losses"])
        values["only"] = tuple(values["only"])
        return cls(**values)
