#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scenario on kernels that lack something, and in containers that forbid it.

    lacks.py LACK DEXT BUNDLE SCENARIO SANDBOXED PROGRAM...

LACK runs a program without a feature (lack.c). Under each one the scenario's test and, under the profiles, the other
programs have to pass, but for what docs/kernels.md says is refused: then the refusal has to say what to do.
"""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "unit", "commands"))
import tap  # noqa: E402

LACK, DEXT, BUNDLE, SCENARIO, SANDBOXED = sys.argv[1:6]
PROGRAMS = sys.argv[6:]
PROFILES = ["linux-5.10", "docker", "docker-old", "everything"]
# Without these nothing runs; with these a case of the scenario cannot be had.
REFUSED = {"pidfd", "pidfd-forbidden"}
WITHOUT_USERFAULTFD = {"userfaultfd", "userfaultfd-forbidden", "docker", "docker-old", "everything"}
NEEDS_USERFAULTFD = {
    "integ_scenario": {"row_2_output_in_any_memory", "row_2_input_in_any_memory"},
    "integ_large": {"an_output_structure_is_shared", "an_input_structure_is_live", "what_is_not_kept_is_not_shared"},
}


def lacking(lack, *command, **more):
    return tap.run(LACK, lack, "--", *command, timeout=600, env={**os.environ, **more})


def failed_cases(done):
    return {re.search(r"(\w+): ", line[line.index(".c:") + 3:].split(":", 1)[1] + ": ").group(1)
            for line in done.stdout.splitlines() if line.startswith("not ok")}


def doctor(lack):
    return {entry["name"]: entry for entry in json.loads(lacking(lack, DEXT, "doctor", "--json").stdout)}


def program_runs(lack, program):
    name = os.path.basename(program)

    def case():
        wanted = NEEDS_USERFAULTFD.get(name, set()) if lack in WITHOUT_USERFAULTFD else set()
        done = lacking(lack, program, **({"OPENDEXT_LOG": "info"} if wanted else {}))
        assert failed_cases(done) == wanted and "\n1.." in "\n" + done.stdout, done.stdout + done.stderr
        assert not wanted or "use memory of mach_vm_allocate" in done.stderr, done.stderr
    case.__name__ = f"{name} without {lack}"
    return case


def refused(lack):
    def case():
        done = lacking(lack, DEXT, "run", BUNDLE, "--virtual", "sink", "--", "true")
        assert done.returncode != 0 and "pidfd_open" in done.stderr and "seccomp profile" in done.stderr, done
        assert doctor(lack)["pidfd"]["state"] == "fix"
    case.__name__ = f"refusal without {lack}"
    return case


def sandbox(lack, name):
    """`required` refuses with the part and the remedy, `best` goes on and says what is missing."""
    def case():
        command = [DEXT, "run", BUNDLE, "--virtual", "sink"]
        done = lacking(lack, *command, "--sandbox=required", "--", "echo", "ran")
        assert done.returncode == 3 and "ran" not in done.stdout, done
        assert re.search(rf"sandbox: required, but {name} is missing: .*--sandbox=best", done.stderr), done
        done = lacking(lack, *command, "--", "echo", "ran", OPENDEXT_LOG="info")
        assert done.returncode == 0 and done.stdout == "ran\n" and "NOT restricted" in done.stderr, done
    case.__name__ = f"sandbox without {lack}"
    return case


def doctor_sees_it():
    """Also shows that a lack is one: what is tried is not there."""
    for lack, name, state in [("memfd-noexec", "memfd-noexec", "hint"), ("populate", "populate", "hint"),
                              ("landlock", "landlock", "fix"), ("landlock-off", "landlock", "fix"),
                              ("landlock-forbidden", "landlock", "fix"), ("seccomp", "seccomp", "fix"),
                              ("userfaultfd", "userfaultfd", "hint"), ("userfaultfd-forbidden", "userfaultfd", "hint"),
                              ("later-calls", "landlock", "ok"), ("rseq", "userfaultfd", "ok")]:
        found = doctor(lack)[name]
        assert found["state"] == state or (state == "ok" and found == doctor("later-calls")[name]), (lack, found)
    assert "lsm=" in doctor("landlock-off")["landlock"]["remedy"]
    assert "profile" in doctor("landlock-forbidden")["landlock"]["remedy"]


LACKS = tap.run(LACK, "--list").stdout.split()
cases = [program_runs(lack, SCENARIO) for lack in LACKS if lack not in REFUSED]
cases += [program_runs(lack, program) for lack in PROFILES for program in PROGRAMS]
cases += [refused(lack) for lack in LACKS if lack in REFUSED] + [doctor_sees_it]
if SANDBOXED == "true":
    cases += [sandbox("landlock", "Landlock"), sandbox("landlock-off", "Landlock"),
              sandbox("landlock-forbidden", "Landlock"), sandbox("seccomp", "seccomp")]
tap.main(cases)
