#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dext doctor, over made-up roots.

    doctor.py DEXT BUNDLE
"""
import json
import os
import shutil
import sys
import tempfile

import tap

DEXT, BUNDLE = sys.argv[1:]

GOOD = {
    "proc/sys/kernel/osrelease": "6.1.0-28-amd64\n",
    "proc/sys/vm/max_map_count": "65530\n",
    "proc/self/cgroup": "0::/own\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
    "sys/fs/cgroup/own/cgroup.subtree_control": "",
    "sys/module/usbcore/parameters/usbfs_memory_mb": "1000\n",
    "dev/bus/usb/001/001": "",
    "dev/bus/usb/001/002": "",
    "run/udev/control": "",
    "usr/lib/udev/rules.d/70-opendext.rules": "",
}


def look(changes, bundle=None):
    """name -> finding, with a root that is GOOD but for the changes (None: no such file)."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**GOOD, **changes}.items():
            if text is None:
                continue
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        if bundle is not None:
            folder = os.path.join(root, "usr/lib/opendext/bundles/copy.dext")
            shutil.copytree(bundle, folder, ignore=shutil.ignore_patterns("*.p"))
            if "broken" in changes:
                os.remove(os.path.join(folder, "Info.plist"))
        done = tap.run(DEXT, "doctor", "--json", "--root", root)
        assert done.stderr == "", done.stderr
        found = {entry["name"]: entry for entry in json.loads(done.stdout)}
        fixes = [entry for entry in found.values() if entry["state"] == "fix"]
        assert done.returncode == (1 if fixes else 0), done
        for entry in found.values():
            assert entry["text"] and (entry["remedy"] is None) == (entry["state"] == "ok"), entry
        return found


def expect(changes, name, state, *words, bundle=None):
    entry = look(changes, bundle)[name]
    assert entry["state"] == state, entry
    for word in words:
        assert word in entry["text"] + " " + (entry["remedy"] or ""), (word, entry)


def a_good_system_is_ok():
    found = look({}, BUNDLE)
    for name in ("kernel", "max-map-count", "cgroup-memory", "usbfs-memory", "usb-devices", "udev", "udev-rules",
                 "bundles"):
        assert found[name]["state"] == "ok", found[name]


def an_old_kernel_is_named():
    expect({"proc/sys/kernel/osrelease": "5.9.16\n"}, "kernel", "fix", "5.9.16", "5.10")
    expect({"proc/sys/kernel/osrelease": "5.10.0\n"}, "kernel", "ok", "5.10.0")
    expect({"proc/sys/kernel/osrelease": "4.19.0-1\n"}, "kernel", "fix", "4.19")
    expect({"proc/sys/kernel/osrelease": None}, "kernel", "fix", "mount -t proc")


def limits_are_named():
    expect({"proc/sys/vm/max_map_count": "65529\n"}, "max-map-count", "fix", "sysctl -w vm.max_map_count")
    expect({"proc/sys/vm/max_map_count": None}, "max-map-count", "fix", "unknown")
    usbfs = "sys/module/usbcore/parameters/usbfs_memory_mb"
    expect({usbfs: "16\n"}, "usbfs-memory", "hint", "16 MiB", usbfs)
    expect({usbfs: "0\n"}, "usbfs-memory", "ok", "no limit")
    expect({usbfs: None}, "usbfs-memory", "hint", "modprobe")


def control_groups_are_named():
    expect({"sys/fs/cgroup/cgroup.controllers": None}, "cgroup-memory", "hint", "no cgroup v2")
    expect({"sys/fs/cgroup/cgroup.controllers": "cpu pids\n"}, "cgroup-memory", "hint", "no memory controller")
    expect({"sys/fs/cgroup/own/cgroup.subtree_control": None}, "cgroup-memory", "hint", "Delegate")


def usb_is_named():
    expect({"dev/bus/usb/001/001": None, "dev/bus/usb/001/002": None}, "usb-devices", "hint", "--device=/dev/bus/usb")
    expect({"run/udev/control": None}, "udev", "hint", "systemctl start systemd-udevd")
    expect({"usr/lib/udev/rules.d/70-opendext.rules": None}, "udev-rules", "hint", "/etc/udev/rules.d")


def bundles_are_checked():
    expect({}, "bundles", "hint", "/etc/opendext/bundles")
    expect({"broken": ""}, "bundles", "fix", "1 of 1", "dext lint", "copy.dext", bundle=BUNDLE)


def a_registry_is_looked_for():
    with tempfile.TemporaryDirectory() as folder:
        done = tap.run(DEXT, "doctor", env={**os.environ, "OPENDEXT_RUNTIME_DIR": folder})
        assert f"nobody answers at {folder}/registry" in done.stdout, done
        done = tap.run(DEXT, "run", BUNDLE, "--virtual", "sink", "--", DEXT, "doctor")
        assert "ok    registry: answers at " in done.stdout, done


def the_log_is_as_loud_as_asked():
    for option, wanted in (("-v", True), ("--verbose", True), ("-q", False), ("--quiet", False)):
        done = tap.run(DEXT, option, "run", BUNDLE, "--virtual", "sink", "--", "true")
        assert done.returncode == 0 and ("sandbox: " in done.stderr) == wanted, (option, done)
        assert wanted or done.stderr == "", done
    assert tap.run(DEXT, "-v").returncode == 2


def lines_are_as_documented():
    with tempfile.TemporaryDirectory() as root:
        done = tap.run(DEXT, "doctor", "--quiet", "--root", root)
        lines = done.stdout.splitlines()
        assert done.returncode == 1 and lines[0].startswith("FIX   kernel: ") and lines[1].startswith("      -> "), done
        assert not any(line.startswith("ok") for line in lines), done
    assert tap.run(DEXT, "doctor", "more").returncode == 2
    assert tap.run(DEXT, "doctor", "--more").returncode == 2


tap.main([a_good_system_is_ok, an_old_kernel_is_named, limits_are_named, control_groups_are_named, usb_is_named,
          bundles_are_checked, a_registry_is_looked_for, the_log_is_as_loud_as_asked, lines_are_as_documented])
