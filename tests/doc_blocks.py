"""What a page of the documentation holds that can be run; tests/test_docs.py explains the forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import PurePosixPath
from textwrap import dedent
from typing import NamedTuple


class Form(Enum):
    """What is done with a block."""

    FILE = "file"
    PYTHON = "python"
    DOCTEST = "doctest"
    CONSOLE = "console"
    SETTINGS = "settings"
    FRESH = "fresh database"
    SKIPPED = "skipped"
    REFUSED = "refused"  # the text says why


class Block(NamedTuple):
    """One block, or one of the comments that steer the run."""

    line: int  # 1-based, of the first line of its text
    form: Form
    text: str
    caption: str = ""


_CODE = re.compile(r"^ *\.\. code-block:: *(\S*)$")
_OPTION = re.compile(r"^ *:([\w-]+): *(.*)$")
_NOT_RUN = re.compile(r"^ *\.\. not run(?:: *(.*))?$")
_FRESH = re.compile(r"^ *\.\. fresh database$")
_SETUP = re.compile(r"^ *\.\. setup$")
_DOCTEST = re.compile(r"^ *>>> ")
_ESCAPES = (  # examples that the tests would not see
    (re.compile(r"^ *\.\. (?:code|sourcecode|parsed-literal)::"), "write it as `.. code-block:: language`"),
    (re.compile(r"\.\. code-block::"), "a code-block begins on a line of its own, with one language"),
    (re.compile(r"^(?! *\.\. ).*::$"), "write the block as `.. code-block:: language`, not after `::`"),
)
_OTHER_SHELLS = ("bash", "sh", "shell", "shell-session", "doscon", "powershell")


def parse(text: str) -> Iterator[Block]:
    """Give the blocks of a page from top to bottom."""
    lines = text.splitlines()
    number = 0
    marker = 0  # line of a `.. not run: …` whose block is still to come
    while number < len(lines):
        block, end = _block_at(lines, number)
        if block is not None:
            yield Block(block.line, Form.SKIPPED, block.text) if marker and block.form is not Form.REFUSED else block
            marker = 0
        elif found := _NOT_RUN.match(lines[number]):
            marker = number + 1
            if not found[1]:
                yield Block(marker, Form.REFUSED, "say why: `.. not run: REASON`")
        elif lines[number].strip() and marker:
            yield Block(marker, Form.REFUSED, "`.. not run` stands directly before the block that it leaves out")
            marker = 0
        number = end


def _block_at(lines: list[str], number: int) -> tuple[Block | None, int]:
    """Give the block that begins at a line, if one does, and the line after it."""
    line = lines[number]
    if code := _CODE.match(line):
        return _code_block(lines, number, code[1])
    if _FRESH.match(line):
        return Block(number + 1, Form.FRESH, ""), number + 1
    if _SETUP.match(line):
        first, end = _body(lines, number)
        return Block(first + 1, Form.PYTHON, dedent("\n".join(lines[first:end]))), end
    if _DOCTEST.match(line):
        end = next((end for end in range(number, len(lines)) if not lines[end].strip()), len(lines))
        return Block(number + 1, Form.DOCTEST, dedent("\n".join(lines[number:end]))), end
    for escape, cure in _ESCAPES:
        if escape.search(line):
            return Block(number + 1, Form.REFUSED, cure), number + 1
    return None, number + 1


def _code_block(lines: list[str], number: int, language: str) -> tuple[Block, int]:
    first, end = _body(lines, number)
    options = {}
    while first < end and (option := _OPTION.match(lines[first])):
        options[option[1]] = option[2]
        first += 1
    while first < end and not lines[first].strip():
        first += 1
    text = dedent("\n".join(lines[first:end])).rstrip() + "\n"
    caption = options.get("caption") or options.get("name", "")
    form, refusal = _form(language, caption, text)
    return Block(first + 1, form, refusal or text, caption), end


def _body(lines: list[str], number: int) -> tuple[int, int]:
    """Give the range of the lines that are indented below a line, without blank ones at its ends."""
    indent = _indent(lines[number])
    end = last = number + 1
    while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > indent):
        end += 1
        if lines[end - 1].strip():
            last = end
    first = number + 1
    while first < last and not lines[first].strip():
        first += 1
    return first, last


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _form(language: str, caption: str, text: str) -> tuple[Form, str]:
    """Tell what is done with a code block, and why not if it is refused."""
    if not language:
        return Form.REFUSED, "name the language of the code-block"
    if language in _OTHER_SHELLS:
        return Form.REFUSED, f"write commands as `.. code-block:: console` with `$ `, not as {language}"
    if language == "console":
        return Form.CONSOLE, ""
    if language in ("python", "pycon") and text.lstrip().startswith(">>>"):
        return Form.DOCTEST, ""
    if language == "python" and caption == "settings.py":
        return Form.SETTINGS, ""
    if caption and PurePosixPath(caption).suffix:
        return Form.FILE, ""
    return (Form.PYTHON, "") if language == "python" else (Form.SKIPPED, "")
