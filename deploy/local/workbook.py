#!/usr/bin/env python3
"""Workbooks of members for ./dev demo, as a person might make and mend them.

  workbook.py make FILE ROWS FAULTS   a workbook of ROWS members, FAULTS of them wrong in some way
  workbook.py mend FAILED FILE        the rows of a failure workbook, put right, its own columns kept

Needs openpyxl (install.sh readers).
"""
import datetime
import sys

import openpyxl

HEADER = ["会员号", "姓名", "手机号", "邮箱", "等级", "积分", "余额", "生日", "备注"]
SURNAMES = "赵钱孙李周吴郑王冯陈"
GIVEN = ["伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "军", "洋"]
FIRST_BIRTHDAY = datetime.date(1960, 1, 1)


def member(number):
    """The right row of a number: the remark tells the number, for whoever mends the row."""
    return [
        f"D{number:08d}",
        SURNAMES[number % 10] + GIVEN[number // 10 % 10],
        f"138{number:08d}",
        f"member{number}@example.com",
        number % 5 + 1,
        number * 7 % 100_000,
        number % 10_000 + 0.25,
        FIRST_BIRTHDAY + datetime.timedelta(days=number % 15_000),
        f"会员 {number}",
    ]


def spoil(row, kind):
    """One fault of a kind."""
    match kind:
        case 0:
            row[2] = "138-x"  # no mobile number
        case 1:
            row[4] = 9  # no such level
        case 2:
            row[1] = None  # nameless
        case 3:
            row[7] = "2001-02-30"  # no such day
        case 4:
            row[6] = "1.355,90"  # a number of another country
        case 5:
            row[5] = -5  # less than none
        case _:
            row[8] += "很长" * 60  # too long


def make(path, rows, faults):
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("会员")
    sheet.append(HEADER)
    every = rows // faults if faults else rows + 1
    for number in range(1, rows + 1):
        row = member(number)
        if number % every == 0 and number // every <= faults:
            spoil(row, number // every % 7)
        sheet.append(row)
    book.save(path)


def mend(failed, path):
    book = openpyxl.load_workbook(failed)
    sheet = book.active
    headers = [cell.value for cell in sheet[1]]
    remark = headers.index("备注")
    mended = 0
    for row in sheet.iter_rows(min_row=2):
        words = str(row[remark].value or "").removeprefix("会员 ")
        digits = ""
        for letter in words:
            if not letter.isdigit():
                break
            digits += letter
        for name, value in zip(HEADER, member(int(digits))):
            row[headers.index(name)].value = value
        mended += 1
    book.save(path)
    print(f"{mended} rows mended")


def main(words):
    match words:
        case ["make", path, rows, faults]:
            make(path, int(rows), int(faults))
        case ["mend", failed, path]:
            mend(failed, path)
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
