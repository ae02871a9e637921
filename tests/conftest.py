"""What tests of the page share: the page served on stand-ins for the networks, and a client of its API."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client

from tests.served import served


@pytest.fixture(autouse=True, scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that the person who runs the tests imported is offered in them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRILAB_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the page's scans."""
    return tmp_path_factory.mktemp("scans")


@pytest.fixture(scope="module")
def address(scans: Path) -> Iterator[str]:
    """Where the page is."""
    with served(scans) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    """A stranger's script with a session of its own."""
    client = Client(address, verbose=False, httpx_kwargs={"timeout": 60})  # a busy machine passes its 5 s
    yield client
    client.close()
