"""What a visitor made earlier: bounded, nobody else's, and there again after a reload, for a moment."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from app import history as module
from app import process_folder, session
from app.history import History, Work, linked, linked_all
from app.session import Visits
from models.core.errors import UserError


@dataclass(frozen=True)
class Note(Work):
    """A work of memory alone."""

    text: str
    bytes: int = 0
    alive: bool = True

    def size(self):
        return self.bytes

    def there(self):
        return self.alive


@dataclass(frozen=True, eq=False)
class Paper(Work):
    """A work of one file."""

    file: Path

    def files(self):
        return (self.file,)

    def linked(self, folder):
        return linked_all(self, folder)


def request(name: str) -> SimpleNamespace:
    return SimpleNamespace(session_hash=name, query_params={}, headers={})


def texts(history: History) -> list[str]:
    return [one.text for _, one in history.of(Note)]


@pytest.fixture
def paper(tmp_path):
    """Makes a work whose file holds as many bytes."""

    def make(name: str, size: int = 10) -> Paper:
        file = tmp_path / name
        file.write_bytes(b"x" * size)
        return Paper(file)

    return make


def test_the_newest_stand_first_and_the_last_few_stay():
    history = History()
    for number in range(module.MOST + 3):
        history.add(Note(str(number)))
    assert texts(history) == [str(number) for number in reversed(range(3, module.MOST + 3))]


def test_memory_is_bounded_and_the_newest_stays_however_large_it_is(monkeypatch):
    monkeypatch.setattr(module, "MOST_MEMORY", 100)
    history = History()
    for text, size in (("a", 60), ("b", 30), ("c", 30)):
        history.add(Note(text, size))
    assert texts(history) == ["c", "b"]
    history.add(Note("d", 500))
    assert texts(history) == ["d"]


def test_files_are_bounded_and_go_with_their_work(monkeypatch, paper):
    monkeypatch.setattr(module, "MOST_DISK", 100)
    history = History()
    history.add(Note("another kind"))
    for name, size in (("a", 60), ("b", 30), ("c", 30)):
        history.add(paper(name, size))
    kept = [one.file for _, one in history.of(Paper)]
    assert [file.name for file in kept] == ["c", "b"]
    (folder,) = {file.parent for file in kept}
    assert sorted(file.name for file in folder.iterdir()) == ["b", "c"]
    assert texts(history) == ["another kind"]
    history.end()
    assert not folder.exists()


def test_a_file_of_two_works_stays_as_long_as_one_of_them(monkeypatch, paper):
    monkeypatch.setattr(module, "MOST", 2)
    history, shared = History(), paper("shared")
    for _ in range(2):
        history.add(replace(shared))
    history.add(paper("other"))
    assert sorted(one.file.name for _, one in history.of(Paper)) == ["other", "shared"]
    assert all(one.file.is_file() for _, one in history.of(Paper))


def test_a_file_is_linked_and_its_original_may_go(paper, tmp_path):
    history, work = History(), paper("film.mp4")
    history.add(work)
    work.file.unlink()
    ((_, kept),) = history.of(Paper)
    back = linked(kept.file, tmp_path)
    assert back.read_bytes() == b"x" * 10 and back.stat().st_ino == kept.file.stat().st_ino


def test_what_is_asked_twice_stands_there_once():
    history = History()
    first = history.add(Note("a"))
    history.add(Note("b"))
    assert history.add(Note("a")) == first
    assert texts(history) == ["b", "a"]


def test_what_can_not_be_brought_back_is_not_there():
    history = History()
    number = history.add(Note("a", alive=False))
    assert texts(history) == []
    with pytest.raises(UserError, match="work_gone"):
        history.get(Note, number)


@pytest.mark.parametrize("number", [None, -1, 10**12, "1", [1]])
def test_a_number_that_is_none_is_refused(number):
    history = History()
    history.add(Note("a"))
    with pytest.raises(UserError, match="work_gone"):
        history.get(Note, number)


def test_nobody_gets_at_what_another_made():
    visits = Visits()
    one, two = (visits.of(request(name)) for name in ("one", "two"))
    number = one.history.add(Note("a secret"))
    assert one.history.get(Note, number).text == "a secret"
    for work in (lambda: two.history.get(Note, number), lambda: two.history.get(Paper, number)):
        with pytest.raises(UserError, match="work_gone"):
            work()
    assert visits.reloaded(request("two"), number) is two and not len(two.history)


def test_a_page_that_is_loaded_again_has_what_was_made(paper):
    visits = Visits()
    visits.arrived("one")
    before = visits.of(request("one"))
    before.history.add(Note("a"))
    before.history.add(paper("film"))
    key, folder = before.history.key, before.folder
    visits.left("one")
    assert before.gone.is_set() and not folder.exists()
    after = visits.of(request("two"))
    after.history.add(Note("a"))  # which the address had asked meanwhile
    after.history.add(Note("b"))
    assert visits.reloaded(request("two"), key) is after
    assert texts(after.history) == ["b", "a"]
    ((_, film),) = after.history.of(Paper)
    assert film.file.is_file()
    assert not len(visits.reloaded(request("three"), key).history)  # once
    visits.left("two")
    visits.end_all()
    assert not film.file.exists()


def test_nothing_is_taken_from_a_page_that_is_open(monkeypatch):
    monkeypatch.setattr(session, "GOODBYE", 0.3)
    visits = Visits()
    visits.arrived("one")
    one = visits.of(request("one"))
    one.history.add(Note("a"))
    assert not len(visits.reloaded(request("two"), one.history.key).history)
    assert texts(one.history) == ["a"]


@pytest.mark.parametrize("key", [None, "", "x" * 40, 7, ["a"]])
def test_a_key_that_is_none_opens_nothing(key):
    visits = Visits()
    visits.arrived("one")
    visits.of(request("one")).history.add(Note("a"))
    visits.left("one")
    assert not len(visits.reloaded(request("two"), key).history)


def test_what_no_reload_asks_for_goes(monkeypatch, paper):
    visits = Visits()
    visits.arrived("one")
    visit = visits.of(request("one"))
    visit.history.add(paper("film"))
    ((_, film),) = visit.history.of(Paper)
    key = visit.history.key
    visits.left("one")
    visits.forget()
    assert film.file.is_file()
    monkeypatch.setattr(session, "RELOAD", -1.0)
    visits.forget()
    assert not film.file.exists()
    assert not len(visits.reloaded(request("two"), key).history)


def test_there_is_room_for_what_so_many_pages_left(monkeypatch, paper):
    monkeypatch.setattr(session, "MOST", 2)
    visits, films = Visits(), []
    for name in ("a", "b", "c"):
        visits.arrived(name)
        visit = visits.of(request(name))
        visit.history.add(paper(name))
        films += [one.file for _, one in visit.history.of(Paper)]
        visits.left(name)
    assert [film.is_file() for film in films] == [False, True, True]
    visits.end_all()
    assert not any(film.exists() for film in films)


def test_nothing_is_kept_for_who_has_left(paper):
    visits = Visits()
    visit = visits.of(request("a caller"))
    visit.history.add(paper("film"))
    before = set(process_folder.visits().iterdir())
    visit.end()
    with pytest.raises(UserError, match="cancelled"):
        visit.history.add(paper("another"))
    assert set(process_folder.visits().iterdir()) < before
