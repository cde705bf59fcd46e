#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The zsh completion of dext.

    completion_zsh.py DEXT FOLDER BUNDLE

An interactive zsh on a pseudo-terminal, with its real completion system and FOLDER in its fpath. A key does what Tab
does and prints what was added to the words, and the line as it is then.
"""
import os
import pty
import re
import select
import shutil
import sys
import tempfile
import time

import tap

DEXT, FOLDER, BUNDLE = (os.path.abspath(path) for path in sys.argv[1:])
DEADLINE = 100  # seconds, of 120: compinit alone opens a thousand files
SETUP = """
PS1= PS2= RPS1=
unsetopt zle_bracketed_paste prompt_cr prompt_sp 2>/dev/null
fpath=({folder} $fpath) path=({program} $path)
autoload -Uz compinit && compinit -u -D
typeset -aU words_seen
compadd() {{
	local -a hits
	# With -O, -A or -D nothing is added.
	if [[ ${{@[1,(i)(-|--)]}} == *-[^\\ ]#[OAD]\\ * ]]; then
		builtin compadd "$@"
		return
	fi
	builtin compadd -A hits "$@"
	words_seen+=("${{hits[@]}}")
	builtin compadd "$@"
}}
answer() {{
	words_seen=()
	zle complete-word
	print -r -- "ANSWER<${{(j:|:)words_seen}}><$BUFFER>END"
	zle kill-buffer
}}
zle -N answer
bindkey '^T' answer
setopt extended_glob
print -r -- REA''DY
"""


class Zsh:
    def __init__(self):
        self.home = tempfile.TemporaryDirectory(prefix="opendext-zsh-")
        # Else the shell asks a new user what to do.
        with open(os.path.join(self.home.name, ".zshrc"), "w", encoding="utf-8") as file:
            file.write(SETUP.format(folder=FOLDER, program=os.path.dirname(DEXT)))
        environment = {**os.environ, "HOME": self.home.name, "ZDOTDIR": self.home.name, "TERM": "dumb"}
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe("zsh", ["zsh", "-d", "-i"], environment)
        self.said = ""
        self.wait_for("READY")

    def wait_for(self, pattern):
        end = time.monotonic() + DEADLINE
        while True:
            found = re.search(pattern, self.said, re.DOTALL)
            if found:
                self.said = self.said[found.end():]
                return found
            ready, _, _ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {pattern} in {self.said!r}"
            self.said += os.read(self.terminal, 65536).decode(errors="replace")

    def complete(self, line):
        """What may stand for the last word, and the line with what is clear."""
        os.write(self.terminal, line.encode() + b"\x14")
        found = self.wait_for(r"ANSWER<([^>]*)><([^>]*)>END")
        return {word for word in found[1].split("|") if word}, found[2]

    def close(self):
        os.write(self.terminal, b"exit\n")
        os.close(self.terminal)
        os.waitpid(self.pid, 0)
        self.home.cleanup()


def complete(line):
    return SHELL.complete(line)[0]


def commands_are_those_of_the_help():
    commands = re.findall(r"^  (\w+) +\S", tap.run(DEXT, "--help").stdout, re.MULTILINE)
    assert complete("dext ") == set(commands), complete("dext ")
    assert SHELL.complete("dext unp")[1] == "dext unplug ", SHELL.complete("dext unp")


def options_are_those_of_the_help():
    for command in ("run", "new", "list", "send", "lint", "doctor", "tree", "top"):
        wanted = set(re.findall(r"--[a-z][a-z-]*=?", tap.run(DEXT, command, "--help").stdout))
        assert {word.rstrip("=") for word in complete(f"dext {command} --")} == {w.rstrip("=") for w in wanted}, command
    assert SHELL.complete("dext doctor --js")[1] == "dext doctor --json "
    assert SHELL.complete("dext run --sandb")[1] == "dext run --sandbox="


def values_are_known():
    assert complete("dext run x.dext --virtual ") == {"sink", "source", "loopback", "ftdi"}
    assert complete("dext run x.dext --sandbox=") == {"required", "best", "off"}
    assert SHELL.complete("dext run x.dext --sandbox=r")[1] == "dext run x.dext --sandbox=required "
    assert complete("dext plug ") == {"sink", "source", "loopback", "ftdi"}
    assert complete("dext top --sort ") == {"bytes", "calls", "cpu", "latency", "name"}
    assert complete("dext tree -p ") == {"IOService", "IOUSB"}


def devices_for_a_new_driver():
    """lsusb is one of the test's, so that there is a device."""
    with open(os.path.join(SHELL.home.name, "lsusb"), "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho 'Bus 001 Device 002: ID 1209:0d03 A device'\n")
    os.chmod(file.name, 0o755)
    os.write(SHELL.terminal, f"path=({SHELL.home.name} $path); print -r -- DO''NE\n".encode())
    SHELL.wait_for("DONE")
    assert complete("dext new lamp --usb ") == {"1209:0d03"}, complete("dext new lamp --usb ")
    assert complete("dext run x.dext --usb ") == {"001:002"}, complete("dext run x.dext --usb ")


def files_and_commands_are_offered():
    folder = os.path.dirname(BUNDLE)
    wanted = os.path.basename(BUNDLE)
    assert wanted in complete(f"dext run {folder}/"), complete(f"dext run {folder}/")
    assert "cat" in complete("dext run x.dext -- ca")
    assert wanted in complete(f"dext run x.dext -- cat {folder}/")


if shutil.which("zsh") is None:
    print("1..0 # SKIP zsh is not installed")
    sys.exit(0)
SHELL = Zsh()
try:
    tap.main([commands_are_those_of_the_help, options_are_those_of_the_help, values_are_known, devices_for_a_new_driver,
              files_and_commands_are_offered])
finally:
    SHELL.close()
