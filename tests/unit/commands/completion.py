#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The bash completion of dext.

    completion.py DEXT COMPLETION BUNDLE

A shell sources it, as the package bash-completion would, and is asked for the words of command lines.
"""
import os
import re
import subprocess
import sys

import tap

DEXT, COMPLETION, BUNDLE = sys.argv[1:]
WORDS = r"""
source "$1"
COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2)) COMP_LINE="${*:2}"
_dext
printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(*words):
    """What may stand for the last word."""
    done = subprocess.run(["bash", "-u", "-c", WORDS, "bash", COMPLETION, DEXT, *words], capture_output=True, text=True,
                          timeout=60, check=True)
    assert done.stderr == "", done.stderr
    return done.stdout.split()


def commands_are_those_of_the_help():
    commands = re.findall(r"^  (\w+) +\S", tap.run(DEXT, "--help").stdout, re.MULTILINE)
    assert set(complete("")) == {*commands, "--help", "--version"}, complete("")
    assert complete("unp") == ["unplug"]
    assert complete("nothing") == []


def options_are_those_of_the_help():
    for command in ("run", "list", "send", "lint", "doctor", "tree", "top"):
        wanted = set(re.findall(r"--[a-z][a-z-]*", tap.run(DEXT, command, "--help").stdout))
        assert {word.rstrip("=") for word in complete(command, "--")} == wanted, command
    assert complete("doctor", "--js") == ["--json"]


def values_are_known():
    assert complete("run", "x.dext", "--virtual", "") == ["sink", "source", "loopback", "ftdi"]
    assert complete("run", "x.dext", "--sandbox", "=", "r") == ["required"]
    assert complete("run", "x.dext", "--sandbox", "=") == ["required", "best", "off"]
    assert complete("plug", "lo") == ["loopback"]
    assert complete("top", "--sort", "") == ["bytes", "calls", "cpu", "latency", "name"]


def files_are_offered():
    folder = os.path.dirname(BUNDLE)
    assert BUNDLE in complete("run", folder + "/"), complete("run", folder + "/")
    assert "cat" in complete("run", "x.dext", "--", "cat")


tap.main([commands_are_those_of_the_help, options_are_those_of_the_help, values_are_known, files_are_offered])
