"""Completion in bash of names with colons, at which bash itself divides words (readline(3))."""

from __future__ import annotations

import os

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    split_arg_string,
)

_COLON = ":"


class ColonBashComplete(BashComplete):
    """Puts together what bash divided, and answers with the part behind the last colon."""

    _before = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one that is completed, and that one."""
        words = split_arg_string(os.environ["COMP_WORDS"])
        last = int(os.environ["COMP_CWORD"])
        words += [""] * (last + 1 - len(words))
        whole: list[str] = []
        for word in words[1 : last + 1]:
            joined = whole and (word == _COLON or whole[-1].endswith(_COLON))
            if joined:
                whole[-1] += word
            else:
                whole.append(word)
        incomplete = whole.pop() if whole else ""
        self._before = "".join(incomplete.rpartition(_COLON)[:2])
        return whole, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """Return the type and what bash puts in the place of the last part."""
        return f"{item.type},{item.value.removeprefix(self._before)}"


def register() -> None:
    """Have click use it."""
    add_completion_class(ColonBashComplete, "bash")
