#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks one line of the code for each promise of the scenario; the promise's test must fail.

Works on a copy of the committed tree below the build folder, never on the tree itself. The breaks are in
scripts/mutants.json: what is promised, the file, the text as it stands and as it is broken, and the test program and
case that must notice. A text that is not there exactly once is an error, so that the list keeps up with
the code. So is a test that fails on the unbroken code, whose failure would say nothing; it may try twice, since the
machine may have been busy.
"""
import argparse
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(HERE)
TEST_SECONDS = 180


def run(command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **options)


def prepare(build):
    """A fresh copy of what is committed, set up once for building."""
    tree, objects = os.path.join(build, "tree"), os.path.join(build, "objects")
    os.makedirs(tree, exist_ok=True)
    archive = subprocess.Popen(["git", "-C", TREE, "archive", "HEAD"], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-m", "-C", tree], stdin=archive.stdout, check=True)
    if archive.wait() != 0:
        sys.exit("mutants: git archive failed")
    if not os.path.exists(os.path.join(objects, "build.ninja")):
        done = run(["meson", "setup", objects, tree])
        if done.returncode != 0:
            sys.exit(done.stdout)
    return tree, objects


def targets_of(objects, test):
    """The files that a test runs, to build no more than these; by Meson's own account."""
    def ask(what):
        return json.loads(run(["meson", "introspect", objects, what]).stdout)
    needed = {target for entry in ask("--tests") if entry["name"] == test
              for target in entry["depends"]}
    files = [name for target in ask("--targets") if target["id"] in needed
             for name in target["filename"]]
    if not files:
        sys.exit(f"mutants: there is no test {test}")
    return [os.path.relpath(name, objects) for name in files]


def build_and_test(objects, mutant):
    """Returns (built, passed, output)."""
    built = run(["ninja", "-C", objects, "--quiet", *targets_of(objects, mutant["test"])])
    if built.returncode != 0:
        return False, False, built.stdout
    # A broken test waits for its deadline; a third of it is ample on code that works.
    environment = {**os.environ, "CK_TIMEOUT_MULTIPLIER": "0.34"}
    if mutant.get("case"):
        environment["CK_RUN_CASE"] = mutant["case"]
    done = run(["meson", "test", "-C", objects, "--no-rebuild", "--timeout-multiplier", "1",
                mutant["test"]], env=environment, timeout=TEST_SECONDS)
    # A case that is not there passes, too: nothing was run.
    ran = re.search(r"\b[1-9][0-9]* subtests passed", done.stdout) is not None
    return True, done.returncode == 0 and ran, done.stdout


def whole(objects, mutant):
    """None if its test passes on the unbroken code, otherwise a sentence that says that it does not."""
    for _ in range(2):
        try:
            built, passed, output = build_and_test(objects, mutant)
        except subprocess.TimeoutExpired:
            built, passed, output = True, False, f"no end in {TEST_SECONDS} s"
        if built and passed:
            return None
    return f"{mutant['test']} fails on the unbroken code:\n{output[-3000:]}"


def try_mutant(tree, objects, mutant):
    """Returns a sentence that says what is wrong, or None."""
    path = os.path.join(tree, mutant["file"])
    with open(path, encoding="utf-8") as file:
        source = file.read()
    if source.count(mutant["old"]) != 1:
        return f"the text stands {source.count(mutant['old'])} times in {mutant['file']}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(source.replace(mutant["old"], mutant["new"]))
    try:
        built, passed, output = build_and_test(objects, mutant)
    except subprocess.TimeoutExpired:
        return None  # a test that hangs has noticed
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
    if not built:
        return "the broken code does not build:\n" + output[-2000:]
    return f"{mutant['test']} passes all the same" if passed else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--only", help="only the mutants whose promise has this text")
    arguments = parser.parse_args()
    with open(os.path.join(HERE, "mutants.json"), encoding="utf-8") as file:
        mutants = json.load(file)
    tree, objects = prepare(os.path.abspath(arguments.build))
    mutants = [m for m in mutants if arguments.only is None or arguments.only in m["promise"]]

    survived = 0
    tests = {}
    for mutant in mutants:
        # Right before the first that needs it: so what is known is said early.
        test = mutant["test"], mutant.get("case")
        if test not in tests:
            tests[test] = whole(objects, mutant)
        wrong = tests[test] or try_mutant(tree, objects, mutant)
        survived += wrong is not None
        print(f"{'SURVIVED' if wrong else 'noticed '} {mutant['promise']}"
              + (f": {wrong}" if wrong else ""), flush=True)
    print(f"mutants: {len(mutants) - survived} of {len(mutants)} noticed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
