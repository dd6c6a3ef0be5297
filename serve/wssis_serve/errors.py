"""The error of a request, in words for whoever sent it."""

from typing import Any


class ApiError(Exception):
    """An answer other than success: `{"error": {"code", "message"}}` with a status.

    Codes are for programs, messages for people: what was found, what was wanted, what to do.
    """

    def __init__(
        self, status: int, code: str, message: str, retry_after: float | None = None
    ) -> None:
        super().__init__(status, code, message, retry_after)  # all of it, to survive pickling
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after  # seconds

    def __str__(self) -> str:
        return self.message

    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message}}

    def headers(self) -> dict[str, str]:
        if self.retry_after is None:
            return {}
        return {"Retry-After": str(max(1, round(self.retry_after)))}


def unprocessable(message: str) -> ApiError:
    """The error of a request that is well formed and asks for something impossible."""
    return ApiError(422, "unprocessable", message)
