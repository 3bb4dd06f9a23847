#!/usr/bin/env python3
"""Makes tests/golden/parquet: small Parquet files of our own as Apache Arrow writes them, and their rows.

NAME.parquet in every packing and encoding that is read, rows.jsonl with the rows of all of them (one table). Needs the
package pyarrow (26).
"""
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "parquet"


def rows():
    out = []
    for i in range(70):
        out.append({
            "messages": None if i == 9 else [{"role": r, "content": None if i == 5 and k else f"{r} {i} {'é漢' * (i % 3)}"}
                                             for k, r in enumerate(["user", "assistant"] * (i % 3))],
            "label": None if i % 7 == 3 else i % 2 == 0,
            "n": i * 1000003 - 30000000,
            "big": None if i == 1 else (i - 35) * 10**12,
            "x": i / 8,
            "tags": [[f"t{k}" for k in range(j)] for j in range(i % 4)],
            "pair": None if i % 5 == 0 else {"a": f"word{i % 3}", "b": None if i % 2 else [i, i + 1]},
            "empty": [],
            "nothing": None,
        })
    return out


SCHEMA = pa.schema([
    ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
    ("label", pa.bool_()),
    pa.field("n", pa.int32(), nullable=False),
    ("big", pa.int64()),
    pa.field("x", pa.float64(), nullable=False),
    ("tags", pa.list_(pa.list_(pa.string()))),
    ("pair", pa.struct([("a", pa.string()), ("b", pa.list_(pa.int64()))])),
    ("empty", pa.list_(pa.int32())),
    ("nothing", pa.string()),
])

WAYS = {
    "plain": {"compression": "none", "use_dictionary": False},
    "snappy": {"compression": "snappy", "row_group_size": 20},
    "gzip": {"compression": "gzip", "data_page_version": "2.0", "data_page_size": 200, "row_group_size": 33},
    "zstd": {"compression": "zstd", "use_dictionary": False, "data_page_size": 100},
    "delta": {"compression": "zstd", "data_page_version": "2.0", "use_dictionary": False, "column_encoding": {
        "n": "DELTA_BINARY_PACKED", "big": "DELTA_BINARY_PACKED", "pair.a": "DELTA_BYTE_ARRAY", "label": "RLE",
        "messages.list.element.content": "DELTA_LENGTH_BYTE_ARRAY", "messages.list.element.role": "DELTA_BYTE_ARRAY"}},
    "brotli": {"compression": "brotli"},
}


def main():
    OUT.mkdir(exist_ok=True)
    table = pa.Table.from_pylist(rows(), schema=SCHEMA)
    for name, how in WAYS.items():
        pq.write_table(table, OUT / f"{name}.parquet", store_schema=False, **how)
    texts = pa.Table.from_pylist([{"text": " ".join(str((7 * i + 3 * k) % 96) for k in range(1 + i % 9)), "n": i} for i in range(40)])
    pq.write_table(texts, OUT / "texts.parquet", store_schema=False, compression="snappy", row_group_size=11)
    (OUT / "texts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in texts.to_pylist()))
    (OUT / "rows.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in table.to_pylist()))


if __name__ == "__main__":
    main()
