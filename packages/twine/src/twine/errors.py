"""What can go wrong, in three kinds: with the machine, with a request, with something we depend on."""

from __future__ import annotations


class TwineError(Exception):
    """A command cannot do its work. The message says what failed, why, and what to do."""


class RefusedError(Exception):
    """A request is not granted. The message is for the person who made it."""

    def __init__(self, status: int, message: str, *, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.retry_after = retry_after

    def as_json(self) -> dict[str, str]:
        """Return the body of a refusal: `{"error", "field"?}`."""
        body = {"error": self.message}
        if self.field is not None:
            body["field"] = self.field
        return body


class UnavailableError(RefusedError):
    """Something that Twine cannot work without does not answer."""

    def __init__(self, what: str) -> None:
        super().__init__(503, f"Twine cannot reach its {what} at the moment. Try again shortly.", retry_after=2)
        self.what = what
