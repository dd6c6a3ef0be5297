"""Answers to requests that went wrong, whoever found the error: all have the form of `ApiError`."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from wssis_serve.errors import ApiError
from wssis_serve.http.schemas import ErrorOut

MOST_PROBLEMS = 3  # of a request that are named
MOST_CHARACTERS = 1000  # of a message
STATUSES = (400, 401, 404, 409, 413, 415, 422, 429, 503)
ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorOut} for status in STATUSES}


def handle_errors(api: FastAPI) -> None:
    """Answer every error that a route raises."""
    api.add_exception_handler(ApiError, answer_ours)
    api.add_exception_handler(HTTPException, answer_starlettes)
    api.add_exception_handler(RequestValidationError, answer_pydantics)


def answer_ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), error.status, headers=error.headers())


def answer_starlettes(_: Request, error: Exception) -> Response:
    """Answer 404, 405, and forms that cannot be parsed."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    body = ApiError(error.status_code, code, str(error.detail)).body()
    return JSONResponse(body, error.status_code, headers=error.headers)


def answer_pydantics(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return JSONResponse(ApiError(422, "unprocessable", in_words(error.errors())).body(), 422)


def in_words(problems: Any) -> str:
    """The first few problems of a validation, each with the path to it."""
    lines = []
    for problem in problems[:MOST_PROBLEMS]:
        path = ".".join(str(part) for part in problem["loc"] if part not in ("body", "query"))
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{path}: {message}" if path else message)
    return "; ".join(lines)[:MOST_CHARACTERS]
