"""Reading a bill of MiniMax's from a CSV file.

MiniMax documents no format, so that columns are known by their names and may stand in any order: a day, a model, an amount in USD and,
where there is one, a quantity. Whatever else stands in the file is left out. Days are UTC. Lines of one day and model are added up.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

BYTES_MAX, LINES_MAX = 1024 * 1024, 20_000
MODEL_MAX = 100
# Of the first line, to tell the delimiter by: a value that is longer than any the reader takes is told of with its line.
FIRST_LINE_MAX = 10_000
# As the database holds them, those of a whole file added up too.
DECIMALS, MOST = 6, Decimal(10) ** 9

COLUMNS = {
    "day": ("day", "date", "billing day", "billing date", "usage date", "日期", "账单日期"),
    "model": ("model", "model name", "product", "模型", "模型名称"),
    "quantity": ("quantity", "count", "jobs", "videos", "calls", "usage", "数量", "用量"),
    "amount": ("amount", "amount usd", "cost", "cost usd", "total", "usd", "金额"),
}
_NEEDED = ("day", "model", "amount")
_DELIMITERS = ",;\t|"
_DAY = re.compile(r"(\d{4})[-/.]?(\d{1,2})[-/.]?(\d{1,2})(?:[T ].*)?", re.ASCII)
_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII)


class BillError(ValueError):
    """What is wrong with a file, in a sentence that names its line."""


@dataclass(frozen=True)
class BilledLine:
    """One day and model, added up."""

    day: date
    model: str
    quantity: Decimal | None
    amount: Decimal


def read(content: bytes) -> list[BilledLine]:
    """The lines of a bill, by day and model.

    Raises:
        BillError: it is too large, or cannot be read.
    """
    if len(content) > BYTES_MAX:
        raise BillError(f"The file has {len(content):,} bytes; at most {BYTES_MAX:,} are read. Upload it in parts, such as month by month.")
    text = _decoded(content)
    delimiter, rows = _rows(text)
    columns, first = _header(rows, delimiter)
    sums: dict[tuple[date, str], tuple[Decimal | None, Decimal]] = {}
    for number, row in first:
        if not any(value.strip() for value in row):
            continue
        line = _line(number, row, columns, delimiter)
        quantity, amount = sums.get((line.day, line.model), (None, Decimal(0)))
        both = line.quantity if quantity is None else quantity + (line.quantity or 0)
        sums[line.day, line.model] = both, amount + line.amount
        if number > LINES_MAX:
            raise BillError(f"The file has more than {LINES_MAX:,} lines. Upload it in parts, such as month by month.")
    if not sums:
        raise BillError("The file holds no line beside the names of its columns.")
    return [BilledLine(day, model, quantity, amount) for (day, model), (quantity, amount) in sorted(sums.items(), key=lambda pair: pair[0])]


def _decoded(content: bytes) -> str:
    """As spreadsheets write it: with a mark at its beginning, in UTF-8, or in what Chinese or Western ones took before that."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise BillError("The file is no text: a CSV file in UTF-8 is needed.")


def _rows(text: str) -> tuple[str, Iterator[tuple[int, list[str]]]]:
    """The delimiter by which the first line holds most names of columns, and the file's rows with their lines' numbers."""
    first = next((line for line in text.splitlines() if line.strip()), "")[:FIRST_LINE_MAX]
    delimiter = max(_DELIMITERS, key=lambda one: (sum(1 for name in _split(first, one) if _column(name)), first.count(one)))
    return delimiter, _numbered(text, delimiter)


def _numbered(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BillError(f"Line {reader.line_num} cannot be read: {error}.") from None
        yield reader.line_num, row


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _column(name: str) -> str | None:
    plain = re.sub(r"[\s_()\[\]]+", " ", name.lower()).strip()
    return next((column for column, names in COLUMNS.items() if plain in names), None)


def _header(rows: Iterator[tuple[int, list[str]]], delimiter: str) -> tuple[dict[str, int], Iterator[tuple[int, list[str]]]]:
    for number, row in rows:
        if not any(value.strip() for value in row):
            continue
        columns: dict[str, int] = {}
        for place, name in enumerate(row):
            if (column := _column(name)) and column not in columns:
                columns[column] = place
        if missing := [column for column in _NEEDED if column not in columns]:
            named = " and ".join(f"a column `{column}`" for column in missing)
            shown = ", ".join(name.strip()[:40] for name in row[:12])
            raise BillError(f"Line {number} must name the columns, and lacks {named}: it holds {shown or 'nothing'}.")
        return columns, rows
    raise BillError("The file is empty.")


def _line(number: int, row: Sequence[str], columns: dict[str, int], delimiter: str) -> BilledLine:
    def value(column: str) -> str:
        place = columns.get(column)
        return row[place].strip() if place is not None and place < len(row) else ""

    model = value("model")
    if not 0 < len(model) <= MODEL_MAX:
        raise BillError(f"Line {number}: a model is missing." if not model else f"Line {number}: no model has so long a name.")
    quantity = _number(number, "quantity", value("quantity"), delimiter) if value("quantity") else None
    return BilledLine(_day(number, value("day")), model, quantity, _number(number, "amount", value("amount"), delimiter))


def _day(number: int, text: str) -> date:
    found = _DAY.fullmatch(text)
    try:
        day = date(*map(int, found.groups())) if found else None
    except ValueError:
        day = None
    if day is None or not 2000 <= day.year < 3000:
        raise BillError(f"Line {number}: {text[:40]!r} is no day. Write it as {datetime(2026, 11, 29):%Y-%m-%d}.")
    return day


def _number(number: int, column: str, text: str, delimiter: str) -> Decimal:
    """With a point or, where the delimiter is no comma, a comma before its decimals; a sign of the currency beside it is left out."""
    plain = re.sub(r"(?i)usd|\$|\s", "", text)
    if "," in plain:
        thousands = _THOUSANDS.fullmatch(plain) and (delimiter == "," or "." in plain)
        plain = plain.replace(",", "") if thousands else plain.replace(".", "").replace(",", ".")
    try:
        found = Decimal(plain if plain.isascii() and "_" not in plain else "")
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or abs(found) >= MOST:
        raise BillError(f"Line {number}: {text[:40]!r} is no {column}. Write it as a number, such as 12.50.")
    return round(found, DECIMALS)
