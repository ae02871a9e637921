"""Released files become checkpoints: what is read, what is refused, and what is written."""

import hashlib
import pickle
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from models.core import checkpoints, importing
from models.core.errors import UserError
from models.core.importing import import_weights
from models.core.pretrained import load_published, read_tensors
from models.core.registry import Method, Published, Registry
from models.core.sentences import sentence


class Tiny(nn.Module, PyTorchModelHubMixin):
    """Two tensors and a count."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(width, 2)
        self.norm = nn.BatchNorm1d(2)

    @classmethod
    def from_published(cls, path: Path) -> "Tiny":
        network = cls()
        load_published(network, path, lambda name: name)
        return network


def keep_words(source: Path, folder: Path, network: Tiny) -> None:
    (folder / "words.txt").write_text(source.read_text())


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[Tiny]:
    monkeypatch.setenv("TRILAB_HOME", str(tmp_path / "home"))
    network, load = f"{__name__}:Tiny", checkpoints.load_checkpoint
    return Registry(
        "smallness",
        Method("tiny", "Tiny", "Nobody, 2020", "tiny", network, load),
        published=(
            Published("tiny", "Tiny", "Nobody, 2020", network, load),
            Published("wordy", "Wordy", "Nobody, 2021", network, load, keep_words),
        ),
    )


@pytest.fixture
def weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: value.clone() for name, value in Tiny().state_dict().items()}


def refusal(registry: Registry[Tiny], file: Path, name: str = "mine", words: Path | None = None) -> UserError:
    """What refuses an import; nothing is left of it."""
    before = sorted(checkpoints.home().parent.rglob("*"))
    with pytest.raises(UserError) as refused:
        import_weights("scene", [registry], "wordy" if words else "tiny", file, name, words)
    assert sorted(checkpoints.home().parent.rglob("*")) in (before, [checkpoints.home()])
    assert sentence(refused.value)
    return refused.value


def written(tmp_path: Path, form: str, weights: dict[str, Tensor]) -> Path:
    """The weights as one of the training scripts saves them."""
    path = tmp_path / f"{form}.pth"
    match form:
        case "old":
            torch.save(weights, path, _use_new_zipfile_serialization=False)
        case "parallel":
            torch.save({f"module.{name}": value for name, value in weights.items()}, path)
        case "training":
            torch.save({"epoch": 3, "model_state_dict": weights, "optimizer_state_dict": {"state": {}}}, path)
        case "lightning":
            state = {f"model.{name}": value for name, value in weights.items()}
            torch.save({"epoch": 3, "state_dict": {**state, "loss.weight": torch.ones(4)}}, path)
        case "half":
            halves = {n: v.half() if v.is_floating_point() else v for n, v in weights.items()}
            torch.save(halves, path)
        case _:
            torch.save(weights, path)
    return path


@pytest.mark.parametrize("form", ["plain", "old", "parallel", "training", "lightning", "half"])
def test_every_form_becomes_a_checkpoint_that_is_a_method(registry, weights, tmp_path, form):
    path = written(tmp_path, form, weights)
    folder = import_weights("scene", [registry], "tiny", path, "mine", None)
    assert folder == tmp_path / "home" / "checkpoints" / "mine"
    assert {file.name for file in folder.iterdir()} == set(checkpoints.FILES)
    assert list((tmp_path / "home").iterdir()) == [folder.parent]
    network = registry.loaded("mine")
    assert network.layer.weight.dtype == torch.float32
    exact = {"rtol": 1e-3, "atol": 1e-3} if form == "half" else {"rtol": 0, "atol": 0}
    torch.testing.assert_close(network.state_dict(), weights, **exact)
    assert list(registry) == ["tiny", "mine"] and "mine" in registry.installed()
    assert registry["mine"].title == "Tiny (mine)"


def test_the_card_says_where_the_weights_come_from(registry, weights, tmp_path):
    path, words = written(tmp_path, "plain", weights), tmp_path / "words`of\nothers.txt"
    words.write_text("chair\n")
    folder = import_weights("scene", [registry], "wordy", path, "mine", words)
    card = checkpoints.card("mine")
    assert (card.lab, card.licence, card.title) == ("scene", "unknown", "Wordy, imported as mine")
    for file in (path, words):
        assert hashlib.sha256(file.read_bytes()).hexdigest() in card.summary
    assert "`plain.pth`" in card.summary and "`words_of_others.txt`" in card.summary
    assert "Nobody, 2021" in card.summary and "Weights of others, imported" in card.summary
    assert (folder / "words.txt").read_text() == "chair\n"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "Upper", "-dash", "x" * 41, "a b", "名"])
def test_a_name_that_is_none_is_refused(registry, weights, tmp_path, name):
    assert refusal(registry, written(tmp_path, "plain", weights), name).key == "import_name"


def test_a_name_that_is_taken_is_refused(registry, weights, tmp_path):
    path = written(tmp_path, "plain", weights)
    import_weights("scene", [registry], "tiny", path, "mine", None)
    for name in ("mine", "tiny", "polyps"):  # imported, a method's, a shipped checkpoint's of another lab
        assert refusal(registry, path, name).key == "import_taken"


def test_words_are_given_where_they_are_read(registry, weights, tmp_path):
    path = written(tmp_path, "plain", weights)
    for method, words, key in (
        ("wordy", None, "import_words_missing"),
        ("tiny", path, "import_words_unused"),
        ("other", None, "model_unknown"),
    ):
        with pytest.raises(UserError) as refused:
            import_weights("scene", [registry], method, path, "mine", words)
        assert refused.value.key == key


def test_a_fault_at_the_end_leaves_nothing(registry, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "_card", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        import_weights("scene", [registry], "tiny", written(tmp_path, "plain", weights), "mine", None)
    assert not any(checkpoints.home().iterdir()) and not any((tmp_path / "home").glob("importing-*"))


def test_a_packed_bomb_is_refused_by_its_directory(registry, tmp_path):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data/0", bytes(64 * 2**20))
    assert path.stat().st_size < 2**20
    error = refusal(registry, path)
    assert error.key == "weights_swell" and error.facts["size"] == "64"


def test_a_file_larger_than_any_is_refused_before_it_is_read(registry, tmp_path):
    path = tmp_path / "huge.pth"
    with path.open("wb") as file:
        file.truncate(17 * 2**30)  # of nothing
    assert refusal(registry, path).key == "weights_swell"


def test_a_tensor_that_claims_more_than_is_stored_is_refused(registry, weights, tmp_path):
    weights["layer.weight"] = torch.zeros(1).expand(100_000, 100_000)
    assert refusal(registry, written(tmp_path, "plain", weights)).key == "weights_unreadable"


class Code:
    def __reduce__(self):
        return exec, ("raise SystemExit('ran')",)


def test_code_is_not_run(registry, weights, tmp_path):
    torch.save({**weights, "more": Code()}, tmp_path / "code.pth")
    assert refusal(registry, tmp_path / "code.pth").key == "weights_unreadable"
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Code()))
    assert refusal(registry, tmp_path / "old.pth").key == "weights_unreadable"


def test_what_lightning_writes_beside_the_weights_is_passed_over(weights, tmp_path):
    module = ModuleType("omegaconf")
    module.DictConfig = type("DictConfig", (), {"__module__": "omegaconf"})
    sys.modules["omegaconf"], before = module, sys.modules.get("omegaconf")
    try:
        told = module.DictConfig()
        told.lr = 1e-3
        torch.save({"state_dict": weights, "hyper_parameters": told}, tmp_path / "last.ckpt")
    finally:
        del sys.modules["omegaconf"]
        if before:
            sys.modules["omegaconf"] = before
    assert read_tensors(tmp_path / "last.ckpt").keys() == weights.keys()


@pytest.mark.parametrize("fault", ["missing", "extra", "shape", "nan", "kind", "absent", "empty", "text"])
def test_other_files_are_refused(registry, weights, tmp_path, fault):
    match fault:
        case "missing":
            del weights["layer.bias"]
        case "extra":
            weights["another"] = torch.zeros(1)
        case "shape":
            weights["layer.bias"] = torch.zeros(3)
        case "nan":
            weights["layer.bias"][0] = torch.nan
        case "kind":
            weights["norm.num_batches_tracked"] = torch.tensor(1.5)
    path = written(tmp_path, "plain", weights)
    if fault == "absent":
        path.unlink()
    if fault in ("empty", "text"):
        path.write_text("" if fault == "empty" else "not a checkpoint")
    known = "weights_unreadable" if fault in ("absent", "empty", "text") else "weights_mismatch"
    assert refusal(registry, path).key == known


def test_a_folder_that_is_broken_hides_no_other(registry, weights, tmp_path):
    import_weights("scene", [registry], "tiny", written(tmp_path, "plain", weights), "mine", None)
    broken = checkpoints.home() / "broken"
    broken.mkdir()
    (broken / "README.md").write_text("---\nlab: [\n---\n")
    (checkpoints.home() / "bare").mkdir()
    assert list(registry) == ["tiny", "mine"]
    (checkpoints.home() / "mine" / "model.safetensors").unlink()
    assert "mine" not in registry.installed()
    with pytest.raises(UserError, match="checkpoint_missing"):
        registry.loaded("mine")
