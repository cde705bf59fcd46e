#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dext lint.

    lint.py DEXT BUNDLE...

Each bundle must be without findings. Of the first one copies are broken, and the finding must name file, line and key.
"""
import json
import os
import shutil
import struct
import sys
import tempfile

import tap

DEXT, BUNDLES = sys.argv[1], sys.argv[2:]


class Broken:
    """A copy of the first bundle."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "copy.dext")
        shutil.copytree(BUNDLES[0], self.path, ignore=shutil.ignore_patterns("*.p"))
        self.info = os.path.join(self.path, "Info.plist")
        self.object = next(os.path.join(self.path, name) for name in os.listdir(self.path) if name.endswith(".so"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def replace(self, old, new):
        """In the property list, once; the line of the change."""
        with open(self.info, encoding="utf-8") as file:
            text = file.read()
        assert old in text, old
        at = text.index(old)
        with open(self.info, "w", encoding="utf-8") as file:
            file.write(text[:at] + new + text[at + len(old):])
        return text[:at].count("\n") + 1

    def findings(self):
        done = tap.run(DEXT, "lint", "--json", self.path)
        assert done.stderr == "", done.stderr
        found = json.loads(done.stdout)
        errors = [finding for finding in found if finding["severity"] == "error"]
        assert done.returncode == (1 if errors else 0), done
        return found

    def expect(self, severity, key, line, *words):
        found = self.findings()
        for finding in found:
            if finding["severity"] == severity and finding["key"].endswith(key) and finding["line"] == line and \
                    all(word in finding["text"] for word in words):
                return
        raise AssertionError(f"no {severity} about {key} in line {line} with {words}: {json.dumps(found, indent=1)}")


def all_bundles_are_clean():
    done = tap.run(DEXT, "lint", "--strict", *BUNDLES)
    assert done.returncode == 0 and done.stdout == "0 errors, 0 warnings\n", done.stdout


# What is replaced, by what, the severity, the end of the key's path, lines further down, and words of the sentence.
# None for the line: that of a key that is not there is its dictionary's.
CHANGES = [
    ("<string>DEXT</string>", "<string>APPL</string>", "error", "CFBundlePackageType", -1, ["DEXT"]),
    ("<key>CFBundleIdentifier</key>", "<key>CFBundleIdentifer</key>", "error", "CFBundleIdentifer", 0,
     ["write CFBundleIdentifier"]),
    ("<key>IOProviderClass</key>", "<key>ioproviderclass</key>", "error", "ioproviderclass", 0,
     ["write IOProviderClass"]),
    ("<key>IOUserServerName</key>", "<key>IOUserServerNmae</key>", "error", "IOUserServerNmae", 0,
     ["write IOUserServerName"]),
    ("<key>idVendor</key>", "<key>idVender</key>", "error", "idVender", 0, ["write idVendor"]),
    ("<integer>4617</integer>", "<integer>70000</integer>", "error", ":idVendor", -1, ["70000", "65535"]),
    ("<integer>4617</integer>", "<integer>-1</integer>", "error", ":idVendor", -1, ["-1", "65535"]),
    ("<integer>4617</integer>", "<string>0x1209</string>", "error", ":idVendor", -1, ["OSString", "number"]),
    ("<string>IOUSBHostInterface</string>", "<string>IOUSBHostDevice</string>", "error", ":bInterfaceNumber", 11,
     ["never matches", "IOUSBHostInterface"]),
    ("<string>IOUSBHostInterface</string>", "<string>IOUSBHostPort</string>", "error", ":IOProviderClass", -1,
     ["IOUSBHostPort", "never matches"]),
    ("<string>BulkStream</string>\n\t\t\t<key>IOUserServer", "<string>BulkSteam</string>\n\t\t\t<key>IOUserServer",
     "error", ":IOUserClass", -1, ["BulkSteam", "BulkStream, BulkStreamUserClient"]),
    ("<string>BulkStreamUserClient</string>", "<string>Other</string>", "error", "UserClientProperties:IOUserClass", -1,
     ["Other", "BulkStreamUserClient"]),
    ("<string>IOUserUserClient</string>", "<string>IOUserClient</string>", "error", "UserClientProperties:IOClass", -1,
     ["IOUserClient", "write IOUserUserClient"]),
    ("<key>IOClass</key>\n\t\t\t\t<string>IOUserUserClient</string>", "", "error", "UserClientProperties:IOClass", -2,
     ["missing", "write IOUserUserClient"]),
    ("<string>BulkStreamUserClient</string>", "<string>$(PRODUCT_BUNDLE_IDENTIFIER)</string>", "error",
     "UserClientProperties:IOUserClass", -1, ["not replaced"]),
    ("<string>org.opendext.bulkstream</string>", "<string>$(PRODUCT_BUNDLE_IDENTIFIER)</string>", "error",
     "CFBundleIdentifier", -1, ["$(PRODUCT_BUNDLE_IDENTIFIER)", "Xcode"]),
    ("<string>bulkstream</string>", "<string>bulk</string>", "error", "CFBundleExecutable", -1, ["bulk.so", "built"]),
    ("<string>bulkstream</string>", "<string>a/b</string>", "error", "CFBundleExecutable", -1, ["slash"]),
    ("<key>idProduct</key>", "<key>idVendor</key>", "error", ":idVendor", 0, ["already"]),
    ("<key>idProduct</key>", "<key>idProductArray</key><array><integer>7</integer></array><key>idProduct</key>",
     "error", ":idProduct", 0, ["never matches"]),
    ("<key>idProduct</key>", "<key>idProductArray</key><array/><key>idProduct</key>", "error", ":idProductArray", 0,
     ["array of numbers"]),
    ("<key>VirtualSource</key>", "<key>VirtualSink</key>", "error", "IOKitPersonalities:VirtualSink", 0, ["already"]),
    ("<key>IOClass</key>", "<key>IOUserThing</key>", "warning", ":IOUserThing", 0, ["not known"]),
    ("<key>CFBundleName</key>", "<key>idVendor</key>", "error", "idVendor", 0, ["belongs into a personality"]),
    ("<key>CFBundleName</key>", "<key>CFBundleNonsense</key>", "warning", "CFBundleNonsense", 0, ["not known"]),
]


def names_key_and_line():
    for old, new, severity, key, further, words in CHANGES:
        with Broken() as bundle:
            line = bundle.replace(old, new)
            bundle.expect(severity, key, line + further, *words)


def says_where_a_missing_key_belongs():
    with Broken() as bundle:
        bundle.replace("<key>IOUserClass</key>\n\t\t\t<string>BulkStream</string>", "")
        with open(bundle.info, encoding="utf-8") as file:
            lines = file.read().split("\n")
        where = next(i for i, line in enumerate(lines, 1) if "<key>VirtualSink</key>" in line)
        bundle.expect("error", "IOKitPersonalities:VirtualSink:IOUserClass", where, "missing", "string")


def looks_at_the_shared_object():
    def change(bundle, offset, data):
        with open(bundle.object, "r+b") as file:
            file.seek(offset)
            file.write(data)

    cases = [
        (lambda b: change(b, 18, struct.pack("<H", 8)), "architecture"),
        (lambda b: change(b, 4, b"\x01"), "32-bit"),
        (lambda b: change(b, 16, struct.pack("<H", 2)), "-shared"),
        (lambda b: change(b, 0, b"MZ"), "ELF"),
        (lambda b: open(b.object, "w", encoding="utf-8").close(), "empty"),
        (lambda b: rename_symbol(b), "DEXT_BUNDLE"),
    ]

    def rename_symbol(bundle):
        with open(bundle.object, "r+b") as file:
            data = file.read().replace(b"dext_bundle\0", b"dext_bumble\0")
            file.seek(0)
            file.write(data)

    for damage, word in cases:
        with Broken() as bundle:
            damage(bundle)
            found = bundle.findings()
            assert len(found) == 1 and found[0]["file"] == bundle.object and word in found[0]["text"], (word, found)


def survives_any_object():
    """Cut anywhere, or with numbers in its tables that lead anywhere."""
    with Broken() as bundle:
        with open(bundle.object, "rb") as file:
            whole = file.read()
        sections = struct.unpack_from("<Q", whole, 40)[0]
        for length in list(range(0, 256, 16)) + list(range(256, len(whole), max(1, len(whole) // 40))):
            with open(bundle.object, "wb") as file:
                file.write(whole[:length])
            bundle.findings()
        for at in list(range(16, 64, 2)) + list(range(64, 400, 24)) + list(range(sections, len(whole) - 8, 72)):
            damaged = bytearray(whole)
            damaged[at:at + 8] = b"\xff" * 7 + b"\x7f"
            with open(bundle.object, "wb") as file:
                file.write(damaged)
            bundle.findings()


def says_what_is_no_bundle():
    with tempfile.TemporaryDirectory() as folder:
        for text in (None, "", "hello", "<plist version=\"1.0\"><array/></plist>", "bplist00garbage"):
            if text is not None:
                with open(os.path.join(folder, "Info.plist"), "w", encoding="utf-8") as file:
                    file.write(text)
            done = tap.run(DEXT, "lint", folder)
            assert done.returncode == 1 and "Info.plist: error: " in done.stdout, done
        done = tap.run(DEXT, "lint", os.path.join(folder, "nothing"))
        assert done.returncode == 1 and "No such file" in done.stdout, done


def has_the_usual_options():
    assert tap.run(DEXT, "lint").returncode == 2
    assert tap.run(DEXT, "lint", "--bad", BUNDLES[0]).returncode == 2
    with Broken() as bundle:
        bundle.replace("<key>CFBundleName</key>", "<key>CFBundleNonsense</key>")
        assert tap.run(DEXT, "lint", bundle.path).returncode == 0
        done = tap.run(DEXT, "lint", "--strict", "-q", bundle.path)
        assert done.returncode == 1 and done.stdout == "", done


tap.main([all_bundles_are_clean, names_key_and_line, says_where_a_missing_key_belongs, looks_at_the_shared_object,
          survives_any_object, says_what_is_no_bundle, has_the_usual_options])
