"""Networks and trainings go where they are told: a second device without a GPU, and two processes."""

import json
import socket
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from accelerate import PartialState
from accelerate.state import AcceleratorState, GradientState
from torch import Tensor, nn

from models.core import text, training
from tests.core.trainers import TRAINERS
from tests.elsewhere import Elsewhere, elsewhere


@pytest.fixture
def _trained_elsewhere(tmp_path, monkeypatch):
    """Accelerate takes "meta" for its device."""
    monkeypatch.setattr(training, "RUNS", tmp_path)
    text._minilm()  # transformers makes its networks on torch's own meta device first
    monkeypatch.setattr(training, "_save", lambda *_: None)  # pickle knows no Elsewhere
    for state in (PartialState, AcceleratorState, GradientState):
        state._reset_state()
    with elsewhere() as meta:
        PartialState(cpu=True).device = meta
        yield
    for state in (PartialState, AcceleratorState, GradientState):
        state._reset_state()


def test_an_operation_that_meets_a_tensor_left_on_the_cpu_raises_on_meta():
    with elsewhere() as meta:
        layer = nn.Linear(3, 2).to(meta)
        there = torch.ones(4, 3, device=meta)
        assert isinstance(there, Elsewhere) and layer(there).device.type == "meta"
        for wrong in (lambda: layer(torch.ones(4, 3)), lambda: there + torch.ones(3), lambda: there.numpy()):
            with pytest.raises((RuntimeError, TypeError)):
                wrong()
        assert there.cpu().numpy().sum() == 12


@pytest.mark.parametrize("name", TRAINERS)
@pytest.mark.usefixtures("_trained_elsewhere")
def test_a_trainer_steps_on_meta(name):
    network, done = TRAINERS[name](name, steps=2)
    assert done["steps"] == 2
    assert {value.device.type for value in network.state_dict().values()} == {"meta"}
    assert all(bool(value.isfinite().all()) for value in network.parameters())


def _two(rank: int, port: int, folder: str) -> None:
    """One of two processes: every trainer, two steps; what it drew and ended with goes to a file."""
    import os

    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    torch.set_num_threads(1)
    training.RUNS = Path(folder)
    saved: list[str] = []
    save = training._save
    training._save = lambda path, *rest: (saved.append(path.parent.name), save(path, *rest))  # type: ignore
    move = training.send_to_device
    drawn: list[float] = []
    training.send_to_device = lambda batch, *rest: (drawn.append(_sum(batch)), move(batch, *rest))[1]
    found = {}
    for name, trainer in TRAINERS.items():
        torch.manual_seed(rank)  # as careless as can be: no rank begins with the other's weights
        drawn.clear()
        network, _ = trainer(name, steps=2)
        weights = [float(value.double().sum()) for value in network.parameters()]
        found[name] = {"drawn": list(drawn), "weights": weights}
    (Path(folder) / f"{rank}.json").write_text(json.dumps({"found": found, "saved": saved}))
    torch.distributed.destroy_process_group()


def _sum(batch: object) -> float:
    """A number that tells batches apart."""
    if isinstance(batch, Tensor):
        return float(batch.double().sum())
    parts = batch.values() if isinstance(batch, dict) else batch
    parts = vars(parts).values() if hasattr(parts, "__dataclass_fields__") else parts
    return (
        sum(_sum(part) for part in parts)
        if isinstance(batch, tuple | dict) or hasattr(batch, "__dataclass_fields__")
        else 0.0
    )


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # One process imports all this, and the two are its forks.
    torch.multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])
    torch.multiprocessing.start_processes(_two, (port, str(folder)), nprocs=2, start_method="forkserver")
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("name", TRAINERS)
def test_a_trainer_steps_under_two_processes(name, ranks):
    one, two = (rank["found"][name] for rank in ranks)
    assert len(one["drawn"]) == len(two["drawn"]) == 2
    assert len({*one["drawn"], *two["drawn"]}) == 4, "no two ranks or steps see the same batch"
    assert one["weights"] == two["weights"]
    assert ranks[0]["saved"].count(name) == 1 and not ranks[1]["saved"]
