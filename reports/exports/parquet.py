"""Samples as Parquet, one a row: the columns of ``tare report --format csv``."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pandas as pd

from reports.errors import ReportError
from reports.model.frame import tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.exports.source import Source


def parquet(sources: Sequence[Source]) -> bytes:
    """Return the samples of all runs.

    Raises:
        ReportError: pyarrow, which writes them, is not installed.
    """
    table = pd.concat([tidy(source.run) for source in sources], ignore_index=True)
    for name in table.columns:
        if isinstance(table[name].dtype, pd.CategoricalDtype) or table[name].dtype == object:
            table[name] = table[name].astype(str).astype("category")
    out = io.BytesIO()
    try:
        table.to_parquet(out, engine="pyarrow", compression="zstd", index=False)
    except ImportError as error:
        raise ReportError(
            "Parquet is written by pyarrow, which is not installed where tare is; "
            "install it there (pip install pyarrow), or take the csv of `tare report`"
        ) from error
    return out.getvalue()
