"""The one kind of error that a person can cause."""

import errno
from functools import partial


class UserError(Exception):
    """What a visitor did cannot be done, and a sentence tells how to go on.

    `key` names a sentence under "errors" in sentences/*.json; `facts` fill its
    placeholders. The page translates it; the command line prints English.
    Anything else that is raised is a bug.
    """

    def __init__(self, key: str, **facts: object) -> None:
        super().__init__(key, facts)
        self.key = key
        self.facts = facts

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.key}({facts})"

    def __reduce__(self) -> tuple[object, tuple[()]]:
        # An exception is made anew from its positional arguments, which can't say what a keyword is.
        return partial(UserError, self.key, **self.facts), ()


class WorkerError(Exception):
    """What went wrong inside a worker. kind: of the error. frames: the lines of code that it passed.

    Its message stays there: it can carry what a visitor typed.
    """

    def __init__(self, kind: str, frames: str) -> None:
        super().__init__(kind, frames)
        self.kind, self.frames = kind, frames


def as_user_error(error: BaseException) -> UserError | None:
    """The UserError that an error is or means ("out_of_memory", "disk_full"); None for a bug."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, MemoryError) or _torch_out_of_memory(error):
        return UserError("out_of_memory")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError("disk_full")
    return None


def _torch_out_of_memory(error: BaseException) -> bool:
    """torch says so by a class of its own on a GPU and by a plain RuntimeError on a CPU."""
    if type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
