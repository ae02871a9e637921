"""The one kind of error that a person can cause."""


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
