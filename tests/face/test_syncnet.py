"""The sync network: its size, its gradients, and that it learns which sound a mouth moves with."""

import numpy as np
import torch

from models.face.methods import SYNC
from models.face.sources import mesh
from models.face.sources.tracking import Track
from models.face.sync.syncnet import SIDE, SyncNet, measure, mouths
from models.face.sync.training import Seen, batches, losses


def made(frames: int, seed: int) -> Seen:
    """A mouth that opens with the loudness of its sound."""
    rng = np.random.default_rng(seed)
    loud = np.convolve(rng.normal(size=frames + 8), np.ones(3) / 3, "same")[4:-4]
    mouth = np.full((frames, SIDE, SIDE), 150, np.uint8)
    for frame, value in zip(mouth, loud, strict=True):
        half = int(np.clip(6 + 6 * value, 1, 16))
        frame[SIDE // 2 - half : SIDE // 2 + half, 12:36] = 20
    mel = np.repeat(loud[:, None], 160, axis=1).astype(np.float32)
    return Seen(f"person {seed}", mouth, mel)


def test_vectors_have_length_one_and_gradients_reach_every_weight():
    network = SyncNet()
    seen, heard, _ = network(torch.rand(3, 9, SIDE, SIDE), torch.rand(3, 12, 160))
    assert seen.shape == (3, 5, 128) and heard.shape == (3, 8, 128)
    torch.testing.assert_close(seen.norm(dim=2), torch.ones(3, 5))
    batch = next(batches([made(60, 0), made(60, 1)], seed=0))
    losses(network, batch, 0.0)["loss"].backward()
    assert all(weight.grad is not None for weight in network.parameters())
    assert sum(weight.numel() for weight in network.parameters()) < 1.2e6


def test_it_learns_one_batch_by_heart():
    torch.manual_seed(0)
    network = SyncNet(width=8)
    batch = next(batches([made(60, seed) for seed in range(4)], seed=0))
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    first = losses(network, batch, 0.0)["shift"].item()
    for _ in range(60):
        optimiser.zero_grad()
        loss = losses(network, batch, 0.0)["loss"]
        loss.backward()
        optimiser.step()
    assert losses(network, batch, 0.0)["shift"].item() < 0.6 * first


def test_the_lag_is_told_with_its_sign():
    """A stand-in whose vectors are the loudness itself: a mouth that comes 3 frames late has a lag of 3."""

    class Loudness(SyncNet):
        def forward(self, mouths, mel):
            dark, loud = (mouths < 0.3).float().mean((2, 3)), mel.mean(2)
            return dark.unfold(1, 5, 1), loud.unfold(1, 5, 1), None

    clip = made(120, 3)
    dark = (clip.mouth < 76).mean((1, 2)).astype(np.float32)
    mel = np.repeat(np.roll(dark, -3)[:, None], 160, axis=1)
    found = measure(Loudness(), clip.mouth, mel)
    assert found.lag == 3 and found.confidence > 0
    assert abs(measure(Loudness(), clip.mouth, np.roll(mel, 3, axis=0)).lag) == 0


def test_mouths_are_upright_whatever_the_pose():
    rest = np.concatenate([mesh.canonical(), mesh.canonical()[:10]])
    angle = np.radians(25)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    level = np.array([[9, 0, 0, 100], [0, -9, 0, 90], [0, 0, -9, 0]], np.float32)
    tilted = level.copy()
    tilted[:, :3] = turn @ level[:, :3]
    poses = np.stack([level, tilted])
    track = Track(np.stack([rest, rest]), poses, np.zeros((2, 52), np.float32), np.ones(2, bool), (200, 200))
    frames = []
    for pose in poses:
        frame = np.full((200, 200, 3), 200, np.uint8)
        for place in mesh.project(pose, rest)[list(mesh.OUTER_LIPS), :2].round().astype(int):
            frame[place[1] - 2 : place[1] + 3, place[0] - 2 : place[0] + 3] = 0
        frames.append(frame)
    crops = mouths(frames, track)
    assert crops.shape == (2, SIDE, SIDE) and (crops < 100).any()
    assert np.corrcoef(crops[0].ravel(), crops[1].ravel())[0, 1] > 0.7


def test_the_shipped_network_loads():
    assert SYNC.loaded("sync")(torch.rand(1, 5, SIDE, SIDE), torch.rand(1, 5, 160))[0].shape == (1, 1, 128)
