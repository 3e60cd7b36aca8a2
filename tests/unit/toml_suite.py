#!/usr/bin/env python3
"""Runs every TOML 1.0 case of the official toml-test suite through our reader.

usage: toml_suite.py DECODER

The cases come as a Go module, verified by its checksum; none is kept here. Without them the run is skipped (77), but
where SANDLOCK_CI=1 it fails: a proof that did not run is no proof.
"""
import json
import math
import os
import re
import subprocess
import sys
import tempfile

MODULE = "github.com/toml-lang/toml-test@v1.6.0"
SUM = "h1:lZ9cKL1MmS9iXA8O8pjYSPg8F4afigKluaxxxjQkRJ8="
CASES_AT_LEAST = 500


def fetch():
    """The folder of the cases; raises with a reason when they cannot be had."""
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(["go", "mod", "download", "-json", MODULE], cwd=empty, timeout=100,
                              capture_output=True, text=True)
    answer = json.loads(done.stdout or "{}")
    if done.returncode != 0 or "Dir" not in answer:
        raise OSError(answer.get("Error") or done.stderr.strip() or "go mod download failed")
    if answer.get("Sum") != SUM:
        raise OSError(f"the module's checksum is {answer.get('Sum')}, not {SUM}")
    return os.path.join(answer["Dir"], "tests")


def time_key(text):
    """A date or time with what may be written in several ways brought into one form."""
    text = text.upper().replace(" ", "T").replace("Z", "+00:00").replace("-00:00", "+00:00")
    match = re.fullmatch(r"(.*?)(?:\.(\d+))?([+-]\d\d:\d\d)?", text)
    fraction = (match[2] or "").ljust(9, "0")[:9]
    return match[1], fraction, match[3]


def float_key(text):
    number = float(text.replace("_", ""))
    return "nan" if math.isnan(number) else number


KEYS = {
    "string": str, "integer": int, "bool": str, "float": float_key,
    "datetime": time_key, "datetime-local": time_key, "date-local": time_key, "time-local": time_key,
}


def same(want, got):
    if type(want) is not type(got):
        return False
    if isinstance(want, list):
        return len(want) == len(got) and all(map(same, want, got))
    if set(want) == {"type", "value"} and isinstance(want["type"], str):
        return want["type"] == got.get("type") and \
            KEYS[want["type"]](want["value"]) == KEYS[want["type"]](got["value"])
    return want.keys() == got.keys() and all(same(want[k], got[k]) for k in want)


def check(decoder, folder, case):
    """None when the case passes, else what went wrong."""
    with open(os.path.join(folder, case), "rb") as file:
        done = subprocess.run([decoder], stdin=file, capture_output=True, timeout=10)
    if case.startswith("invalid/"):
        sentence = done.stderr.decode(errors="replace")
        if done.returncode != 1:
            return f"status {done.returncode}, wanted 1: {sentence}"
        if not re.fullmatch(r"stdin:[1-9]\d*:[1-9]\d*: [^\n\x00-\x1f]{10,}\n", sentence):
            return f"the error is no sentence with a place: {sentence!r}"
        return None
    if done.returncode != 0:
        return f"status {done.returncode}: {done.stderr.decode(errors='replace')}"
    with open(os.path.join(folder, case[:-len("toml")] + "json"), encoding="utf-8") as file:
        want = json.load(file)
    got = json.loads(done.stdout)
    return None if same(want, got) else f"wanted {want}\n    got {got}"


def main():
    decoder = os.path.abspath(sys.argv[1])
    try:
        folder = fetch()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        must_run = os.environ.get("SANDLOCK_CI") == "1"
        print(f"{'FAILED' if must_run else 'skipped'}: the toml-test cases cannot be had: {error}")
        return 1 if must_run else 77

    with open(os.path.join(folder, "files-toml-1.0.0"), encoding="utf-8") as file:
        cases = [line for line in file.read().split() if line.endswith(".toml")]
    failed = 0
    for case in cases:
        trouble = check(decoder, folder, case)
        if trouble:
            failed += 1
            print(f"FAILED {case}: {trouble}")
    if len(cases) < CASES_AT_LEAST:
        failed += 1
        print(f"FAILED: the list names {len(cases)} cases, at least {CASES_AT_LEAST} were expected")
    print(f"toml-test: {len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
