"""Names of parameters: a misspelt one would be ignored, and its default would count."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from fastapi import Request

from wssis_serve.errors import unprocessable
from wssis_serve.http.schemas import Wanted

IN_QUERY = {"/v1/segment": tuple(Wanted.model_fields)}  # by path; others take none
ALIKE = 0.75  # of a field of a form


async def check_query(request: Request) -> None:  # no `def`: that would wait for a thread
    """Raise ApiError 422 for a parameter in the query that the route does not know."""
    known = IN_QUERY.get(request.scope["route"].path, ())
    for name in request.query_params:
        if name not in known:
            raise unprocessable(f"{name[:60]!r} is no parameter here{hint(name, known)}")


def check_fields(form: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise ApiError 422 for a field of a form that is almost one of the known ones."""
    names = tuple(known)
    for name in form:
        if name not in names and get_close_matches(name, names, cutoff=ALIKE):
            raise unprocessable(f"the form has a field {name[:60]!r}{hint(name, names)}")


def hint(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(known)}" if known else "; this route takes none in the query"
