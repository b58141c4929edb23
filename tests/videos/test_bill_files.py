"""A bill of MiniMax's is read from CSV as spreadsheets write it, and what cannot be read is told with its line."""

from datetime import date
from decimal import Decimal

import pytest

from videos.bill_files import BYTES_MAX, DECIMALS, LINES_MAX, MOST, BillError, read
from videos.bill_models import ProviderBill, ProviderBillLine

PLAIN = "day,model,quantity,amount\n2026-11-02,video-01,3,1.29\n2026-11-01,video-01,1,0.43\n"


def of(text, encoding="utf-8"):
    return [(f"{line.day}", line.model, line.quantity, line.amount) for line in read(text.encode(encoding))]


LINES = [("2026-11-01", "video-01", Decimal(1), Decimal("0.43")), ("2026-11-02", "video-01", Decimal(3), Decimal("1.29"))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_file_is_read_whatever_its_encoding_and_delimiter(encoding, delimiter):
    assert of(PLAIN.replace(",", delimiter), encoding) == LINES


def test_columns_are_known_by_their_names_in_any_order_and_others_are_left_out():
    text = (
        "Account;Amount (USD);Model Name;Usage_Date;Count;Note\nx;0,43;video-01;2026/11/01 08:00:00;1;é\n\nx;$1,29;video-01;20261102;3;\n"
    )

    assert of(text) == of(text, "cp1252") == LINES


def test_chinese_names_of_columns_are_known():
    assert of("日期,模型,金额\n2026-11-01,video-01,0.43\n", "gb18030") == [("2026-11-01", "video-01", None, Decimal("0.43"))]


def test_lines_of_one_day_and_model_are_added_up():
    text = 'date,product,cost,count\n2026-11-01,a,"1,234.50",2\n2026-11-01,a,-0.5,1\n2026-11-01,b,1,\n'

    assert of(text) == [("2026-11-01", "a", Decimal(3), Decimal("1234.0")), ("2026-11-01", "b", None, Decimal(1))]


@pytest.mark.parametrize(
    ("amount", "delimiter", "read_as"),
    [("1,5", ";", "1.5"), ("1.234,50", ";", "1234.50"), ("12 USD", ",", "12"), ("1e2", ",", "100"), ('"1,000"', ",", "1000")],
)
def test_amounts_are_read_as_people_write_them(amount, delimiter, read_as):
    [line] = read(f"day{delimiter}model{delimiter}amount\n2026-11-01{delimiter}a{delimiter}{amount}\n".encode())

    assert line.amount == Decimal(read_as)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "The file is empty"),
        ("day,model,amount\n", "holds no line"),
        ("when,model,amount\n2026-11-01,a,1\n", "Line 1 must name the columns, and lacks a column `day`: it holds when, model, amount"),
        ("\n\nmodel\na\n", "Line 3 must name the columns, and lacks a column `day` and a column `amount`"),
        ("day,model,amount\n2026-11-01,a,1\n29/11/2026,a,1\n", "Line 3: '29/11/2026' is no day. Write it as 2026-11-29"),
        ("day,model,amount\n2026-02-30,a,1\n", "Line 2: '2026-02-30' is no day"),
        ("day,model,amount\n2026-11-01,a,lots\n", "Line 2: 'lots' is no amount"),
        ("day,model,amount\n2026-11-01,a,NaN\n", "Line 2: 'NaN' is no amount"),
        ("day,model,amount\n2026-11-01,a,1e99\n", "Line 2: '1e99' is no amount"),
        ("day,model,amount\n2026-11-01,a\n", "Line 2: '' is no amount"),
        ("day,model,amount\n2026-11-01,,1\n", "Line 2: a model is missing"),
        ("day,model,amount,quantity\n2026-11-01,a,1,many\n", "Line 2: 'many' is no quantity"),
        ("day,model,amount\n" + "2026-11-01,a,1\n" * LINES_MAX, "more than 20,000 lines"),
        ("x" * (BYTES_MAX + 1), "at most 1,048,576 are read"),
        ("a\0b", "The file is no text"),
        ("a" * 200_000, "Line 1 cannot be read: field larger than field limit"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text, words):
    with pytest.raises(BillError) as refused:
        read(text.encode())

    assert words in str(refused.value)


def test_a_picture_is_no_bill():
    with pytest.raises(BillError):
        read(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)))


def test_days_are_plain_days():
    assert read(PLAIN.encode())[0].day == date(2026, 11, 1)


def test_the_dearest_bill_that_is_read_fits_where_it_is_stored():
    most = MOST * LINES_MAX

    for stored in (ProviderBill._meta.get_field("amount"), ProviderBillLine._meta.get_field("quantity")):
        assert most < 10 ** (stored.max_digits - stored.decimal_places)
        assert stored.decimal_places == DECIMALS
