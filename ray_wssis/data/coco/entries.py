"""The lists of a COCO file of any size, read entry by entry: none of them is ever held whole.

Every entry is parsed by the `json` module, and so are texts that are no JSON: messages are its own.
"""

import codecs
import json
import re
from collections.abc import Iterator
from json import JSONDecodeError
from typing import IO, Any, NoReturn

from upath import UPath

BLOCK = 1 << 20  # bytes read at a time
BOM = codecs.BOM_UTF8
SPACE = re.compile(r"[ \t\n\r]*")
NEAR_THE_END = 16  # characters; a longer piece of JSON without its end is a string
NO_END = "Unterminated string"  # how that error begins

scan_once = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # documented nowhere


class Entries:
    """One list of a JSON file; each iteration reads it again."""

    def __init__(self, file: UPath, start: int) -> None:
        self.file = file
        self.start = start  # of its opening bracket, in bytes

    def __iter__(self) -> Iterator[Any]:
        with self.file.open("rb") as stream:
            stream.seek(self.start)
            yield from JsonText(stream, self.start).entries()


def walk_lists(file: UPath) -> Any:
    """Read all of a JSON file, and return its mapping with `Entries` in place of lists.

    Values that are no lists are not kept.  What is no mapping, and text in UTF-16 or 32, is read as
    it is.  Raises the errors of `json.loads`.
    """
    with file.open("rb") as stream:
        begin = stream.read(4)
        start = len(BOM) if begin.startswith(BOM) else 0
        stream.seek(start)
        text = JsonText(stream, start)
        try:
            if json.detect_encoding(begin).startswith("utf-8") and text.mark() == "{":
                return {key: _passed(text, file) for key in text.members()}
        except UnicodeDecodeError:
            pass  # raised again below, with the place in the file
    return json.loads(file.read_bytes())


def _passed(text: "JsonText", file: UPath) -> Any:
    """Go past the next value of a mapping; return what stands for it."""
    if text.mark() != "[":
        value = text.value('{"":')
        return value if isinstance(value, bool | None) else type(value)()
    start = text.byte()
    for _ in text.entries():
        pass
    return Entries(file, start)


class JsonText:
    """JSON in UTF-8, of which only the part that is read next is in memory."""

    def __init__(self, stream: IO[bytes], start: int) -> None:
        self.stream = stream
        self.decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
        self.num_bytes = start  # read so far
        self.text, self.at = "", 0
        self.ended = False
        self.num_chars = self.num_lines = self.column = 0  # before `text`

    def members(self) -> Iterator[str]:
        """Yield the key of each member of the mapping that is the text; the caller reads values."""
        going_on = self.begins("}")
        before = "{"  # JSON that stands for what was read
        while going_on:
            if self.mark() != '"':
                self.fail(before)
            key: str = self.value(before)
            if self.mark() != ":":
                self.fail('{""')
            self.at += 1
            yield key
            going_on = self.goes_on("}", '{"":0')
            before = '{"":0,'
        if self.mark():
            self.fail("{}")

    def entries(self) -> Iterator[Any]:
        """Yield the entries of the list that begins here, in a mapping, and go past its end."""
        going_on = self.begins("]")
        before = '{"":['
        while going_on:
            yield self.value(before)
            going_on = self.goes_on("]", '{"":[0')
            before = '{"":[0,'

    def begins(self, end: str) -> bool:
        """Go past an opening bracket, and past the closing one if nothing is between."""
        self.mark()
        self.at += 1
        is_empty = self.mark() == end
        self.at += is_empty
        return not is_empty

    def goes_on(self, end: str, before: str) -> bool:
        """Go past a comma or the closing bracket, and tell whether it was the comma."""
        mark = self.mark()
        if mark not in (",", end):
            self.fail(before)
        self.at += 1
        return mark == ","

    def mark(self) -> str:
        """Return the next character that is no space; nothing at the end."""
        while True:
            self.at = SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.more()

    def value(self, before: str) -> Any:
        """Parse the next value; `before` is short JSON that stands for all the text before it."""
        self.mark()
        while True:
            try:
                value, end = scan_once(self.text, self.at)
            except StopIteration as error:
                self.fail_if_malformed(error.value, before)
            except JSONDecodeError as error:
                self.fail_if_malformed(len(self.text) if NO_END in error.msg else error.pos, before)
            else:
                if end < len(self.text) - len("e+") or self.ended:  # a number may go on there
                    self.at = end
                    return value
            self.more()

    def fail_if_malformed(self, place: int, before: str) -> None:
        """Raise an error at this place of the text, unless it goes on and may be cut there."""
        if self.ended or place < len(self.text) - NEAR_THE_END:
            self.fail(before)

    def fail(self, before: str) -> NoReturn:
        """Raise the error of `json` about what is next, with its place in the whole text."""
        try:
            json.loads(before + self.text[self.at :])
        except JSONDecodeError as error:
            place = self.at + error.pos - len(before)
            line = self.num_lines + self.text.count("\n", 0, place) + 1
            column = place - self.text.rfind("\n", 0, place)
            column += self.column if line == self.num_lines + 1 else 0
            char = self.num_chars + place
            raise ValueError(f"{error.msg}: line {line} column {column} (char {char})") from None
        raise AssertionError(f"no JSON, and JSON after {before}")

    def byte(self) -> int:
        """Return the place of the next character, in bytes of the file."""
        rest = self.text[self.at :].encode("utf-8", "surrogatepass")
        return self.num_bytes - len(self.decoder.getstate()[0]) - len(rest)

    def more(self) -> None:
        """Read on: as much as there is, so that long entries are not parsed again and again."""
        block = self.stream.read(max(BLOCK, len(self.text) - self.at))
        self.ended = not block
        self.num_bytes += len(block)
        lines = self.text.count("\n", 0, self.at)
        self.column = self.at - self.text.rfind("\n", 0, self.at) - 1 + self.column * (not lines)
        self.num_lines += lines
        self.num_chars += self.at
        self.text = self.text[self.at :] + self.decoder.decode(block, final=self.ended)
        self.at = 0
