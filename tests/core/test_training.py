"""The training loop: it learns, keeps an average, and goes on where it was stopped."""

import itertools

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from models.core import training


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "RUNS", tmp_path)


def line(network: nn.Module, batch: torch.Tensor, spent: float) -> dict[str, torch.Tensor]:
    assert 0 <= spent < 1
    return {"loss": (network(batch).float() - 3 * batch).square().mean()}


def batches(seed: int):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(16, 1, generator=generator) for _ in itertools.count())


def test_it_learns_and_counts_its_steps(tmp_path):
    average, done = training.fit("line", nn.Linear(1, 1), batches, line, rate=0.1, steps=300)
    assert done["steps"] == 300
    assert average.weight.item() == pytest.approx(3, abs=0.2)
    assert (tmp_path / "line" / "state.pt").exists()


def test_a_stopped_run_goes_on(monkeypatch):
    training.fit("line", nn.Linear(1, 1), batches, line, rate=0.05, steps=30)
    fresh = nn.Linear(1, 1)
    average, done = training.fit("line", fresh, batches, line, rate=0.05, steps=40)
    assert done["steps"] == 40
    finished, done = training.fit("line", nn.Linear(1, 1), batches, line, rate=0.05, steps=40)
    assert done["steps"] == 40, "a finished run is not trained further"
    assert torch.equal(finished.weight, average.weight)


def test_a_run_begins_with_the_weights_that_lie_there(tmp_path):
    (tmp_path / "line").mkdir()
    known = {"weight": torch.full((1, 1), 2.5).half(), "bias": torch.full((1,), -0.5).half()}
    save_file(known, tmp_path / "line" / "model.safetensors")
    losses = []

    def seen(network, batch, spent):
        losses.append((network.weight.item(), network.bias.item()))
        return line(network, batch, spent)

    training.fit("line", nn.Linear(1, 1), batches, seen, rate=0.05, steps=3)
    assert losses[0] == (2.5, -0.5)


def test_minutes_are_a_budget_too():
    _, done = training.fit("line", nn.Linear(1, 1), batches, line, rate=0.05, minutes=0.02)
    assert done["steps"] > 0
    assert done["minutes"] == pytest.approx(0.02, abs=0.05)


class Pair(nn.Module):
    """Answers by something that is no tensor, as detectors do."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> "Answer":
        return Answer(self.weight(x))


class Answer:
    def __init__(self, value: torch.Tensor) -> None:
        self.value = value


def test_what_is_checked_and_kept_computes_in_full_precision():
    seen = []

    def check(network: nn.Module) -> str:
        seen.append(network(torch.ones(1, 1)).value.dtype)
        return ""

    def loss(network: nn.Module, batch: torch.Tensor, spent: float) -> dict[str, torch.Tensor]:
        return {"loss": network(batch).value.float().square().mean()}

    average, _ = training.fit("pair", Pair(), batches, loss, rate=0.1, steps=2, check=check)
    assert seen == [torch.float32]
    assert average(torch.ones(1, 1)).value.dtype == torch.float32
