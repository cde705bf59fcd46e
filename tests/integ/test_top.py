#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dext top, as programs read it and on a terminal.

    test_top.py COMMANDS DEXT PLAIN BUNDLE

COMMANDS is the folder with tap.py, PLAIN dext-top as it is built without ncurses. Sums are compared with what was sent; the screen is that of a pseudo-terminal.
"""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, sys.argv[1])
import tap

DEXT, PLAIN, BUNDLE = sys.argv[2:]
DEADLINE = 60  # seconds, for whatever is waited for
MIB = 1 << 20


@contextlib.contextmanager
def registry(*arguments):
    """`dext run` without a command; its runtime directory is in the environment meanwhile."""
    with subprocess.Popen([DEXT, "run", BUNDLE, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            os.environ["OPENDEXT_RUNTIME_DIR"] = re.search(r"OPENDEXT_RUNTIME_DIR=(\S+)", line)[1].strip("'\"")
            yield process
        finally:
            process.terminate()
            process.wait(DEADLINE)


@contextlib.contextmanager
def top(*arguments, **options):
    """Reports, one after the other: a function that returns the first one that fulfils a condition."""
    with subprocess.Popen([DEXT, "top", "--batch", "--json", "--interval", "0.1", *arguments], stdout=subprocess.PIPE,
                          text=True, **options) as process:
        def report(condition=lambda _: True):
            end, last = time.monotonic() + DEADLINE, None
            while time.monotonic() < end:
                line = process.stdout.readline()
                assert line, f"no more reports; the last one is {last}"
                last = json.loads(line)
                if condition(last):
                    return last
            raise AssertionError(f"never, up to {last}")
        report.process = process
        try:
            yield report
        finally:
            process.kill()


def run(*arguments, status=0):
    done = tap.run(DEXT, *arguments)
    assert done.returncode == status, (arguments, done)
    return done


def send(mebibytes, *options):
    """What `dext send` says of so many, sent in buffers of 256 KiB."""
    done = subprocess.run([DEXT, "send", "--json", *options, "-"], input=b"x" * (mebibytes * MIB), capture_output=True,
                          timeout=DEADLINE, check=True)
    return json.loads(done.stdout)


def driver_of(report, device):
    return next((driver for driver in report["drivers"] if driver["device"] == device), None)


def out_pipe(report):
    return next((pipe for pipe in report["drivers"][0]["pipes"] if pipe["direction"] == "out"), None)


def settled(report, sent):
    """What there is when whoever sent so many bytes has gone: its going and the counters of pipes are not looked at in
    one moment, so not the first report without it, but the one after that."""
    report(lambda r: out_pipe(r) and out_pipe(r)["bytes"] >= sent and not r["drivers"][0]["clients"])
    now = report()
    return now["drivers"][0], out_pipe(now)


def is_looked_at(report):
    """Whether its driver runs and has answered: what it does is counted from then on."""
    driver = report["drivers"][0]
    return driver["state"] == "running" and driver["refused"] is None


def sums_are_what_was_sent():
    with registry("--virtual", "sink"), top() as report:
        before = report(is_looked_at)["drivers"][0]
        assert before["bytes"] == 0 and before["calls"] == 0, before
        assert send(24)["bytes"] == 24 * MIB
        driver, pipe = settled(report, 24 * MIB)
        # Control requests, by which dext send asks the device, move bytes, too: they have a pipe of their own.
        assert pipe["bytes"] == 24 * MIB and pipe["transfers"] == 96 and pipe["failedTransfers"] == 0, pipe
        assert sum(p["bytes"] for p in driver["pipes"]) == driver["bytes"], driver
        # An entry for each buffer there, and one for each back.
        assert driver["entriesTaken"] == driver["entriesGiven"] == 96, driver
        by_ring = driver["calls"]
        assert send(8, "--calls")["bytes"] == 8 * MIB
        # That app has gone; what it called stays in its driver's sum.
        driver, pipe = settled(report, 32 * MIB)
        assert pipe["bytes"] == 32 * MIB and pipe["transfers"] == 128, pipe
        assert driver["calls"] >= by_ring + 32 and driver["completions"] >= 32, driver
        assert driver["callsInFlight"] == driver["transfersInFlight"] == 0, driver


def rates_and_clients_are_those_of_the_interval():
    with registry("--virtual", "sink:latency=2000"), top() as report:
        report()
        with subprocess.Popen([DEXT, "send", "--calls", "--size", "64K", "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL) as sender:
            # As long as the sender is fed there is a client, and it calls.
            os.set_blocking(sender.stdin.fileno(), False)

            def is_busy(report):
                with contextlib.suppress(BlockingIOError):
                    os.write(sender.stdin.fileno(), b"x" * MIB)
                clients = report["drivers"][0]["clients"]
                pipe = out_pipe(report)
                return clients and clients[0]["callsPerSecond"] > 0 and pipe and pipe["latencyNsec"]
            now = report(is_busy)
            driver, client, pipe = now["drivers"][0], now["drivers"][0]["clients"][0], out_pipe(now)
            assert client["process"] == sender.pid and client["command"] == "dext", client
            assert client["user"] == os.getuid() and client["class"] == "BulkStreamUserClient", client
            assert client["limits"]["calls"]["limit"] == 64, client
            assert client["latencyNsec"]["p50"] <= client["latencyNsec"]["p99"], client
            assert driver["limits"]["clients"]["used"] == 1, driver
            # A device that takes two milliseconds for each.
            assert pipe["latencyNsec"]["p50"] > 1_500_000, pipe
            rate = pipe["transfersPerSecond"] * now["seconds"]
            assert abs(rate - round(rate)) < 0.1 and round(rate) >= 1, now
            assert driver["memoryBytes"] > MIB and driver["process"] > 0, driver
            sender.stdin.close()


def who_was_there_is_shown_with_what_it_has():
    with registry("--virtual", "sink"):
        with subprocess.Popen([DEXT, "send", "--size", "1M", "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL) as sender:
            # More than its buffers hold: it has opened, before anybody looks, and waits for more.
            sender.stdin.write(b"x" * (64 * MIB))
            sender.stdin.flush()
            with top() as report:
                now = report(is_looked_at)["drivers"][0]
                client, = now["clients"]
                assert client["process"] == sender.pid and client["class"] == "BulkStreamUserClient", client
                limits = client["limits"]
                assert limits["buffers"]["used"] > 1 and limits["buffers"]["limit"] == 4160, limits
                assert limits["mapped"]["used"] >= 4 * MIB and limits["mapped"]["limit"] == 16 << 30, limits
                assert limits["kept"] == {"used": 0, "limit": 2 << 30}, limits
                assert limits["registrations"]["used"] >= 1 and limits["registrations"]["limit"] == 1024, limits
                assert now["limits"]["buffers"] == {"used": limits["buffers"]["used"], "limit": 16384}, now
                sender.stdin.close()
                now = report(lambda r: not r["drivers"][0]["clients"])["drivers"][0]
                assert now["limits"]["buffers"]["used"] == 0, now


def drivers_come_and_go():
    with registry(), top() as report:
        assert report()["drivers"] == []
        run("plug", "sink:serial=A1")
        report(lambda r: driver_of(r, "virtual:sink:serial=A1") and
               driver_of(r, "virtual:sink:serial=A1")["state"] == "running")
        run("plug", "loopback:serial=B2")
        report(lambda r: len(r["drivers"]) == 2 and all(d["process"] for d in r["drivers"]))
        run("unplug", "A1")
        report(lambda r: len(r["drivers"]) == 1)
        # One that is killed is looked at again when it is back.
        killed = report(lambda r: r["drivers"][0]["process"])["drivers"][0]["process"]
        os.kill(killed, signal.SIGKILL)
        report(lambda r: r["drivers"][0]["process"] not in (0, killed) and is_looked_at(r))
        run("send", "/dev/null")
        report(lambda r: r["drivers"][0]["calls"] > 0)


def who_does_not_answer_is_not_looked_at():
    with registry("--virtual", "sink"):
        with top() as report:
            process = report(is_looked_at)["drivers"][0]["process"]
        os.kill(process, signal.SIGSTOP)
        try:
            with top() as report:
                driver = report()["drivers"][0]
                assert driver["state"] == "running" and "has not answered" in driver["refused"], driver
                os.kill(process, signal.SIGCONT)
                report(is_looked_at)
                assert send(1)["bytes"] == MIB
                assert settled(report, MIB)[1]["bytes"] == MIB
        finally:
            os.kill(process, signal.SIGCONT)


def text_for_people():
    with registry("--virtual", "sink"):
        said = run("top", "--once", "--interval", "0.1").stdout
        assert re.search(r"^dext top - \d\d:\d\d:\d\d, 1 driver, 0 clients", said), said
        assert re.search(r"^BulkStream virtual:sink +\d+ ", said, re.MULTILINE), said
        assert "FAILED LIMIT" in said and "0/256 clients" in said, said
        two = run("top", "--batch", "--count", "2", "--interval", "0.1", "org.opendext.bulkstream").stdout
        assert two.count("dext top - ") == 2, two


def what_is_wrong_is_said():
    for arguments in (["--json"], ["--count", "3"], ["--once", "--batch"], ["--interval", "0"], ["--interval", "x"],
                      ["--once", "--sort", "size"], ["a", "b"], ["--batch", "--count", "0"]):
        run("top", *arguments, status=2)
    with open(os.devnull, encoding="utf-8") as nothing:
        done = tap.run(DEXT, "top", stdin=nothing)
        assert done.returncode == 2 and "this is no terminal" in done.stderr, done
    with registry("--virtual", "sink") as process:
        assert "there is no driver 'nosuch'" in run("top", "--once", "nosuch", status=3).stderr
        with top(stderr=subprocess.PIPE) as report:
            report()
            process.terminate()
            process.wait(DEADLINE)
            assert report.process.wait(DEADLINE) == 3
            assert "the registry has gone" in report.process.stderr.read()
    assert "no registry listens" in run("top", "--once", status=3).stderr


class Screen:
    """dext top on a terminal of its own, which stays open when it has ended."""
    def __init__(self, *command, rows=24, columns=100, **environment):
        self.terminal, self.other = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.other)
        self.said = ""

        def take_terminal():
            # Ctrl-C and changes of the size are for whoever has the terminal.
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            # A shell's job in the background has these ignored, and so has whom it starts.
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)

        self.process = subprocess.Popen(
            command or [DEXT, "top", "--interval", "0.1"], stdin=self.other, stdout=self.other, stderr=self.other,
            env={**os.environ, "TERM": "xterm-256color", **environment}, start_new_session=True,
            preexec_fn=take_terminal)

    def resize(self, rows, columns):
        fcntl.ioctl(self.other, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, wait):
        ready, _, _ = select.select([self.terminal], [], [], wait)
        if ready:
            self.said += os.read(self.terminal, 65536).decode(errors="replace")
        return bool(ready)

    def wait_for(self, pattern):
        """All that was said up to there."""
        end = time.monotonic() + DEADLINE
        while not (found := re.search(pattern, self.said, re.DOTALL)):
            assert self.read(max(0, end - time.monotonic())), f"no {pattern} in {self.said!r}"
        text, self.said = self.said[:found.end()], self.said[found.end():]
        return text

    def type(self, keys):
        os.write(self.terminal, keys.encode())

    def end(self):
        """How it ended; the terminal must be as it was, out of the full screen, with its cursor."""
        status = self.process.wait(DEADLINE)
        while self.read(0):
            pass
        assert termios.tcgetattr(self.other) == self.before, "the terminal is not as it was"
        assert re.search("\x1b\\[\\?1049l", self.said), f"the full screen was not left: {self.said!r}"
        assert self.said.rfind("\x1b[?25h") > self.said.rfind("\x1b[?25l"), f"no cursor: {self.said!r}"
        os.close(self.other)
        os.close(self.terminal)
        return status


def the_screen_shows_what_is_there():
    with registry("--virtual", "sink"):
        screen = Screen()
        text = screen.wait_for("0/256 clients|QUEUE.*BulkStream virtual:sink")
        assert "\x1b[?1049h" in text and "dext top - " in text, text
        send(1)
        screen.wait_for(r"0x01 out bulk")
        screen.type("h")
        screen.wait_for("q end")
        screen.type("hn")
        screen.wait_for("by name")
        screen.type("p")
        screen.wait_for("PAUSED")
        screen.type("p")
        run("plug", "loopback")
        screen.wait_for("virtual:loopback")
        for rows, columns in ((8, 40), (60, 250), (2, 10), (1, 1), (24, 80)):
            screen.resize(rows, columns)
            screen.wait_for("\x1b\\[H\x1b\\[2?J")
        screen.wait_for("BulkStream")
        screen.type("q")
        assert screen.end() == 0


def signals_give_the_terminal_back():
    with registry("--virtual", "sink"):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV):
            screen = Screen()
            screen.wait_for("BulkStream")
            screen.process.send_signal(number)
            status = screen.end()
            # Under a sanitizer some have a handler of its own, which stays: it ends the process as it likes.
            assert status == -number or number == signal.SIGSEGV, (number, status)
        screen = Screen()
        screen.wait_for("BulkStream")
        screen.type("\x03")
        assert screen.end() == -signal.SIGINT


def no_color_is_heeded():
    with registry("--virtual", "sink"):
        colored = Screen()
        text = colored.wait_for("BulkStream")
        assert re.search("\x1b\\[[0-9;]*1m", text), text
        colored.type("q")
        colored.end()
        plain = Screen(NO_COLOR="1")
        text = plain.wait_for("BulkStream")
        assert not re.search("\x1b\\[([0-9;]*;)?(1|3[0-9]|9[0-9])m", text), text
        plain.type("q")
        plain.end()


def without_ncurses_there_are_reports():
    with registry("--virtual", "sink"):
        assert "BulkStream" in tap.run(PLAIN, "--once", "--interval", "0.1").stdout
        screen = Screen(PLAIN)
        screen.wait_for("built without ncurses .*--once")
        assert screen.process.wait(DEADLINE) == 1


def a_registry_that_comes_back_is_found():
    with registry("--virtual", "sink"):
        folder = os.environ["OPENDEXT_RUNTIME_DIR"]
        screen = Screen()
        screen.wait_for("BulkStream")
    screen.wait_for("no registry listens")
    screen.type("q")
    assert screen.end() == 0 and not os.path.exists(folder)


tap.main([sums_are_what_was_sent, rates_and_clients_are_those_of_the_interval, who_was_there_is_shown_with_what_it_has,
          drivers_come_and_go, who_does_not_answer_is_not_looked_at, text_for_people, what_is_wrong_is_said,
          the_screen_shows_what_is_there, signals_give_the_terminal_back, no_color_is_heeded,
          without_ncurses_there_are_reports, a_registry_that_comes_back_is_found])
