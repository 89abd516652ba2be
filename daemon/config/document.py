"""YAML to plain data, with the line of everything: safe types only, bounded, duplicate keys are mistakes.

Scalars follow YAML 1.2: ``on`` and ``no`` are words, ``22:00`` and ``2026-12-24`` are text.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from daemon.config.problems import Path, Problem
from daemon.core.errors import ConfigError

BYTES_MAX = 256 * 1024
NODES_MAX = 20_000  # after aliases are followed: a few lines of YAML can stand for billions of values
DEPTH_MAX = 40
_INT_MAX = 2**63 - 1
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """The safe loader's parser with our own scalars and a bound on nesting, which is recursion in PyYAML."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  theirs
    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # untyped in the stubs
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {DEPTH_MAX} levels", problem_mark=mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+)(?:[eE][-+]?[0-9]+)?", None),
    ("merge", r"<<", ["<"]),
):
    first = _first if _first is not None else list("-+.0123456789")
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), first)


@dataclass(slots=True)
class Document:
    """The data of one file. ``lines`` holds the line of each key path, ``problems`` what was wrong already."""

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def parse(content: bytes, name: str) -> Document:
    """Read one YAML document; raises ConfigError when it is none, or beyond the bounds."""
    if len(content) > BYTES_MAX:
        raise _unreadable(name, f"is larger than {BYTES_MAX // 1024} KiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(f"{name}:{line}", f"is not UTF-8 (byte {error.start})") from None
    try:
        root = _compose(text)
        builder = _Builder()
        if root is not None:
            builder.document.data = builder.value(root, ())
    except yaml.YAMLError as error:
        raise _unreadable(*_place(error, name, text)) from None
    return builder.document


def _unreadable(where: str, why: str) -> ConfigError:
    return ConfigError("nothing was started: the configuration cannot be used", problems=[f"{where}: {why}"])


def _compose(text: str) -> Node | None:
    loader = _Loader(text)
    try:
        node: Node | None = loader.get_single_node()
    except (ValueError, OverflowError):
        # PyYAML lets a few escape: an escape sequence beyond Unicode, a directive with a huge number.
        problem = "an escape sequence or a number is out of range"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=loader.get_mark()) from None
    finally:
        loader.dispose()
    return node


def _place(error: yaml.YAMLError, name: str, text: str) -> tuple[str, str]:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        return where, f"is not valid YAML: {error.problem or error.context}"
    position = getattr(error, "position", 0)
    return f"{name}:{text.count(chr(10), 0, position) + 1}", "is not valid YAML: a character that YAML forbids"


class _Builder:
    """Turns nodes into plain data and notes the line of every key path."""

    def __init__(self) -> None:
        self.document = Document()
        self._open: set[int] = set()
        self._nodes = 0

    def value(self, node: Node, path: Path) -> Any:
        """Return the data of one node; raises MarkedYAMLError beyond the bounds and for foreign types."""
        self._spend(node)
        if isinstance(node, ScalarNode):
            return _scalar(node)
        if id(node) in self._open:
            raise _bad(node, "an alias contains itself")
        if len(self._open) >= DEPTH_MAX:
            raise _bad(node, f"nested deeper than {DEPTH_MAX} levels")
        self._open.add(id(node))
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            raise _bad(node, f"the type {node.tag!r} is not allowed here")
        if isinstance(node, SequenceNode):
            data: Any = [self._item(child, (*path, i)) for i, child in enumerate(node.value)]
        else:
            data = self._mapping(node, path)
        self._open.discard(id(node))
        return data

    def _item(self, node: Node, path: Path) -> Any:
        self.document.lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def _mapping(self, node: Node, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, child, merged in self._entries(node, ()):
            word, here = _word(key), (*path, _word(key))
            if word in data:
                if not merged:
                    line = key.start_mark.line + 1
                    text = f"is given twice, first in line {self.document.lines[here]}"
                    self.document.problems.append(Problem(here, text, line=line))
                continue
            # A scalar's own line, and the key's for what may begin further down.
            marked = child if isinstance(child, ScalarNode) else key
            self.document.lines[here] = marked.start_mark.line + 1
            data[word] = self.value(child, here)
        return data

    def _entries(self, node: Node, within: tuple[Node, ...]) -> Iterator[tuple[Node, Node, bool]]:
        """Yield key, value and whether it came by a merge key (``<<``); own entries first, so that they win."""
        for key, child in node.value:
            if key.tag != _TAG + "merge":
                yield key, child, bool(within)
        for key, child in node.value:
            if key.tag != _TAG + "merge":
                continue
            for source in child.value if isinstance(child, SequenceNode) else [child]:
                self._spend(source)  # merges of merges grow as fast as aliases of aliases
                if not isinstance(source, MappingNode) or source in (node, *within):
                    raise _bad(key, "<< takes a mapping that does not contain itself, or a list of them")
                yield from self._entries(source, (*within, node))

    def _spend(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise _bad(node, f"it holds more than {NODES_MAX} values, aliases followed")


def _word(node: Node) -> str:
    if not isinstance(node, ScalarNode):
        raise _bad(node, "a key must be a plain word")
    return _text(node)


def _text(node: Node) -> str:
    text = str(node.value)
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
        raise _bad(node, "a text holds a character that no file name or message can hold")
    return text


def _number(node: Node) -> int:
    number = int(node.value, 0)
    if abs(number) > _INT_MAX:
        raise ValueError("beyond 64 bits")
    return number


def _real(node: Node) -> float:
    number = float(node.value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _truth(node: Node) -> bool:
    return {"true": True, "false": False}[node.value.lower()]


_SCALARS: dict[str, Callable[[Node], Any]] = {
    "null": lambda _: None,
    "bool": _truth,
    "int": _number,
    "float": _real,
    "str": _text,
    "merge": _text,
}


def _scalar(node: Node) -> Any:
    convert = _SCALARS.get(node.tag.removeprefix(_TAG))
    if convert is None:
        raise _bad(node, f"the type {node.tag!r} is not allowed here")
    try:
        return convert(node)
    except (ValueError, KeyError):
        raise _bad(node, f"{str(node.value)[:40]!r} is no {node.tag.removeprefix(_TAG)} in range") from None


def _bad(node: Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
