"""JSON as databases give it, which compresses as such text does: the same records that bench/compress_records.c and the peers print.

SPDX-License-Identifier: MIT
"""

import os

CITIES = ("Berlin", "Kyoto", "Lima", "Nairobi", "Oslo", "Quebec", "Turin")
SHORT, LONG = "records.json", "records-long.json"  # files of the samples
RECORDS = {SHORT: 150, LONG: 400_000}  # 10 KB and 30 MB


def _record(number):
    mixed = number * 48271 % 2147483647  # looks like chance, the same each time
    active = "true" if mixed & 64 else "false"
    return f'{{"id":{number},"name":"name-{mixed % 10007}","city":"{CITIES[mixed % 7]}","value":{mixed % 1000},"active":{active}}}'


def text(records):
    """So many records, a line each."""
    return "[\n" + ",\n".join(map(_record, range(records))) + "\n]\n"


def write(root):
    """Makes the files of the samples, unless they are there."""
    for name, records in RECORDS.items():
        path = os.path.join(root, name)
        if not os.path.exists(path):
            with open(f"{path}.new", "w", encoding="ascii") as file:
                file.write(text(records))
            os.replace(f"{path}.new", path)
