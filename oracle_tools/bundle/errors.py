"""The one error that the door turns into a line and an exit code."""


class OracleError(Exception):
    """Something a person has to do something about: one line that says what, where, and what to do."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def shown(path: object) -> str:
    r"""Return `path` as one printable line: control characters and undecodable bytes as escapes.

    >>> shown("a\nb.md")
    'a\\nb.md'
    """
    text = str(path)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
