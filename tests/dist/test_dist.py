#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A release's tarball, as `make dist` makes it, is all that a build needs: it is set up without a network.

    test_dist.py SOURCE

What is committed is packed, unpacked and configured; then ninja is asked what it would do, for which every file that
the build names must be there. Nothing is compiled: that are the same files as in the other tests.
"""
import os
import subprocess
import sys
import tempfile

SOURCE = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(SOURCE, "tests", "unit", "commands"))
import tap

# Without a network, where users may have one of their own.
OFFLINE = ["unshare", "-rn"] if tap.run("unshare", "-rn", "true").returncode == 0 else []


def run(*arguments, **options):
    done = tap.run(*arguments, timeout=240, **options)
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def unpack(folder):
    run("git", "-C", SOURCE, "archive", "--format=tar", "-o", os.path.join(folder, "x.tar"), "HEAD")
    tree = os.path.join(folder, "opendext")
    os.mkdir(tree)
    run("tar", "-C", tree, "-xf", os.path.join(folder, "x.tar"))
    return tree


def it_is_set_up_and_complete():
    with tempfile.TemporaryDirectory(prefix="opendext-dist-") as folder:
        tree = unpack(folder)
        run(*OFFLINE, "meson", "setup", "build", "--buildtype=release", cwd=tree)
        run(*OFFLINE, "ninja", "-C", "build", "-n", cwd=tree)
        for name in ("README.md", "LICENSE", "CHANGELOG.md", "debian/control", ".ci/run"):
            assert os.path.exists(os.path.join(tree, name)), name


def nothing_is_left_out():
    """What is committed is in the tarball: no attribute excludes any of it."""
    with tempfile.TemporaryDirectory(prefix="opendext-dist-") as folder:
        tree = unpack(folder)
        packed = {os.path.relpath(os.path.join(top, name), tree) for top, _, names in os.walk(tree) for name in names}
        assert packed == set(run("git", "-C", SOURCE, "ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0")) - {""}


if subprocess.run(["git", "-C", SOURCE, "rev-parse", "HEAD"], capture_output=True, check=False).returncode != 0:
    print("1..0 # SKIP these sources are a tarball's")
    sys.exit(0)
if not OFFLINE:
    print("# this user has no network of his own: it is set up with one")
tap.main([it_is_set_up_and_complete, nothing_is_left_out])
