#!/usr/bin/env python3
"""Makes the fixtures of old stores in tests/fixtures: legacy_v1 and legacy_v2.

They are directories as the Python package lsm-kv-store wrote them, built from its formats without the package. Both hold
the same rows (EXPECTED below, which tests/unit/test_legacy.c repeats), spread so that every rule of precedence decides
at least one of them.

    python3 tests/support/make_legacy.py
"""
import json
import os
import shutil
import struct

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures")


def row(key, value, timestamp):
    """One version; the value None is a tombstone."""
    return (key, value, timestamp)


# Deepest first. Tables of level 0 overlap each other and the deeper ones.
TABLES = [
    # (number, level, rows)
    (4, 1, [
        row("apple", "oldest apple", 100),
        row("banana", "deleted in a newer table", 101),
        row("cherry", "kept from level 1", 102),
        row("date", "deleted in the log", 103),
        row("zebra", "first of two with one timestamp", 104),
    ]),
    (5, 0, [
        row("apple", "older apple", 200),
        row("banana", None, 201),
        row("elder", "bars | in || the value|", 202),
        row("fig", "line one\nline two\r\n\ttab \"quoted\" back\\slash", 203),
        row("yak", "first of two in one level with one timestamp", 105),
        row("zebra", "second of two with one timestamp", 104),
    ]),
    (7, 0, [
        row("apple", "table apple", 300),
        row("grape", "", 301),
        row("kiwi \U0001f95d", "日本語 and \U0001f600", 302),
        row("stale", "newer than its line in the log", 900),
        row("yak", "second of two in one level with one timestamp", 105),
        row("ünïcödé", "non-ASCII key", 303),
    ]),
]

LOG = [
    row("apple", "new apple", 400),
    row("date", None, 401),
    row("stale", "older than its row in a table", 402),
    row("log only", "never flushed", 403),
    row("log bars", "a|b|c", 404),
    row("short-lived", "put", 405),
    row("short-lived", None, 406),
    row("log lines", "first\nsecond|third\n", 407),
]

EXPECTED = {
    "apple": "new apple",
    "cherry": "kept from level 1",
    "elder": "bars | in || the value|",
    "fig": "line one\nline two\r\n\ttab \"quoted\" back\\slash",
    "grape": "",
    "kiwi \U0001f95d": "日本語 and \U0001f600",
    "log bars": "a|b|c",
    "log lines": "first\nsecond|third\n",
    "log only": "never flushed",
    "stale": "newer than its line in the log",
    "yak": "second of two in one level with one timestamp",
    "zebra": "second of two with one timestamp",
    "ünïcödé": "non-ASCII key",
}

# Python's strings hold what text elsewhere does not; only JSON carries it. Added to the log of format 2.
ODD = [
    row("nul \0 key", "nul \0 value", 500),
    row("half \ud800 pair", "\udc00", 501),
]


def check():
    versions = {}
    for source in [rows for _, _, rows in TABLES] + [LOG]:
        for key, value, timestamp in source:
            if key not in versions or timestamp >= versions[key][0]:
                versions[key] = (timestamp, value)
    assert {k: v for k, (_, v) in versions.items() if v is not None} == EXPECTED


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)


def write_table(base, number, rows):
    folder = os.path.join(base, "sstables", "sstable_%06d" % number)
    text, index, offset = "", [], 0
    for i, (key, value, timestamp) in enumerate(rows):
        line = json.dumps({"key": key, "value": value, "timestamp": timestamp, "is_deleted": value is None}) + "\n"
        if i % 4 == 0:
            index.append((key.encode(), offset))
        offset += len(line)
        text += line
    write(os.path.join(folder, "data.db"), text)
    with open(os.path.join(folder, "sparse_index.idx"), "wb") as f:
        f.write(struct.pack("<II", 4, len(index)))
        for key, at in index:
            f.write(struct.pack("<I", len(key)) + key + struct.pack("<Q", at))
    with open(os.path.join(folder, "bloom_filter.bf"), "wb") as f:
        f.write(b"a filter that a migration does not read\n")


def entry(number, level, rows):
    return {"sstable_id": number, "dirname": "sstable_%06d" % number, "num_entries": len(rows), "min_key": rows[0][0],
            "max_key": rows[-1][0], "level": level}


def fresh(name):
    base = os.path.join(ROOT, name)
    shutil.rmtree(base, ignore_errors=True)
    for number, _, rows in TABLES:
        write_table(base, number, rows)
    # A table that no manifest names any more: its compaction was killed before it removed the directory.
    write_table(base, 3, [row("ghost", "must not come back", 999)])
    return base


def make_v1():
    base = fresh("legacy_v1")
    manifest = {"next_sstable_id": 8, "entries": [entry(*table) for table in TABLES]}
    write(os.path.join(base, "manifest.json"), json.dumps(manifest, indent=2))
    log = "".join("%s|%s|%s|%d\n" % ("DELETE" if v is None else "PUT", k, v or "", t) for k, v, t in LOG)
    write(os.path.join(base, "wal.log"), log + "PUT|torn|its timestamp is cut|40")


def make_v2():
    base = fresh("legacy_v2")
    manifest = {"next_sstable_id": 8, "version": 2, "metadata": {}}
    write(os.path.join(base, "manifests", "global.json"), json.dumps(manifest, indent=2))
    for level in (0, 1):
        entries = [entry(*table) for table in TABLES if table[1] == level]
        write(os.path.join(base, "manifests", "level_%d.json" % level),
              json.dumps({"level": level, "entries": entries}, indent=2))
    log = "".join(json.dumps({"op": "DELETE" if v is None else "PUT", "key": k, "value": v, "ts": t},
                             separators=(",", ":")) + "\n" for k, v, t in LOG + ODD)
    write(os.path.join(base, "wal.log"), log + '{"op":"PUT","key":"torn","val')


check()
make_v1()
make_v2()
