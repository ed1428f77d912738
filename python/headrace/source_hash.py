"""A function's hash: its own source and all it refers to in its file. Comments, blank lines and other functions do not count."""

from __future__ import annotations

import ast
import functools
import hashlib
import io
import tokenize


def source_hash(file_text: str, name: str) -> str:
    """Gives the SHA-256 (hex) of the definition of `name` and of the module-level code it needs, transitively.

    Args:
        file_text: the whole file.
        name: a function or class defined at the top level of the file.

    >>> one = "RATE = 2\\ndef f(x):\\n    return x * RATE  # doubled\\n\\ndef other(): ...\\n"
    >>> source_hash(one, "f") == source_hash("RATE = 2\\ndef f(x):\\n    return x * RATE\\n", "f")
    True
    >>> source_hash(one, "f") == source_hash(one.replace("RATE = 2", "RATE = 3"), "f")
    False
    """
    definitions, lines = _read(file_text)
    needed: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in needed or current not in definitions:
            continue
        needed.add(current)
        for node in definitions[current]:
            waiting.extend(used.id for used in ast.walk(node) if isinstance(used, ast.Name))
    digest = hashlib.sha256(name.encode())
    nodes = {id(node): node for used in needed for node in definitions[used]}
    for node in sorted(nodes.values(), key=lambda node: node.lineno):
        for line in lines[_first_line(node) - 1 : node.end_lineno]:
            if line.strip():
                digest.update(line.rstrip().encode() + b"\n")
    return digest.hexdigest()


@functools.lru_cache(maxsize=1)  # A file's functions are hashed one after another.
def _read(file_text: str) -> tuple[dict[str, list[ast.stmt]], list[str]]:
    """What defines each name of a file, and its lines without comments."""
    return _definitions(ast.parse(file_text)), _without_comments(file_text).splitlines()


def _definitions(module: ast.Module) -> dict[str, list[ast.stmt]]:
    """The module-level statements that give each name its value. Of a compound statement (if, try) it is the whole."""
    out: dict[str, list[ast.stmt]] = {}
    for statement in module.body:
        names: set[str] = set()
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(statement.name)
        else:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    names.add(node.id)
                elif isinstance(node, ast.alias):
                    names.add((node.asname or node.name).split(".")[0])
                elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    names.add(node.name)
        for name in names:
            out.setdefault(name, []).append(statement)
    return out


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _without_comments(text: str) -> str:
    lines = text.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + "\n"
    return "".join(lines)
