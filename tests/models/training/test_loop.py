# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop learns, and goes on after a kill as if there had been none."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.__main__ import main
from models.reconstruction.checkpoint import load_checkpoint, network_from
from models.reconstruction.config import NetworkConfig
from models.synthesis.pool import chunk_path, open_chunk
from models.training import loop
from models.training.batches import Drawn, TrainingBatches, clean_batch
from models.training.config import TrainingConfig
from models.training.labels import MirrorTables
from models.training.log import Log
from models.training.loop import CHECKPOINT, Trainer
from models.training.pool import PoolShare
from models.training.schedule import MovingAverage, learning_rate

SMALL = NetworkConfig(
    widths=(16, 16, 32, 32), depths=(1, 1, 1, 1), pyramid=16, point_hidden=64,
    identity_hidden=32, expression_hidden=32, pixel_widths=(16, 16, 16, 32),
)  # fmt: skip


class Clock:
    """A clock on which every look takes an eighth of a second."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.125
        return self.now


def config(head, minutes, **more):
    network = replace(SMALL, points=len(head.point_vertices))
    return TrainingConfig(minutes=minutes, batch=8, network=network, **more)


def test_losses_fall_on_a_handful_of_faces(pool, head_model):
    chunk = open_chunk(chunk_path(pool, 1))
    arrays = clean_batch(Drawn.of([(chunk, index) for index in range(8)]))
    batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
    trainer = Trainer(config(head_model, 1.0, warm_up_steps=10), head_model)
    history = []
    for _ in range(60):
        history.append(trainer.step(batch))
        trainer.progress.steps += 1
    first, last = history[0], history[-1]
    for name in ("distance", "gap", "rotation", "segmentation", "canonical", "normal", "identity"):
        assert last[name] < 0.7 * first[name], name
    assert last["expression"] < 0.95 * first["expression"], "slower: dots hardly show it"
    assert last["total"] < 0.5 * first["total"]


def test_fixed_normalisation_goes_by_its_running_figures(pool, head_model):
    chunk = open_chunk(chunk_path(pool, 1))
    arrays = clean_batch(Drawn.of([(chunk, index) for index in range(4)]))
    batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
    for fixed in (True, False):
        trainer = Trainer(config(head_model, 1.0, fixed_normalisation=fixed), head_model)
        before = {k: v.clone() for k, v in trainer.network.named_buffers() if "running" in k}
        trainer.step(batch)
        after = dict(trainer.network.named_buffers())
        assert all(torch.equal(value, after[name]) for name, value in before.items()) == fixed


def test_a_broken_batch_is_passed_over_and_many_end_the_run(pool, head_model, monkeypatch):
    chunk = open_chunk(chunk_path(pool, 1))
    arrays = clean_batch(Drawn.of([(chunk, index) for index in range(4)]))
    batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
    broken = batch | {"points": batch["points"] * float("nan")}
    trainer = Trainer(config(head_model, 1.0), head_model)
    trainer.step(batch)
    trainer.progress.steps = 1
    before = {k: v.clone() for k, v in trainer.network.named_parameters()}
    trainer.step(broken)
    assert all(torch.equal(before[k], v) for k, v in trainer.network.named_parameters())
    monkeypatch.setattr(loop, "UNUSABLE_STEPS", 2)
    trainer.step(broken)
    with pytest.raises(FloatingPointError, match="diverged"):
        trainer.step(broken)


def test_nothing_but_the_named_parts_learns(pool, head_model):
    chunk = open_chunk(chunk_path(pool, 1))
    arrays = clean_batch(Drawn.of([(chunk, index) for index in range(8)]))
    trainer = Trainer(config(head_model, 1.0, only=("second_look",)), head_model)
    trainer.has_learnt = True  # else the points would begin at their mean
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    trainer.step({name: torch.from_numpy(array) for name, array in arrays.items()})
    after = trainer.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "second_look.eye.output.weight" in changed
    assert {name for name in changed if not name.startswith("second_look.")} == set()
    with pytest.raises(ValueError, match="no part ears, but backbone, pyramid"):
        Trainer(config(head_model, 1.0, only=("ears",)), head_model)


def test_what_no_part_that_learns_has_a_share_in_is_not_asked(pool, head_model):
    """And a part learns the same as if it were."""
    chunk = open_chunk(chunk_path(pool, 1))
    arrays = clean_batch(Drawn.of([(chunk, index) for index in range(4)]))
    batch = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def gradients(everything, *only):
        trainer = Trainer(config(head_model, 1.0, only=only), head_model)
        if everything:
            trainer.asked = {}
        parts = trainer.find_gradients(batch)
        weights = trainer.network.named_parameters()
        return set(parts), {name: p.grad for name, p in weights if p.grad is not None}

    of_pixels = {"segmentation", "canonical", "depth", "normal", "relief"}
    for only, left_out in ((("pixel_head",), False), (("second_look", "refinement"), True)):
        everything, expected = gradients(True, *only)
        asked, found = gradients(False, *only)
        assert asked == everything - of_pixels if left_out else asked == of_pixels | {"total"}
        assert found.keys() == expected.keys() and found
        assert all(torch.allclose(found[name], expected[name]) for name in found)
    assert gradients(False, "pixel_head", "second_look")[0] == everything
    assert gradients(False, "pyramid")[0] == gradients(False)[0] == everything


def test_first_weights_are_taken_part_by_part(head_model, tmp_path):
    plain = config(head_model, 1.0)
    plain = replace(plain, network=replace(plain.network, refinement=False))
    Trainer(plain, head_model).save(tmp_path)
    taught = Trainer(config(head_model, 1.0, seed=2), head_model)
    new = taught.network.refinement.output.weight.clone()
    taught.start_from_weights(tmp_path / CHECKPOINT)
    former = load_checkpoint(tmp_path / CHECKPOINT)["network"]
    state = taught.network.state_dict()
    assert all(torch.equal(state[name], value) for name, value in former.items())
    assert torch.equal(new, taught.network.refinement.output.weight)
    untaught = Trainer(plain, head_model)
    untaught.start_from_weights(saved(taught, tmp_path / "taught"))
    theirs = untaught.network.state_dict()
    assert theirs and all(torch.equal(state[name], value) for name, value in theirs.items())
    wider = replace(plain, network=replace(plain.network, point_hidden=plain.network.point_hidden + 8))
    with pytest.raises(ValueError, match="another network"):
        Trainer(wider, head_model).start_from_weights(tmp_path / CHECKPOINT)


def test_a_checkpoint_of_another_version_is_refused(head_model, tmp_path):
    Trainer(config(head_model, 1.0), head_model).save(tmp_path)
    content = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    torch.save(content | {"version": content["version"] - 1}, tmp_path / CHECKPOINT)
    with pytest.raises(ValueError, match="has checkpoint version"):
        load_checkpoint(tmp_path / CHECKPOINT)


def saved(trainer, folder):
    """The path of a trainer's checkpoint."""
    folder.mkdir()
    trainer.save(folder)
    return folder / CHECKPOINT


def run(head, pool, folder, minutes, resumed_from=None):
    """Train with one clock tick pattern; returns the trainer."""
    trainer = Trainer(config(head, minutes), head, clock=Clock())
    if resumed_from:
        trainer.restore(load_checkpoint(resumed_from))
    batches = TrainingBatches(
        [PoolShare(str(pool))], MirrorTables.of(head), trainer.config, trainer.progress.steps
    )
    periods = []
    trainer.train(iter(batches), lambda *a: periods.append(a), 1.0, str(folder))
    assert periods[-1][2] and sum(p.steps for _, p, _ in periods) > 0
    return trainer


def test_kill_and_resume_gives_the_same_state(pool, head_model, tmp_path, monkeypatch):
    """Killed after the first checkpoint and resumed, a run ends where an undisturbed one does."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 1.0)
    whole = run(head_model, pool, tmp_path, minutes=3 / 60)
    steps = whole.progress.steps
    assert steps >= 8

    class Killed(Exception):
        pass

    class KillingTrainer(Trainer):
        def step(self, batch):
            if self.progress.steps == 6:
                raise Killed
            return super().step(batch)

    folder = tmp_path / "killed"
    folder.mkdir()
    victim = KillingTrainer(config(head_model, 3 / 60), head_model, clock=Clock())
    batches = TrainingBatches([PoolShare(str(pool))], MirrorTables.of(head_model), victim.config)
    with pytest.raises(Killed):
        victim.train(iter(batches), lambda *a: None, 1.0, str(folder))
    assert 0 < load_checkpoint(folder / CHECKPOINT)["progress"]["steps"] < 6
    resumed = run(head_model, pool, folder, 3 / 60, resumed_from=folder / CHECKPOINT)

    assert resumed.progress == whole.progress
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
        assert torch.equal(whole.average.state[name], resumed.average.state[name]), name
    assert torch.equal(whole.loss.expression.sizes, resumed.loss.expression.sizes)


def test_a_kill_while_saving_leaves_the_former_checkpoint(head_model, tmp_path, monkeypatch):
    trainer = Trainer(config(head_model, 1.0), head_model)
    trainer.progress.steps = 5
    trainer.save(tmp_path)

    def breaks_off(content, path):
        Path(path).write_bytes(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(torch, "save", breaks_off)
        trainer.save(tmp_path)
    assert load_checkpoint(tmp_path / CHECKPOINT)["progress"]["steps"] == 5
    trainer.progress.steps = 6
    trainer.save(tmp_path)
    assert load_checkpoint(tmp_path / CHECKPOINT)["progress"]["steps"] == 6
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_log_forgets_what_is_done_again_and_a_broken_line(tmp_path):
    path = tmp_path / "log.csv"
    log = Log(path, ("steps", "total"))
    for steps in (10, 20, 30):
        log.write(steps=steps, total=1 / steps)
    with open(path, "a") as file:
        file.write("4")
    Log(path, ("steps", "total"), steps=20).write(steps=25)
    assert path.read_text().split() == ["steps,total", "10,0.1", "20,0.05", "25,"]
    with pytest.raises(ValueError, match="another version"):
        Log(path, ("steps", "other"))


@pytest.mark.parametrize("capability, features", [("AVX512", torch.bfloat16), ("AVX2", torch.float32)])
def test_half_precision_is_for_the_features_alone(
    pool, head_model, monkeypatch, capability, features
):
    """Feature maps in bfloat16 where the processor has instructions for it; weights, gradients,
    answers and the optimiser's memory in 32 bits."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    chunk = open_chunk(chunk_path(pool, 1))
    arrays = clean_batch(Drawn.of([(chunk, index) for index in range(4)]))
    trainer = Trainer(config(head_model, 1.0), head_model)
    kinds = {}
    stem, network = trainer.network.backbone.stem[0], trainer.network
    stem.register_forward_hook(lambda _m, _i, out: kinds.update(features=out.dtype))
    network.register_forward_hook(lambda _m, _i, out: kinds.update(
        (name, value.dtype) for part in out for name, value in part._asdict().items()))
    trainer.step({name: torch.from_numpy(array) for name, array in arrays.items()})
    assert kinds.pop("features") == features
    assert set(kinds.values()) == {torch.float32}
    for parameter in network.parameters():
        assert parameter.dtype == parameter.grad.dtype == torch.float32
        assert trainer.optimizer.state[parameter]["exp_avg"].dtype == torch.float32


def test_the_moving_average_follows_and_is_young_at_first():
    network = torch.nn.BatchNorm1d(1)
    average = MovingAverage(network, decay=0.9)
    with torch.no_grad():
        network.weight.fill_(2.0)
    network.num_batches_tracked.fill_(7)
    average.update(network, steps=0)
    assert average.state["weight"].item() == pytest.approx(0.1 * 1 + 0.9 * 2)
    assert average.state["num_batches_tracked"].item() == 7
    before = average.state["weight"].item()
    average.update(network, steps=10_000)
    assert average.state["weight"].item() == pytest.approx(0.9 * before + 0.1 * 2)


def test_a_budget_of_pictures_ends_the_run(pool, head_model, tmp_path):
    trainer = Trainer(config(head_model, 1000.0, pictures=40), head_model, clock=Clock())
    batches = TrainingBatches([PoolShare(str(pool))], MirrorTables.of(head_model), trainer.config)
    trainer.train(iter(batches), lambda *a: None, 1.0, str(tmp_path))
    assert trainer.progress.images == 40


def test_learning_rate_warms_up_and_comes_down(head_model):
    plan = config(head_model, 1.0, warm_up_steps=10)
    assert learning_rate(plan, 0, 0.0) == pytest.approx(plan.learning_rate / 10)
    assert learning_rate(plan, 9, 0.0) == pytest.approx(plan.learning_rate)
    assert learning_rate(plan, 500, 1.0) == pytest.approx(plan.last_learning_rate)
    assert learning_rate(plan, 500, 0.3) > learning_rate(plan, 500, 0.6)


def test_the_command_trains_resumes_and_exports(pool, tmp_path, capsys):
    run_folder = tmp_path / "run"
    words = ["train", "--pool", f"{pool}:2", "--out", str(run_folder), "--batch", "4",
             "--workers", "1", "--period", "2"]  # fmt: skip
    assert main([*words, "--minutes", "0.05"]) == 0
    assert main([*words, "--minutes", "0.05"]) == 2, "must not write over a run unasked"
    assert main([*words, "--minutes", "0.1", "--resume"]) == 0
    with open(run_folder / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["steps"]) for row in rows]
    assert steps == sorted(set(steps)) and len(rows) >= 2
    assert all(float(row["total"]) < 50 for row in rows)
    assert 0 < float(rows[-1]["held_out_landmark_error"]) < 2
    content = load_checkpoint(run_folder / CHECKPOINT)
    assert content["progress"]["seconds"] >= 6 and content["progress"]["steps"] == steps[-1]
    network_from(content)
    assert main(["export", str(run_folder / CHECKPOINT), "-o", str(tmp_path / "x.onnx")]) == 0
    warm = tmp_path / "warm"
    words[4] = str(warm)
    first = ["--init", str(run_folder / CHECKPOINT)]
    calm = ["--neighbours", "0.25", "--jitter-weight", "1.5"]
    assert main([*words, "--minutes", "0.03", *first, "--no-pixels", *calm]) == 0
    points_only = load_checkpoint(warm / CHECKPOINT)
    assert points_only["training_config"]["losses"]["jitter"] == 1.5
    assert not any(name.startswith("pixel_head.") for name in points_only["network"])
    assert main([*words, "--minutes", "0.05", "--resume"]) == 2, "the run has no per-pixel heads"


def test_bad_input_is_one_sentence(pool, tmp_path, capsys):
    out = ["--out", str(tmp_path / "run"), "--minutes", "0.01"]
    assert main(["train", "--pool", str(tmp_path / "none"), *out]) == 2
    assert main(["train", "--pool", str(pool), "--device", "nonsense", *out]) == 2
    assert main(["train", "--pool", str(pool), "--init", str(tmp_path / "no.pt"), *out]) == 2
    assert main(["train", "--pool", str(pool), "--spoilt", "2", *out]) == 2
    assert main(["train", "--pool", str(pool), "--jitter-weight", "-1", *out]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 5
