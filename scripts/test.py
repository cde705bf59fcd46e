#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds in each configuration, runs the suites in those that they are for, and adds up the counts.

The counts come from the cases that ran, as Meson's JUnit report lists them. Ends with
`N passed, N failed, N skipped` and exits 0 only if nothing failed. Where CI is set, a skip in the vm suite
is a failure.
"""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

# name, what it is compiled with, environment of the compiler, suites that run in it, wrapper of the tests
CONFIGURATIONS = [
    ("gcc", ["-Dwerror=true", "-Dbuildtype=release", "-Dfaults=true"], {"CC": "gcc"}, ["integ", "vm", "pages"], []),
    ("clang", ["-Dwerror=true", "-Dbuildtype=release"], {"CC": "clang", "CXX": "clang++"}, [], []),
    ("asan", ["-Dwerror=true", "-Db_sanitize=address,undefined"], {"CC": "gcc"},
     ["unit", "proto", "integ", "race"], []),
    # gcc's TSan wants an address space without randomisation
    ("tsan", ["-Dwerror=true", "-Db_sanitize=thread"], {"CC": "gcc"},
     ["race", "integ"], ["setarch", "-R"]),
]

# What scripts/cross.sh builds for other architectures and C libraries.
CROSS = ["i386", "aarch64", "musl"]

# Suites that are several of Meson's.
SUITES = {"cross": ["unit", "proto", "apps"]}

# Suites that run once with each of these setups.
SETUPS = {"pages": ["pages16", "pages64"]}

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


# Of what a failed test has said, the lines about each failed case and the last ones are said again at the end; of so
# many tests.
LINES_BEFORE, LINES_AFTER, LINES_LAST, TESTS_AGAIN = 12, 10, 8, 6


class Counts:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []
        self.said = {}  # name of a failed case: what its program has said


def run(command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, **options).returncode


def build(directory, options, environment):
    """Sets up and compiles; returns whether that went well."""
    environment = {**os.environ, **environment}
    if not os.path.exists(os.path.join(directory, "build.ninja")):
        if run(["meson", "setup", directory, *options], env=environment,
               stdout=subprocess.DEVNULL) != 0:
            return False
    return run(["ninja", "-C", directory, "--quiet"], env=environment) == 0


def read_report(path, label, counts):
    if not os.path.exists(path):
        counts.failed.append(f"{label}: no report was written")
        return
    with open(path, encoding="utf-8", errors="replace") as file:
        # What a test has printed is in there as it was, and some print what XML does not allow.
        text = re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd]", "?", file.read())
    for suite in ElementTree.fromstring(text).iter("testsuite"):
        for case in suite.iter("testcase"):
            name = f"{label}: {case.get('classname', '')} {case.get('name', '')}"
            if case.find("failure") is not None or case.find("error") is not None:
                counts.failed.append(name)
                counts.said[name] = "\n".join(
                    said.text for of in (case, suite) for said in of if said.tag.startswith("system-") and said.text)
            elif case.find("skipped") is not None:
                counts.skipped.append(name)
            else:
                counts.passed += 1


def has_tests(directory, suite):
    listed = subprocess.run(["meson", "test", "-C", directory, "--list", "--suite", suite],
                            capture_output=True, text=True, check=False)
    return " / " in listed.stdout or any(
        line and not line.startswith("ninja") for line in listed.stdout.splitlines())


def run_suite(directory, configuration, suite, setup, wrapper, counts):
    # Meson puts the setup's or the wrapper's name into the report's.
    name = f"testlog-{setup or wrapper[0]}" if setup or wrapper else "testlog"
    report = os.path.join(directory, "meson-logs", name + ".junit.xml")
    if os.path.exists(report):
        os.remove(report)
    if not any(has_tests(directory, each) for each in SUITES.get(suite, [suite])):
        return
    # What needs the machine for itself says so to Meson.
    command = ["meson", "test", "-C", directory, "--no-rebuild", "--print-errorlogs", "--quiet",
               "--num-processes", "2"]
    for each in SUITES.get(suite, [suite]):
        command += ["--suite", each]
    environment = {**os.environ, **SANITIZERS}
    if configuration in ("asan", "tsan", "aarch64", "i386"):  # the latter two may be emulated
        command += ["--timeout-multiplier", "4"]
        environment["CK_TIMEOUT_MULTIPLIER"] = "4"  # of each case, which Check counts itself
    if setup:
        command += ["--setup", setup]
        suite = setup
    if wrapper:
        command += ["--wrapper", " ".join(wrapper)]
    start = time.monotonic()
    before = (counts.passed, len(counts.failed), len(counts.skipped))
    status = run(command, env=environment)
    read_report(report, f"{configuration}/{suite}", counts)
    if status != 0 and len(counts.failed) == before[1]:
        counts.failed.append(f"{configuration}/{suite}: meson test ended with {status}")
    print(f"== {configuration}/{suite}: {counts.passed - before[0]} passed, "
          f"{len(counts.failed) - before[1]} failed, {len(counts.skipped) - before[2]} skipped, "
          f"{time.monotonic() - start:.0f} s", flush=True)


def measure(directory, counts):
    """What a call costs here, beside its yardsticks: it is said, and is no failure, however long it takes."""
    folder = os.path.join(directory, "figures")
    environment = {**os.environ, "QUICK": "1", "ROW": "call"}
    results = os.path.join(folder, "results.json")
    if os.path.exists(results):
        os.remove(results)
    start = time.monotonic()
    if run(["ninja", "-C", directory, "--quiet", "bench"]) != 0 or run(
            [os.path.join("bench", "run.sh"), directory, folder], env=environment) != 0:
        counts.failed.append("bench: does not run")
        return
    with open(results, encoding="utf-8") as file:
        rows = json.load(file)
    unmeasured = [row["name"] for row in rows if row["unit"].startswith("us") and not row["ours"] > 0]
    if not rows or unmeasured:
        counts.failed.append(f"bench: nothing measured: {', '.join(unmeasured) or 'no rows'}")
    else:
        counts.passed += 1
    print(f"== bench: {len(rows)} figures of calls, {time.monotonic() - start:.0f} s", flush=True)


def report(counts):
    """Names what was skipped, by its program, and what failed, with what that has said of it."""
    skipped = collections.Counter(name.split(" - ")[0].rstrip(" 0123456789") for name in counts.skipped)
    for name, cases in skipped.items():
        print(f"skipped: {name}, {cases} cases")
    said_again = {""}
    for name in counts.failed:
        print(f"failed: {name}")
        said = counts.said.get(name, "")
        if said in said_again or len(said_again) > TESTS_AGAIN:
            continue
        said_again.add(said)
        lines = [line for line in said.splitlines() if line.strip() and not line.startswith("ok ")]
        again = set(range(len(lines) - LINES_LAST, len(lines)))
        for at, line in enumerate(lines):
            if line.startswith("not ok "):
                again.update(range(at - LINES_BEFORE, at + LINES_AFTER))
        for at in sorted(again.intersection(range(len(lines)))):
            print(f"    {lines[at][:600]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="folder for the build folders")
    parser.add_argument("--suite", help="only this suite, in the configurations that it is for")
    arguments = parser.parse_args()
    counts = Counts()
    known = {suite for configuration in CONFIGURATIONS for suite in configuration[3]} | {"cross"}
    if arguments.suite and arguments.suite not in known:
        print(f"test: no suite '{arguments.suite}'; there are {', '.join(sorted(known))}")
        return 2
    for name, options, environment, suites, wrapper in CONFIGURATIONS:
        suites = [s for s in suites if arguments.suite in (None, s)]
        # gcc's are the hosts that apps of other builds meet.
        if arguments.suite and not suites and (arguments.suite, name) != ("cross", "gcc"):
            continue
        directory = os.path.join(arguments.build, name)
        start = time.monotonic()
        if not build(directory, options, environment):
            counts.failed.append(f"{name}: does not build")
            continue
        print(f"== {name}: built in {time.monotonic() - start:.0f} s", flush=True)
        for suite in suites:
            for setup in SETUPS.get(suite, [None]):
                run_suite(directory, name, suite, setup, wrapper, counts)
        if name == "gcc" and not arguments.suite:
            measure(directory, counts)
    for name in CROSS if arguments.suite in (None, "cross") else []:
        start = time.monotonic()
        if run([os.path.join(os.path.dirname(__file__), "cross.sh"), name, arguments.build]) != 0:
            counts.failed.append(f"{name}: does not build")
            continue
        print(f"== {name}: built in {time.monotonic() - start:.0f} s", flush=True)
        run_suite(os.path.join(arguments.build, name), name, "cross", None, [], counts)
    if os.environ.get("CI"):
        for name in [s for s in counts.skipped if "/vm:" in s]:
            counts.skipped.remove(name)
            counts.failed.append(f"{name} (skipped, which CI does not allow)")
    report(counts)
    print(f"{counts.passed} passed, {len(counts.failed)} failed, {len(counts.skipped)} skipped")
    return 1 if counts.failed or counts.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
