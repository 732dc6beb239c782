"""Candles into files: CSV and Parquet, each whole or not at all."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from bridge.errors import BackfillError
from bridge.records import Kline, field_names, fields_of

Take = Callable[[Sequence[Kline]], None]

STDOUT: Final = "-"
_ROW_GROUP: Final = 50_000
_FIELDS: Final = field_names(Kline)
_NUMBERS: Final = frozenset({"open_time", "close_time", "closed", "received_at"})


def check(out: str | None) -> None:
    """Refuse a name that says no format.

    Raises:
        BackfillError: it ends neither in `.csv` nor in `.parquet`.
    """
    if out is not None and out != STDOUT and not out.lower().endswith((".csv", ".parquet")):
        raise BackfillError(f"--out {out!r}: expected FILE.csv, FILE.parquet, or - for CSV to standard output")


@contextmanager
def opened(out: str) -> Iterator[Take]:
    """Yield what takes candles in order into a file; what is in the way of that is told before anything is fetched."""
    form = _parquet if out.lower().endswith(".parquet") else _csv
    try:
        with _standard_output() if out == STDOUT else _whole(Path(out)) as file, form(file) as take:
            yield take
    except OSError as trouble:
        raise BackfillError(f"cannot write to {out}: {trouble.strerror or trouble}") from None


def _standard_output() -> BinaryIO:
    # A file of our own: when its reader has gone, the interpreter's last flush has nothing to complain about.
    return os.fdopen(os.dup(sys.stdout.fileno()), "wb")


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that takes its name when it is complete, or vanishes."""
    target = path.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _csv(file: BinaryIO) -> Iterator[Take]:
    # Symbols and numbers, checked when they were read: nothing that would need quotes.
    file.write(f"{','.join(_FIELDS)}\n".encode())
    yield lambda klines: file.writelines(f"{','.join(fields_of(kline)[1::2])}\n".encode() for kline in klines)


@contextmanager
def _parquet(file: BinaryIO) -> Iterator[Take]:
    try:
        pyarrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise BackfillError("Parquet needs pyarrow: pip install pyarrow") from None
    kinds = [pyarrow.int64() if name in _NUMBERS else pyarrow.string() for name in _FIELDS]
    schema = pyarrow.schema(list(zip(_FIELDS, kinds, strict=True)))
    held: list[Kline] = []

    def take(klines: Sequence[Kline], most: int = _ROW_GROUP) -> None:
        held.extend(klines)
        if len(held) > most:
            columns = zip(_FIELDS, zip(*(fields_of(kline)[1::2] for kline in held), strict=True), strict=True)
            values = [list(map(int, column)) if name in _NUMBERS else column for name, column in columns]
            writer.write_table(pyarrow.table(values, schema=schema))
            held.clear()

    with parquet.ParquetWriter(file, schema) as writer:
        yield take
        take((), most=0)
