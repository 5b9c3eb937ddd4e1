"""`oracle ingest` on the command line: one document, an exit code that means something, and no traceback ever."""

from __future__ import annotations

import gzip
import io
import os
import random
import subprocess
import sys
from pathlib import Path

import orjson
import pandas as pd
import pytest

from oracle.cli import output
from oracle.cli.app import app
from oracle.data.dataset import Dataset
from oracle.data.sources import SOURCES

RPSCRAPE = (
    "date,region,course,off,race_name,type,class,pattern,rating_band,age_band,sex_rest,dist,dist_f,dist_m,going,surface,"
    "ran,num,pos,draw,ovr_btn,btn,horse,age,sex,lbs,hg,time,secs,dec,jockey,trainer,prize,or,rpr,ts,sire,dam,damsire,"
    "owner,comment"
)
HKJC = (
    "date,venue,race_no,race_meeting_no,race_name,race_class,distance_m,rating_range,going,course,prize_hkd,"
    "race_finish_time,sectional_times_header,place,horse_no,horse_name,jockey,trainer,actual_wt_lbs,declared_wt_lbs,draw,"
    "lbw,running_position,finish_time,win_odds"
)


def row(columns, **values):
    return ",".join(str(values.get(c, "")) for c in columns.split(","))


def british(pos, **changes):
    told = {
        "date": "2024-05-04", "region": "GB", "course": "Ascot", "off": "14:30", "race_name": "Invented Stakes",
        "type": "Flat", "class": "Class 2", "dist": "1m", "dist_f": "8f", "dist_m": 1609, "going": "Good", "ran": 4,
        "num": pos, "pos": pos, "draw": pos, "ovr_btn": pos - 1, "btn": 1, "horse": f"Invented {pos}", "age": 4,
        "sex": "G", "lbs": 126, "secs": 98.0 + pos, "dec": 2.5 + pos, "jockey": f"J {pos}", "trainer": f"T {pos}",
        "or": 90, "rpr": 95, "ts": 60, "surface": "Turf",
    }  # fmt: skip
    return row(RPSCRAPE, **(told | changes))


def chinese(place, **changes):
    told = {
        "date": "2019-01-01", "venue": "沙田", "race_no": 1, "race_class": "第五班", "distance_m": 1400,
        "going": "好地", "course": '"草地 - ""A"" 賽道"', "place": place, "horse_no": place,
        "horse_name": f"虛構 (Z{place:03d})",
        "jockey": "甲", "trainer": "乙", "actual_wt_lbs": 123, "declared_wt_lbs": 1100, "draw": place, "lbw": "-",
        "finish_time": f"1:23.{place}0", "win_odds": 3.5,
    }  # fmt: skip
    return row(HKJC, **(told | changes))


def whole(columns, one):
    return "\n".join([columns, *(one(place) for place in range(1, 5))]) + "\n"


GOOD = {"rpscrape": whole(RPSCRAPE, british), "hkjc": whole(HKJC, chinese)}
NAMES = {"rpscrape": "2024.csv", "hkjc": "results_2019-01-01.csv"}
FIXTURES, EXAMPLES = Path(__file__).parent / "fixtures", Path(__file__).parents[2] / "docs" / "examples"
RAW = {
    **{name: text.encode() for name, text in GOOD.items()},
    "netkeiba": (FIXTURES / "netkeiba_20240303.csv").read_bytes(),
    "racingpost": (FIXTURES / "racingpost.csv").read_bytes(),
    "hkjc-2014": (FIXTURES / "hkjc-2014" / "race-result-horse.csv").read_bytes(),
    "hkracing": (FIXTURES / "hkracing" / "runs.csv").read_bytes(),
    "mapping": (EXAMPLES / "results.csv").read_bytes(),
}
"""One good file of every layout, to be broken."""
PARTNER = {
    "hkjc-2014": FIXTURES / "hkjc-2014" / "race-result-race.csv",
    "hkracing": FIXTURES / "hkracing" / "races.csv",
}
"""The other table of a pair, which stays whole."""


def last_cell(text, value):
    """Return the text with the value in every numeric-looking cell of its last row."""
    *lines, last = text.rstrip("\n").split("\n")
    cells = [value if c.replace(".", "").replace(":", "").isdigit() else c for c in last.split(",")]
    return "\n".join([*lines, ",".join(cells)]) + "\n"


def broken_files(good):
    """Return names and contents of files that are no clean results, made from one that is."""
    raw, chance = good.encode(), random.Random(7)
    header, first, *rest = good.splitlines()
    parquet = io.BytesIO()
    pd.DataFrame({"a": [1]}).to_parquet(parquet)
    yield "empty", b""
    yield "one newline", b"\n"
    yield "spaces", b"   \n \n"
    yield "header only", header.encode() + b"\n"
    yield "header without newline", header.encode()
    yield "rows without header", "\n".join([first, *rest]).encode()
    yield "half a header", header[: len(header) // 2].encode() + b"\n" + first.encode()
    yield "header twice", f"{header}\n{header}\n{first}\n".encode()
    yield "header after every row", "\n".join(f"{header}\n{line}" for line in [first, *rest]).encode()
    yield "doubled column", (header + "," + header.split(",")[0] + "\n" + first + ",x\n").encode()
    yield "semicolons", good.replace(",", ";").encode()
    yield "tabs", good.replace(",", "\t").encode()
    yield "pipes", good.replace(",", "|").encode()
    yield "utf-16", good.encode("utf-16")
    yield "utf-32", good.encode("utf-32")
    yield "latin-1 bytes", raw.replace(b"1", b"\xe9")
    yield "bad utf-8", raw + b"\xff\xfe\xfa\n"
    yield "two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbf" + raw
    yield "nul bytes", raw.replace(b",", b",\x00")
    yield "nul file", b"\x00" * 4096
    yield "random bytes", chance.randbytes(4096)
    yield "random bytes after header", header.encode() + b"\n" + chance.randbytes(4096)
    yield "gzip", gzip.compress(raw, mtime=0)
    yield "truncated gzip", gzip.compress(raw, mtime=0)[:40]
    yield "parquet of something else", parquet.getvalue()
    yield "truncated parquet", parquet.getvalue()[:100]
    yield "parquet magic only", b"PAR1"
    yield "zip magic", b"PK\x03\x04" + bytes(100)
    yield "html", b"<!doctype html><html><body>404</body></html>"
    yield "json", b'{"rows": [1, 2, 3]}'
    yield "huge field", (header + "\n" + first.replace("Invented", "X" * 2_000_000) + "\n").encode()
    yield "huge first line", b"x" * 3_000_000
    yield "ten thousand columns", (header + "\n" + "," * 10_000 + "\n").encode()
    yield "ten thousand header columns", (",".join(f"c{i}" for i in range(10_000)) + "\n").encode()
    yield "short rows", (header + "\n" + ",".join(first.split(",")[:5]) + "\n").encode()
    yield "long rows", (header + "\n" + first + ",extra,extra\n").encode()
    yield "only commas", (header + "\n" + "," * header.count(",") + "\n").encode()
    yield "open quote", (header + '\n"' + first + "\n" + "\n".join(rest)).encode()
    yield "quotes everywhere", raw.replace(b",", b'","')
    yield "mixed newlines", raw.replace(b"\n", b"\r\n", 2).replace(b"\n", b"\r", 1)
    yield "old mac newlines", raw.replace(b"\n", b"\r")
    yield "cut in the middle of a row", raw[: int(len(raw) * 0.7)]
    yield "cut in the middle of a character", raw[:-9] + "沙".encode()[:2]
    for word in ("NaN", "inf", "-inf", "-1", "0", "1e308", "99999999999999999999", "1e-400", "null", "=1+1", "٣", "½"):
        yield f"numbers are {word}", last_cell(good, word).encode()
    yield "formula in a name", good.replace("Invented 1", '=cmd|"/C calc"!A0').encode()
    yield "date of another age", good.replace("2024-05-04", "0000-00-00").replace("2019-01-01", "9999-12-31").encode()
    yield "date is a word", good.replace("2024-05-04", "yesterday").replace("2019-01-01", "昨日").encode()
    yield "right-to-left and emoji", good.replace("Invented", "\u202e🐎").replace("虛構", "\u202e🐎").encode()
    yield "lone surrogate as escape", good.replace("Invented", "\\ud800").encode()


def cases():
    """Yield every breakage of one layout, and of the others each third one, another third for each."""
    for at, (name, good) in enumerate(RAW.items()):
        for i, (what, content) in enumerate(broken_files(good.decode())):
            if name == "rpscrape" or i % 3 == at % 3:
                yield pytest.param(name, content, id=f"{name}: {what}")


def run(capfd, *arguments):
    """Run the command in this process; return exit code, standard output and standard error."""
    capfd.readouterr()
    output._Result.fd = 1
    try:
        code = output.run(app, [str(a) for a in arguments])
    finally:
        if output._Result.fd != 1:  # the command has taken standard output for itself: give it back
            os.dup2(output._Result.fd, 1)
            os.close(output._Result.fd)
            output._Result.fd = 1
    out, err = capfd.readouterr()
    return code, out, err


def ends_well(code, out, err):
    assert code in (0, 2), err
    assert "Traceback" not in err
    assert len(out.splitlines()) == 1
    document = orjson.loads(out)
    if "error" not in document:
        three = document["rows_accepted"] + document["rows_duplicate"] + document["rows_quarantined"]
        assert three == document["rows_read"]
    return document


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_is_taken_in(name, tmp_path, capfd):
    file = tmp_path / NAMES[name]
    file.write_text(GOOD[name], "utf-8")
    code, out, _ = run(capfd, "ingest", file, "--format", name, "--out", tmp_path / "d", "--json")
    document = orjson.loads(out)
    assert code == 0, document
    assert (document["rows_accepted"], document["races"]) == (4, 1)
    expected = {"rows_read", "rows_accepted", "rows_duplicate", "rows_quarantined", "reasons", "quarantine", "races"}
    assert expected | {"first_date", "last_date"} <= set(document)
    assert len(Dataset(tmp_path / "d").read()) == 4


@pytest.mark.slow
@pytest.mark.parametrize(("name", "content"), list(cases()))
def test_a_broken_file_ends_with_one_document_and_no_traceback(name, content, tmp_path, capfd):
    file = tmp_path / NAMES.get(name, "broken.csv")
    file.write_bytes(content)
    told = ["--mapping", EXAMPLES / "mapping.toml"] if name == "mapping" else ["--format", name]
    paths = [file, PARTNER[name]] if name in PARTNER else [file]
    ends_well(*run(capfd, "ingest", *paths, *told, "--out", tmp_path / "d", "--json"))


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"PAR1", b"a,b\n1,2\n", gzip.compress(b"a", mtime=0)[:12]])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".csv.gz"])
def test_a_file_that_is_not_in_the_layout_is_named(name, content, suffix, tmp_path, capfd):
    file = tmp_path / f"results_2019-01-01{suffix}"
    file.write_bytes(content)
    code, out, err = run(capfd, "ingest", file, "--format", name, "--out", tmp_path / "d", "--json")
    assert code == 2
    assert "results_2019-01-01" in ends_well(code, out, err)["error"]["message"] + out


def test_an_empty_folder_and_a_missing_path_are_named(tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere", tmp_path / "empty/results.csv"):
        code, out, err = run(capfd, "ingest", path, "--format", "hkjc", "--out", tmp_path / "d", "--json")
        assert code == 2
        assert path.name in str(ends_well(code, out, err)["error"])


def test_a_folder_where_a_file_should_be_and_a_file_nobody_may_read(tmp_path, capfd):
    (tmp_path / "results_2019-01-01.csv").mkdir()
    (tmp_path / "results_2019-01-02.csv").symlink_to(tmp_path / "gone.csv")
    for path in tmp_path.iterdir():
        code, out, err = run(capfd, "ingest", path, "--format", "hkjc", "--out", tmp_path / "d", "--json")
        assert code == 2
        ends_well(code, out, err)


def test_an_unknown_format_names_the_allowed_ones(tmp_path, capfd):
    code, out, err = run(capfd, "ingest", tmp_path, "--format", "tote", "--out", tmp_path / "d", "--json")
    error = ends_well(code, out, err)["error"]
    assert code == 2
    assert error["value"] == "tote"
    assert all(name in error["allowed"] for name in SOURCES)


@pytest.mark.parametrize("extra", [[], ["--format", "hkjc", "--mapping", "m.toml"]])
def test_format_and_mapping_exclude_and_need_each_other(extra, tmp_path, capfd):
    code, out, err = run(capfd, "ingest", tmp_path, *extra, "--out", tmp_path / "d", "--json")
    assert code == 2
    assert "--mapping" in ends_well(code, out, err)["error"]["allowed"]


@pytest.mark.parametrize("content", [None, b"", b"= broken", b"\xff", b"[unknown]\nkey = 1\n"])
def test_a_mapping_that_makes_no_sense_is_named(content, tmp_path, capfd):
    mapping = tmp_path / "mapping.toml"
    if content is not None:
        mapping.write_bytes(content)
    (tmp_path / "r.csv").write_text("a,b\n1,2\n")
    command = ["ingest", tmp_path / "r.csv", "--mapping", mapping, "--out", tmp_path / "d", "--json"]
    code, out, err = run(capfd, *command)
    assert code == 2
    assert "mapping" in str(ends_well(code, out, err)["error"])


def test_a_dataset_cannot_stand_where_other_files_are(tmp_path, capfd):
    file = tmp_path / NAMES["hkjc"]
    file.write_text(GOOD["hkjc"], "utf-8")
    for out_path in (tmp_path, file, "gs://bucket/prefix"):
        code, out, err = run(capfd, "ingest", file, "--format", "hkjc", "--out", out_path, "--json")
        assert code == 2
        ends_well(code, out, err)


def test_the_text_says_where_the_quarantine_is_and_why(tmp_path, capfd):
    file = tmp_path / NAMES["rpscrape"]
    text = GOOD["rpscrape"] + british(5, lbs=12) + "\n"
    file.write_text(text, "utf-8")
    code, out, _ = run(capfd, "ingest", file, "--format", "rpscrape", "--out", tmp_path / "d")
    assert code == 0
    assert "impossible_weight" in out
    assert "_quarantine" in out


def test_through_the_real_command_standard_output_holds_one_document(tmp_path):
    command = [Path(sys.executable).with_name("oracle"), "ingest"]
    good, junk = tmp_path / "good" / NAMES["hkjc"], tmp_path / "junk" / NAMES["hkjc"]
    for file, content in ((good, GOOD["hkjc"].encode()), (junk, random.Random(3).randbytes(999))):
        file.parent.mkdir()
        file.write_bytes(content)
        options = ["--format", "hkjc", "--out", tmp_path / "d", "--json"]
        done = subprocess.run([*command, file, *options], capture_output=True, text=True, check=False, timeout=120)
        ends_well(done.returncode, done.stdout, done.stderr)
        assert done.returncode == (0 if file == good else 2)
