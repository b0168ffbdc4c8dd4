"""Types of arguments: a word of a list, which is completed, and which names the nearest one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from benchmarks import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable


class Known(click.ParamType[str]):
    """One of a few words."""

    name = "word"

    def __init__(self, words: Iterable[str]) -> None:
        """Take the words there are."""
        self._words = tuple(words)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word, or refuse another one and name the nearest."""
        if value not in self._words:
            self.fail(f"{value!r} is none; {nearest.hint(value, self._words)}", param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the words that begin as what was typed."""
        del ctx, param
        return [CompletionItem(one) for one in self._words if one.startswith(incomplete)]
