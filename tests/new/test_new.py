#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dext new: what it writes builds against an installed tree, passes its test, and runs on a virtual device.

    test_new.py SOURCE BUILD

What it refuses is refused before anything is written.
"""
import os
import sys
import tempfile

SOURCE, BUILD = (os.path.abspath(path) for path in sys.argv[1:])
sys.path[:0] = [os.path.join(SOURCE, "scripts"), os.path.join(SOURCE, "tests", "unit", "commands")]

import doc_blocks
import tap

TOP = tempfile.TemporaryDirectory(prefix="opendext-new-")
FOLDER = os.path.join(TOP.name, "work")
os.mkdir(FOLDER)
TREE = doc_blocks.install(BUILD, os.path.join(TOP.name, "installed"))
ENVIRONMENT = doc_blocks.tree_environment(TREE, FOLDER)


def run(*arguments, cwd=FOLDER, status=0, **more):
    done = tap.run(*arguments, timeout=120, cwd=cwd, env={**ENVIRONMENT, **more})
    assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def read(*path):
    with open(os.path.join(FOLDER, *path), encoding="utf-8") as file:
        return file.read()


def builds_tests_and_runs():
    project = os.path.join(FOLDER, "my_wheel")
    shown = run("dext", "new", "my_wheel", "--usb", "1234:abCD").stdout
    assert "a driver for 1234:abcd" in shown, shown
    assert "<integer>43981</integer>" in read("my_wheel", "my_wheel.dext", "Info.plist")
    run("meson", "setup", "build", "-Dwerror=true", cwd=project)
    run("meson", "compile", "-C", "build", cwd=project)
    run("meson", "test", "-C", "build", cwd=project)
    shuffled = run("build/test_my_wheel", cwd=project, OPENDEXT_TEST_SHUFFLE="4711")
    assert "OPENDEXT_TEST_SHUFFLE=4711" in shuffled.stderr
    run("dext", "lint", "--strict", "build/my_wheel.dext", cwd=project)
    said = run("dext", "run", "build/my_wheel.dext", "--virtual", "loopback", "--", "build/my_wheel_app", "a word",
               cwd=project).stdout
    assert said == "the device answered: a word\n", said


def the_steps_that_are_shown_can_be_typed():
    """With dext from the build folder: nothing has to be installed for it. The commands of the path are those there."""
    folder = os.path.join(TOP.name, "steps")
    os.mkdir(folder)
    environment = {key: value for key, value in ENVIRONMENT.items() if key not in ("PKG_CONFIG_PATH", "LD_LIBRARY_PATH")}
    environment["PATH"] = os.path.join(BUILD, "cmd") + ":" + os.environ["PATH"]
    said = tap.run("dext", "new", "lamp", cwd=folder, env=environment).stdout
    steps = "\n".join(line for line in said.splitlines() if line.startswith("  "))
    done = tap.run("bash", "-e", "-c", steps, timeout=120, cwd=folder, env=environment)
    assert done.returncode == 0 and "the device answered: hello" in done.stdout, (steps, done.stdout, done.stderr)


def without_a_device_it_is_the_virtual_one():
    run("dext", "new", "plain")
    assert ".vendor = 0x1209" in read("plain", "test.c") and ".product = 0x0d03" in read("plain", "test.c")
    for folder, _, names in os.walk(os.path.join(FOLDER, "plain")):
        for name in names:
            text = read(folder, name)
            assert not doc_blocks.re.search(r"@\w+@", text), f"{name}: a word was not replaced"


def its_test_fails_if_the_driver_is_wrong():
    project = os.path.join(FOLDER, "my_wheel")
    driver = read("my_wheel", "driver.c")
    with open(os.path.join(project, "driver.c"), "w", encoding="utf-8") as file:
        file.write(driver.replace("IOUSBHostPipe_ClearStall(pipe, true)", "(void)pipe"))
    run("meson", "compile", "-C", "build", cwd=project)
    run("meson", "test", "-C", "build", cwd=project, status=1)


def what_is_there_stays():
    os.mkdir(os.path.join(FOLDER, "mine"))
    with open(os.path.join(FOLDER, "file"), "w", encoding="utf-8") as file:
        file.write("mine")
    for name in ("mine", "file"):
        done = run("dext", "new", name, status=7)
        assert "it is there already" in done.stderr, done.stderr
    assert os.listdir(os.path.join(FOLDER, "mine")) == [] and read("file") == "mine"


def names_are_checked():
    before = os.listdir(FOLDER)
    for name in ("", "Lamp", "1lamp", "a-b", "../x", "a/b", "test", "x" * 33):
        assert "a name is" in run("dext", "new", "--", name, status=2).stderr, name
    for usb in ("1234", "1234:", "123:5678", "12345:678", "0x12:5678", "1234:567g", "1234:5678:0"):
        assert "VID:PID was expected" in run("dext", "new", "lamp", "--usb", usb, status=2).stderr, usb
    run("dext", "new", status=2)
    run("dext", "new", "a", "b", status=2)
    assert os.listdir(FOLDER) == before
    run("dext", "new", "x" * 32)


def nothing_is_left_of_what_could_not_be_written():
    folder = os.path.join(FOLDER, "full")
    os.mkdir(folder)
    # A file may have no more bytes than that.
    done = run("bash", "-c", "trap '' XFSZ; ulimit -f 1; dext new lamp", cwd=folder, status=7)
    assert "lamp: " in done.stderr, done.stderr
    assert os.listdir(folder) == []


tap.main([builds_tests_and_runs, the_steps_that_are_shown_can_be_typed, without_a_device_it_is_the_virtual_one,
          its_test_fails_if_the_driver_is_wrong,
          what_is_there_stays, names_are_checked, nothing_is_left_of_what_could_not_be_written])
