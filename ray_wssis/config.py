"""Configuration: YAML plus `--set a.b=c`, checked against one typed schema.

A configuration class derives from `Config` and lives next to the code that it configures; larger
ones hold smaller ones.  YAML holds values only.  All problems of a file are reported at once, each
with its dotted path, and an unknown key with the key that was probably meant.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from upath import UPath

from ray_wssis.renamed_keys import new_name, with_new_names
from ray_wssis.storage import Place


class ConfigError(ValueError):
    """A configuration cannot be used; the text names every problem."""


class Config(BaseModel):
    """Base of every configuration class: immutable, refuses unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )


AnyConfig = TypeVar("AnyConfig", bound=BaseModel)


def load_config(
    cls: type[AnyConfig],
    file: Place | None,
    overrides: Sequence[str] = (),
    preset: Callable[[AnyConfig], AnyConfig] | None = None,
) -> AnyConfig:
    """Load the configuration in `file`: a path, a URI or the name of one that comes with the
    package; without a file, all values are defaults.

    `preset` changes what the file holds.  Then come the overrides, each `a.b=c`, where c is YAML; a
    later one wins.  Raises `ConfigError`.
    """
    values = {} if file is None else read_values(file)
    found = "the default" if file is None else str(find_config(file))
    if preset is not None:
        values = preset(check_config(cls, values, found)).model_dump(mode="json")
    for override in overrides:
        apply_override(values, override)
    where = f"{found} with --set {' '.join(overrides)}" if overrides else found
    return check_config(cls, values, where)


def read_values(file: Place) -> dict[str, Any]:
    """Return the values in a configuration file, unchecked.  Raises `ConfigError`."""
    source = find_config(file)
    values = _parse(_read(source), str(source))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{source} should hold keys with values (`key: value`), it holds {_kind(values)}"
        )
    return with_new_names(values)


def to_yaml(config: BaseModel) -> str:
    """Write every value, defaults included, as YAML that `load_config` reads back."""
    values = config.model_dump(mode="json")
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def find_config(name: Place) -> UPath:
    """Find a configuration: an existing file (path or URI), or one that comes with the package."""
    file = UPath(name)
    if file.is_file():
        return file
    shipped = shipped_configs()
    if str(name) in shipped:
        return UPath(shipped[str(name)])
    near = difflib.get_close_matches(file.stem, shipped, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(
        f"no configuration {name}: {hint}It is neither a file nor one of those that come with "
        f"the package ({', '.join(shipped) or 'none found'})"
    )


def shipped_configs() -> dict[str, Path]:
    """List the configurations that come with the package, by name."""
    package = Path(__file__).parent
    for folder in (package / "configs", package.parent / "configs"):  # a wheel, a checkout
        if folder.is_dir():
            return {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    return {}


class _Loader(yaml.SafeLoader):
    """YAML, except that 1e-3 is a number and a repeated key is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value} is here twice", key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),  # YAML 1.1 wants a dot and a sign
    list("-+.0123456789"),
)


def _read(file: UPath) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error


def _parse(text: str, source: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{source}{where}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not YAML: {error}") from None


def apply_override(values: dict[str, Any], override: str) -> None:
    """Set one `a.b=c` in `values`."""
    path, equals, text = override.partition("=")
    keys = new_name(path.strip()).split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {override}: wanted a.b=c")
    for depth, key in enumerate(keys[:-1], start=1):
        inner = {} if values.get(key) is None else values[key]
        if not isinstance(inner, dict):
            raise ConfigError(
                f"--set {override}: {'.'.join(keys[:depth])} is {_kind(inner)}, "
                f"so it has no key {keys[depth]}"
            )
        values[key] = dict(inner)  # an anchor may have put the same mapping elsewhere too
        values = values[key]
    values[keys[-1]] = _parse(text, f"--set {override}")


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else f"{value!r}"


def check_config(cls: type[AnyConfig], values: dict[str, Any], where: str) -> AnyConfig:
    """Build the configuration with these values.  Raises `ConfigError`, starting with `where`."""
    try:
        return cls.model_validate(with_new_names(values))
    except ValidationError as error:
        problems = [_describe(problem, cls) for problem in error.errors()]
        text = "\n".join(f"  {problem}" for problem in problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError(f"{where} has {count}:\n{text}") from None


def _describe(problem: Any, cls: type[BaseModel]) -> str:
    """Describe one pydantic problem in a line that begins with the dotted path."""
    parts = [str(part) for part in problem["loc"]]
    # A choice between classes adds its tag, which is no key.
    path = ".".join(part for part in parts if "=" not in part) or "the whole file"
    if problem["type"] == "extra_forbidden":
        return f"{path}: unknown key{_suggestion(path, list(_known_keys(cls)))}"
    if problem["type"] == "missing":
        return f"{path}: is missing"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if problem["type"] in ("value_error", "assertion_error", "unknown_decoder"):
        return f"{path}: {message}"
    return f"{path}: got {problem['input']!r}. {message}"


def _suggestion(unknown: str, known: Sequence[str]) -> str:
    """Suggest the sibling that is spelled alike, else the same key elsewhere, else all siblings."""
    parent, _, leaf = unknown.rpartition(".")
    siblings = [key.rpartition(".")[2] for key in known if key.rpartition(".")[0] == parent]
    near = [f"{parent}.{key}".lstrip(".") for key in difflib.get_close_matches(leaf, siblings, n=1)]
    near = near or [key for key in known if key.rpartition(".")[2] == leaf][:3]
    near = near or difflib.get_close_matches(unknown, known, n=1, cutoff=0.8)
    if near:
        return f", did you mean {' or '.join(near)}?"
    return f"; known here: {', '.join(siblings)}" if siblings else ""


def _known_keys(cls: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the dotted path of every key of `cls` and of the configurations inside it."""
    for name, field in cls.model_fields.items():
        yield prefix + name
        for inner in _configs_in([field.annotation]):
            yield from _known_keys(inner, f"{prefix}{name}.")


def _configs_in(annotations: Iterable[object]) -> Iterator[type[BaseModel]]:
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
        yield from _configs_in(get_args(annotation))
