"""Read the deployment file, YAML or Overwatch's CSV; name every wrong field with its line."""

import csv
import datetime as dt
import difflib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from overwatch_assets.config.deployment import Deployment, EngineSettings, Workspace
from overwatch_assets.config.fields import CONNECTION, REFERENCE, RULE, SCOPE, Settings
from overwatch_assets.config.secrets import looks_secret
from overwatch_assets.errors import ConfigurationError

VARIABLE = "OVERWATCH_DEPLOYMENT"

Place = tuple[int | str, ...]  # of a value: keys and indexes from the top of the file

_RENAMED = {"etl_storage_prefix": "storage_prefix", "auditlogprefix_source_aws": "auditlogprefix_source_path"}
_NEVER_SHOWN = frozenset({"remote", "config"})
_FOR_SECRETS = frozenset({REFERENCE, SCOPE, CONNECTION})  # descriptions of fields where a secret itself may be given
_SHOWN_LENGTH = 60


@dataclass(frozen=True)
class _Text:
    """A deployment file: what it holds, every scalar as text, and where each value stands and how it is called."""

    name: str
    data: object
    line: Callable[[Place], int]
    label: Callable[[Place], str]
    problems: tuple[tuple[int, str], ...] = ()  # found while reading: line, sentence


def deployment_path_from_env(environ: Mapping[str, str] | None = None) -> str:
    """Return the path or URL of the deployment file, which the variable OVERWATCH_DEPLOYMENT holds.

    Raises ConfigurationError if it is unset or blank.
    """
    path = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
    if not path:
        raise ConfigurationError(f"{VARIABLE} is not set: let it hold the path of the deployment file, YAML or CSV.")
    return path


def load_deployment(path: str | os.PathLike[str], *, today: dt.date) -> Deployment:
    """Read the deployment file at `path`, local or any that fsspec reaches: `.yaml`, `.yml` or Overwatch's `.csv`.

    `today` is the UTC date after which no primordial date may be.

    Raises ConfigurationError if the file cannot be read, or with one line `file:line: field: what is wrong` for each
    wrong field. Values that may be secrets are not shown.
    """
    name = os.fspath(path)
    suffix = name.rpartition(".")[2].lower()
    if suffix not in {"yaml", "yml", "csv"}:
        raise ConfigurationError(f"{name}: a deployment file ends with .yaml, .yml or .csv.")
    text = read_text(name, "deployment file")
    return _validate(_parse_csv(name, text) if suffix == "csv" else _parse_yaml(name, text), today)


def read_text(name: str, what: str) -> str:
    """Read a text file, local or any that fsspec reaches.

    Raises ConfigurationError if it cannot be read; `what` is what the message calls it.
    """
    import fsspec  # noqa: PLC0415 - a slow import, and the settings are also made without files

    try:
        with fsspec.open(name, "rb") as file:
            content: bytes = file.read()
    except FileNotFoundError as error:
        raise ConfigurationError(f"{name}: the {what} does not exist.") from error
    except Exception as error:  # each file system has its own kinds of error
        reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split()) or type(error).__name__
        raise ConfigurationError(f"{name}: the {what} cannot be read: {reason}.") from error
    try:
        return content.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{name}:{line}: the {what} is not UTF-8 text.") from None


class _TextLoader(yaml.SafeLoader):
    """YAML whose scalars stay text, so that an id or a date is read as written; null, `<<` and aliases are kept."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to configure a loader
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in {"null", "merge"}]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {  # noqa: RUF012 - as above
        tag: constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in {"null", "str", "seq", "map"}
    }


def _parse_yaml(name: str, text: str) -> _Text:
    try:
        loader = _TextLoader(text)
        root = loader.get_single_node()
        if root is None:
            raise ConfigurationError(f"{name}: the deployment file is empty.")
        if problems := [f"{name}:{line}: {problem}" for line, problem in _key_problems(root, set())]:
            raise ConfigurationError("\n".join(problems))
        data = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigurationError(f"{name}:{mark.line + 1 if mark else 1}: is not valid YAML: {reason}.") from None
    except RecursionError:
        raise ConfigurationError(f"{name}: is not valid YAML: it is nested too deeply.") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigurationError(f"{name}:{line}: is not valid YAML: {error.reason}.") from None
    return _Text(name, data, lambda at: _yaml_line(root, at), _dotted)


def _key_problems(node: yaml.Node, seen: set[int]) -> Iterator[tuple[int, str]]:
    """Find keys given twice, of which YAML would keep the last, and secret references without quotes."""
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _key_problems(item, seen)
        return
    keys: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            yield line, "a text that begins with { or [ must be in quotes"
            continue
        if key.tag.endswith(":null"):
            yield line, "a key is empty"
        if key.value in keys:
            yield line, f"{key.value} is given twice, first at line {keys[key.value]}"
        keys.setdefault(key.value, line)
        yield from _key_problems(value, seen)


def _yaml_line(node: yaml.Node, at: Place) -> int:
    """Return the line of the value at a location, or of the last part of it that the file has."""
    line = node.start_mark.line + 1
    for part in at:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == part]
            if not found:
                break
            key, node = found[-1]  # after the keys that came by <<
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return int(line)


def _dotted(at: Place) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at).removeprefix(".")
    return f"{text}: " if text else ""


def _parse_csv(name: str, text: str) -> _Text:
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    header: list[str] = []
    rows: list[dict[str, str | None]] = []
    lines = [1]  # of the header, then of each row
    problems: list[tuple[int, str]] = []
    line = 1
    try:
        for record in reader:
            cells = [None if cell.strip().lower() in {"", "null"} else cell.strip() for cell in record]
            if any(cells) and not header:  # else a blank line, or a spreadsheet's row of separators
                header, wrong = _csv_header(cells)
                lines[0] = line
                problems += [(line, sentence) for sentence in wrong]
            elif any(cells[len(header) :]):
                problems.append((line, f"has {len(cells)} values for {len(header)} columns"))
            elif any(cells):  # which may end before its last, empty columns
                rows.append(dict(zip(header, cells, strict=False)))
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise ConfigurationError(f"{name}:{max(reader.line_num, 1)}: is not valid CSV: {error}.") from None
    if not header:
        raise ConfigurationError(f"{name}: the deployment file is empty.")
    known = [{key: cell for key, cell in row.items() if key in Workspace.model_fields} for row in rows]

    def line_of(at: Place) -> int:
        of_row = len(at) > 1 and isinstance(at[1], int) and (len(at) == 2 or at[2] in header)
        return lines[1 + int(at[1])] if of_row else lines[0]

    return _Text(name, {"workspaces": known}, line_of, lambda at: _dotted(at[2:]), tuple(problems))


def _csv_header(cells: list[str | None]) -> tuple[list[str], list[str]]:
    """Return the columns in our spelling (Spark, and so Overwatch, ignores case), and what is wrong with them."""
    spelling = {name.lower(): name for name in Workspace.model_fields}
    header = [spelling.get((cell or "").lower(), cell or "") for cell in cells]
    while not header[-1]:
        header.pop()
    problems = []
    for index, column in enumerate(header):
        if column not in Workspace.model_fields:
            problems.append(f"{column}: {_unknown(Workspace, column)}" if column else f"column {index + 1} has no name")
        elif column in header[:index]:
            problems.append(f"{column}: is given twice")
    return header, problems


def _validate(text: _Text, today: dt.date) -> Deployment:
    """Check each workspace by itself, then those that are right with each other, so that one call finds all errors."""
    data = text.data
    if not isinstance(data, dict):
        raise ConfigurationError(f"{text.name}:{text.line(())}: must be a mapping with the key workspaces.")
    context = {"today": today}
    problems: list[tuple[Place, str]] = []
    rows = data.get("workspaces")
    right: dict[int, Workspace] = {}
    complete = not text.problems
    if isinstance(rows, list):
        for index, row in enumerate(rows):
            try:
                right[index] = Workspace.model_validate(row, context=context)
            except ValidationError as error:
                problems += _problems(Workspace, error, ("workspaces", index))
        complete = complete and len(right) == len(rows)
        data = {**data, "workspaces": tuple(right.values())}
    deployment = None
    try:
        deployment = Deployment.model_validate(data, context=context)
    except ValidationError as error:
        for at, sentence in _problems(Deployment, error, ()):
            if at[0] == "workspaces" and len(at) > 1:
                problems.append((("workspaces", list(right)[int(at[1])], *at[2:]), sentence))
            elif at != ("workspaces",) or complete:  # else it is not known whether a workspace is active
                problems.append((at, sentence))
    found = {*text.problems, *((text.line(at), f"{text.label(at)}{sentence}") for at, sentence in problems)}
    if deployment is None or found:
        # Raised outside the handlers: pydantic's errors hold the values, secrets among them.
        raise ConfigurationError("\n".join(f"{text.name}:{line}: {sentence}" for line, sentence in sorted(found)))
    return deployment


def _problems(model: type[Settings], errors: ValidationError, base: Place) -> list[tuple[Place, str]]:
    return [((*base, *error["loc"]), _sentence(model, error)) for error in errors.errors(include_url=False)]


def _sentence(model: type[Settings], error: ErrorDetails) -> str:
    at = error["loc"]
    if at[:1] == ("engine",) and len(at) > 1:
        model, at = EngineSettings, at[1:]
    if error["type"] == RULE:
        return error["msg"]
    if not at:
        return f"must be a mapping of fields{_instead_of(error['input'])}"
    name = str(at[0])
    if name not in model.model_fields:
        return _unknown(model, name)
    meaning = model.model_fields[name].description
    if error["type"] == "missing":
        return f"is required: {meaning}"
    hidden = name in _NEVER_SHOWN or meaning in _FOR_SECRETS
    return f"must be {meaning}{' (the value is not shown)' if hidden else _instead_of(error['input'])}"


def _instead_of(value: object) -> str:
    if not isinstance(value, str):
        kinds = {dict: "a mapping", list: "a list", type(None): "empty"}
        return f", not {kinds.get(type(value), type(value).__name__)}"
    if looks_secret(value):
        return " (the value is not shown)"
    return f", not {value if len(value) <= _SHOWN_LENGTH else value[:_SHOWN_LENGTH] + '...'!r}"


def _unknown(model: type[Settings], name: str) -> str:
    if name in _RENAMED:
        return f"was renamed in Overwatch: call it {_RENAMED[name]}"
    if model is Deployment and name in Workspace.model_fields:
        return "belongs to a workspace: move it below workspaces"
    spelling = {known.lower(): known for known in model.model_fields}
    close = difflib.get_close_matches(name.lower(), spelling, n=1)
    return f"is not a known field{f'; did you mean {spelling[close[0]]}?' if close else ''}"
