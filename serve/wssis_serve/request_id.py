"""Ids that callers give their requests, to find them again in logs."""

import re

REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


def is_request_id(text: str) -> bool:
    """Tell whether a header holds an id that can be repeated in an answer and in a log."""
    return REQUEST_ID.fullmatch(text) is not None
