"""spec: write a config.json to begin with."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from runtime.errors import SetupError, StateError
from runtime.oci import template
from runtime.users import mappings

if TYPE_CHECKING:
    from runtime.cli.options import Options


def write(options: Options) -> None:
    """Write the default specification; an existing file stays.

    Raises:
        StateError: there is one.
        SetupError: it cannot be written.
    """
    path = os.path.join(options.get("bundle") or ".", options.get("file") or "config.json")
    rootless = mappings.for_user() if options.has("rootless") else None
    text = json.dumps(template.document(rootless), indent=2) + "\n"
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise StateError(f"{path} already exists; move it away first") from None
    except OSError as error:
        raise SetupError(f"write {path}", error.strerror or str(error)) from error
