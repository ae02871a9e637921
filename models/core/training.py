"""The one training loop of the house, on Accelerate: one CPU, one GPU, or several by `accelerate launch`.

A budget is in minutes of work, because what a step costs depends on the
machine; the learning rate follows a cosine over that budget. The state lies
in runs/NAME, so a run that was stopped goes on where it was.

Of several processes each draws its own batches and noise, from seeds that `fit`
gives out; the first keeps the clock, the log and the state.

A run that has no state begins with the weights in runs/NAME/model.safetensors where these are: a copy of a
checkpoint's file goes on from what ships.
"""

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState
from accelerate.utils import broadcast, send_to_device
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from models.core import device

RUNS = Path("runs")
WARM_UP = 200
SAVE_EVERY = 300.0
LOG_EVERY = 100
EMA = 0.998

Losses = Mapping[str, Tensor]
Batches = Callable[[int], Iterator[Any]]


class Beside(Protocol):
    """What else learns while the losses are computed, with an optimiser of its own: an adversary."""

    def prepare(self, accelerator: Accelerator) -> None:
        """Go where the training is, once, before the first step."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that it has learned."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        ...


def fit(
    name: str,
    network: nn.Module,
    batches: Batches,
    losses: Callable[[nn.Module, Any, float], Losses],
    *,
    rate: float,
    minutes: float = 0.0,
    steps: int = 0,
    decay: float = 0.02,
    seed: int = 0,
    check: Callable[[nn.Module], str] | None = None,
    beside: Mapping[str, Beside] | None = None,
) -> tuple[nn.Module, dict[str, float]]:
    """Train a network for `minutes` of wall time in total, resuming runs/NAME if it is there.

    steps: the budget where it is not 0, for comparisons that must not depend on what else the machine does.

    batches: of a seed, endless: tensors, or tuples of what has `.to(device)`. Each is moved to the training's
        device and handed to `losses` with the network, which may be wrapped: what takes part in the gradient
        comes from its forward. With it comes the fraction of the budget that is used up, 0 to 1.
        `losses` gives named scalars; "loss" is minimised, the others are logged. As a module (with frozen
        networks of its own) it is moved too.
    check: called with the averaged network at every save; its line is logged.
    beside: what else learns while `losses` runs; it is saved and resumed with the rest.
    Returns the exponentially averaged network, on the training's device, and {"steps", "minutes"}.
    """
    where = device.best()
    accelerator = Accelerator(
        mixed_precision="bf16" if device.bf16(where) else "no",
        cpu=where == "cpu",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    folder = RUNS / name
    folder.mkdir(parents=True, exist_ok=True)
    if (begin := folder / "model.safetensors").exists():
        network.load_state_dict(load_file(begin))
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)
    # Copied before it is wrapped: what is checked and kept computes in full precision.
    average = AveragedModel(network, accelerator.device, avg_fn=_averaged, use_buffers=True)
    network, optimiser = accelerator.prepare(network, optimiser)
    if isinstance(losses, nn.Module):
        losses.to(accelerator.device)
    for other in (beside or {}).values():
        other.prepare(accelerator)
    done = {"steps": 0, "minutes": 0.0}
    state = folder / "state.pt"
    if state.exists():
        saved = torch.load(state, map_location=accelerator.device, weights_only=True)
        accelerator.unwrap_model(network).load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        average.load_state_dict(saved["average"])
        for key, other in (beside or {}).items():
            other.load_state_dict(saved["beside"][key])
        done = saved["done"]
    own_seed = seed_of(seed, accelerator.process_index, int(done["steps"]))
    torch.manual_seed(own_seed)
    drawn = batches(own_seed)
    log: dict[str, list[float]] = defaultdict(list)
    warm_up = min(WARM_UP, max(1, steps // 10)) if steps else WARM_UP
    start, before, saved_at = time.monotonic(), done["minutes"], time.monotonic()
    network.train()

    def spent_of() -> float:
        return done["steps"] / steps if steps else done["minutes"] / minutes

    while (spent := spent_of()) < 1:
        warm = min(1.0, (done["steps"] + 1) / warm_up)
        for group in optimiser.param_groups:
            group["lr"] = rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * spent)))
        batch = send_to_device(next(drawn), accelerator.device)
        with accelerator.autocast():
            found = losses(network, batch, spent)
        optimiser.zero_grad()
        accelerator.backward(found["loss"])
        accelerator.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        average.update_parameters(accelerator.unwrap_model(network))
        minutes_now = torch.tensor(before + (time.monotonic() - start) / 60, device=accelerator.device)
        done = {"steps": done["steps"] + 1, "minutes": float(broadcast(minutes_now))}
        for key, value in found.items():
            log[key].append(float(value.detach()))
        if done["steps"] % LOG_EVERY == 0:
            line = {key: round(sum(v) / len(v), 3) for key, v in log.items()}
            accelerator.print(json.dumps({**done, "minutes": round(done["minutes"], 2), **line}), flush=True)
            log.clear()
        if time.monotonic() - saved_at > SAVE_EVERY or spent_of() >= 1:
            if check is not None and accelerator.is_main_process:
                print("check:", check(average.module.eval()), flush=True)
            if accelerator.is_main_process:
                _save(state, accelerator.unwrap_model(network), optimiser, average, done, beside or {})
            saved_at = time.monotonic()
    accelerator.wait_for_everyone()
    return average.module.eval(), done


def averaged(name: str, network: nn.Module) -> nn.Module:
    """Fill a network with the average of runs/NAME. Raises FileNotFoundError where there was none."""
    saved = torch.load(RUNS / name / "state.pt", map_location="cpu", weights_only=True)["average"]
    network.load_state_dict(
        {key.removeprefix("module."): v for key, v in saved.items() if key != "n_averaged"}
    )
    return network


def seed_of(seed: int, rank: int, steps: int) -> int:
    """Of the batches and the noise of one process, other ones after each resumption."""
    return int(np.random.SeedSequence((seed, rank, steps)).generate_state(1)[0])


def first_alone() -> AbstractContextManager[None]:
    """Within this the first process goes ahead; what it kept in runs/ the others find there."""
    return PartialState(cpu=device.best() == "cpu").main_process_first()


def main_process() -> bool:
    """Whether this is the first of the processes, which writes what is written once."""
    return bool(PartialState(cpu=device.best() == "cpu").is_main_process)


def save_half(network: Any, out: Path) -> None:
    """Write the checkpoint folder in fp16, once of all processes. network: with the hub's mixin."""
    if main_process():
        network.half().save_pretrained(out)


def unwrapped(network: Any) -> Any:
    """The network itself where it is wrapped for several processes; for what takes part in no gradient."""
    return getattr(network, "module", network)


def _averaged(before: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
    """Exponential average that forgets quickly while it is young, so that no first weights linger."""
    count = int(count)
    return before + (now - before) * (1 - min(EMA, (1 + count) / (10 + count)))


def _save(
    path: Path,
    network: nn.Module,
    optimiser: Any,
    average: nn.Module,
    done: Mapping[str, float],
    beside: Mapping[str, Any],
) -> None:
    saved = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "average": average.state_dict(),
        "done": dict(done),
        "beside": {key: other.state_dict() for key, other in beside.items()},
    }
    partial = path.with_suffix(".part")
    torch.save(saved, partial)
    partial.replace(path)
