"""The configuration folder: YAML files to a :class:`~park.catalogue.Catalogue`, or every problem with file and line."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from park import building, rows
from park.catalogue import Catalogue
from park.documents import (
    ACCESS,
    ALERTS,
    ENTERPRISES,
    EVALUATION,
    FIGURES,
    FLOWS,
    GUIDANCE,
    INDICATORS,
    LIMITS,
    ONCALL,
    PARK,
    QUANTITIES,
    SUPPRESSION,
    UNREADABLE,
    ZONES,
)

_CIRCULAR = (ENTERPRISES, FLOWS, FIGURES, INDICATORS, EVALUATION, ACCESS)
_FILES = (ZONES, QUANTITIES, GUIDANCE, ALERTS, ONCALL, SUPPRESSION, PARK, *_CIRCULAR)
_FOLDERS = ("limits",)
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))
_TEXT = "tag:yaml.org,2002:str"
#: libyaml's parser, where PyYAML was built with it; its nodes are like those of ruamel.yaml.
_FAST = getattr(yaml, "CSafeLoader", None)
_MAPPING, _SEQUENCE, _SCALAR = (
    (MappingNode, yaml.MappingNode),
    (SequenceNode, yaml.SequenceNode),
    (ScalarNode, yaml.ScalarNode),
)


class Problem(NamedTuple):
    """Something that must change in ``file`` at ``line`` (from 1); ``message`` says what to write instead."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class ConfigurationError(Exception):
    """The configuration can't be used; ``problems`` holds all that is wrong with it, by file and line."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load(folder: Path, instead: Mapping[str, Path] | None = None) -> Catalogue:
    """Return the catalogue that the YAML files in ``folder`` describe.

    ``instead``: by their name in the folder (``limits/tanks.yaml``), files that stand in for those there, or are added.
    Raises :class:`ConfigurationError` with all problems of all files at once.
    """
    if not folder.is_dir():
        message = "there is no such folder; write the path of a configuration folder in PARKWATCH_CONFIG"
        raise ConfigurationError([Problem(str(folder), 1, message)])
    documents = [_read(path, name) for name, path in files(folder, instead).items()]
    catalogue, found = building.build({document.name: document.content for document in documents})
    problems = [*_surplus(folder), *(problem for document in documents for problem in document.problems)]
    problems += _located(folder, {document.name: document for document in documents}, found)
    if catalogue is None or problems:
        raise ConfigurationError(sorted(set(problems)))
    return catalogue


def files(folder: Path, instead: Mapping[str, Path] | None = None) -> dict[str, Path]:
    """Return the files that :func:`load` reads, by their name in the folder."""
    limits = {path.relative_to(folder).as_posix(): path for path in folder.glob(f"{LIMITS}*.yaml")}
    single = {name: folder / name for name in _FILES if (folder / name).is_file()}
    found = {**single, **limits, **(instead or {})}
    return {name: found[name] for name in (*_FILES, *sorted(found.keys() - set(_FILES))) if name in found}


def digest(folder: Path) -> str:
    """Return a short hash of the files' bytes. Other than a catalogue's version it outlives an upgrade of parkwatch."""
    hashed = hashlib.sha256()
    for name, path in files(folder).items():
        text = path.read_bytes()
        hashed.update(f"{name} {len(text)} ".encode())
        hashed.update(text)
    return hashed.hexdigest()[:16]


def name_of(file: Path) -> str:
    """Return the name in a configuration folder that a single file stands for."""
    return file.name if file.name in _FILES else f"{LIMITS}{file.name}"


def contents(folder: Path, instead: Mapping[str, Path] | None = None) -> dict[str, Any]:
    """Return what the files hold, as :func:`park.building.build` takes it, right or wrong."""
    return {name: _read(path, name).content for name, path in files(folder, instead).items()}


class Alone:
    """A YAML file that is not part of a configuration folder: its ``content``, and the lines of what is wrong with it.

    Raises :class:`ConfigurationError` if it can't be read, or is not valid YAML.
    """

    def __init__(self, file: Path, name: str) -> None:
        self._document = _read(file, name)
        if self._document.problems:
            raise ConfigurationError(self._document.problems)
        self.content: Any = self._document.content

    def located(self, found: Iterable[rows.Problem]) -> list[Problem]:
        """Return problems, whose paths begin with the ``name`` it was read by, with their lines."""
        return [Problem(self._document.file, _line(self._document, problem.path), problem.message) for problem in found]


def _surplus(folder: Path) -> Iterator[Problem]:
    """Yield what looks like configuration but is not read: a misspelt file name must not switch off limits."""
    for path in sorted([*folder.glob("*.y*ml"), *folder.glob(f"{LIMITS}*.yml")]):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".yml":
            yield Problem(str(path), 1, f"parkwatch doesn't read *.yml; rename it to {path.stem}.yaml")
        elif name not in _FILES:
            yield Problem(str(path), 1, f"parkwatch doesn't read {name}; {rows.suggestion(name, _FILES)}")
    for path in sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in _FOLDERS):
        if difflib.get_close_matches(path.name, _FOLDERS):
            yield Problem(str(path), 1, "parkwatch doesn't read this folder; did you mean 'limits'?")


class _Document:
    """One file: its plain content, the line of everything in it, and what is wrong with it as YAML."""

    def __init__(self, name: str, file: str) -> None:
        self.name = name
        self.file = file
        self.content: Any = {}
        self.lines: dict[rows.Path, int] = {(name,): 1}
        self.problems: list[Problem] = []
        self.reader = YAML(typ="safe", pure=True)

    def report(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.file, line, message))

    def unreadable(self, line: int, message: str) -> None:
        """Give the file up: nothing more can be said about what it holds."""
        self.report(line, message)
        self.content = UNREADABLE

    def take(self, node: Any) -> None:  # noqa: ANN401
        """Take over what the YAML composer has found."""
        self.content = {} if node is None else self._plain(node, (self.name,), ())

    def _plain(self, node: Any, path: rows.Path, ancestors: tuple[int, ...]) -> Any:  # noqa: ANN401
        self.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in ancestors:
            self.report(node.start_mark.line + 1, "this block contains itself by an alias (*); write it out")
            return None
        inside = (*ancestors, id(node))
        if isinstance(node, _MAPPING):
            return self._mapping(node, path, inside)
        if isinstance(node, _SEQUENCE):
            return [self._plain(item, (*path, index), inside) for index, item in enumerate(node.value)]
        return _scalar(node, self.reader)

    def _mapping(self, node: Any, path: rows.Path, inside: tuple[int, ...]) -> dict[str, Any]:  # noqa: ANN401
        content: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = key.value
            if not isinstance(key, _SCALAR):
                self.report(line, "a list or block can't be a key; write a plain word")
            elif name == "<<":
                self.report(line, "merge keys (<<) are not read; write the keys out, or share text by guidance.yaml")
            elif name in content:
                first = self.lines[(*path, name)]
                self.report(line, f"the key {name!r} stands in line {first} already; write it once")
            else:
                self.lines[(*path, name)] = line
                content[name] = self._plain(value, (*path, name), inside)
        return content


def _composed(text: str, reader: YAML) -> Any:  # noqa: ANN401
    """Return what the YAML composer makes of ``text``. Raises ``YAMLError``, in the words of the pure parser.

    libyaml reads the same ten times as fast. It knows YAML 1.1 only, but then what a plain scalar is, is decided here;
    texts with tags or directives are for the pure parser.
    """
    if _FAST is not None and "!" not in text and not text.startswith("%"):
        try:
            return yaml.compose(text, Loader=_FAST)
        except yaml.YAMLError:
            pass
    return reader.compose(text)


def _scalar(node: Any, reader: YAML) -> Any:  # noqa: ANN401
    """Return numbers, truth values and nulls as such and everything else, dates included, as the text it is."""
    if isinstance(node, yaml.ScalarNode):
        tag = _TEXT if node.style else reader.resolver.resolve(ScalarNode, node.value, (True, False))
        node = ScalarNode(tag, node.value)
    if str(node.tag) not in _PLAIN_TAGS:
        return node.value
    return reader.constructor.construct_object(node)


def _read(path: Path, name: str) -> _Document:
    """Read one file; whatever is wrong with it becomes a problem of the document."""
    document = _Document(name, str(path))
    try:
        document.take(_composed(path.read_bytes().decode("utf-8-sig"), document.reader))
    except OSError as error:
        document.unreadable(1, f"can't be read ({error.strerror}); make it readable for the user parkwatch runs as")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        document.unreadable(line, f"byte {error.object[error.start]:#04x} is not UTF-8; save the file as UTF-8")
    except YAMLError as error:
        document.unreadable(*_yaml_problem(error))
    return document


def _yaml_problem(error: YAMLError) -> tuple[int, str]:
    if isinstance(error, ReaderError):
        return 1, f"character {error.character!r} at position {error.position} can't be in YAML; take it out"
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return 1, f"not valid YAML ({error}); see docs/configuration.md"
    text = " ".join(str(part) for part in (error.context, error.problem) if part)
    return error.problem_mark.line + 1, f"not valid YAML: {text}; {_yaml_advice(text)}"


def _yaml_advice(text: str) -> str:
    if "\\t" in text:
        return "indent with blanks, not with tabs"
    if "mapping values" in text:
        return "put a text that holds ': ' in quotes, and check the indentation"
    if "another document" in text:
        return "take out the line '---'"
    if "alias" in text:
        return "write the block with & before it is used with *"
    return "check brackets, quotes and indentation from here upwards"


def _located(folder: Path, documents: Mapping[str, _Document], found: list[rows.Problem]) -> Iterator[Problem]:
    """Yield the domain's problems with the line of the deepest part of their path that the file has."""
    for problem in found:
        document = documents.get(str(problem.path[0]))
        if document is None:
            yield Problem(str(folder / str(problem.path[0])), 1, problem.message)
        else:
            yield Problem(document.file, _line(document, problem.path), problem.message)


def _line(document: _Document, path: rows.Path) -> int:
    return next(document.lines[path[:size]] for size in range(len(path), 0, -1) if path[:size] in document.lines)
