#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds that a fuzzer would take long to find: seeds.py FOLDER makes FOLDER/TARGET/seed-... files."""
import datetime
import os
import plistlib
import re
import struct
import sys

FOLDER = sys.argv[1]


def put(target, name, content):
    os.makedirs(os.path.join(FOLDER, target), exist_ok=True)
    with open(os.path.join(FOLDER, target, f"seed-{name}"), "wb") as file:
        file.write(content)


VALUES = {
    "text": "words", "wide": "\u00e4\u4e2d", "number": 7, "large": 1 << 40, "minus": -5, "real": 1.5,
    "yes": True, "no": False, "bytes": b"\1\2\3" * 9, "date": datetime.datetime(2020, 2, 3, 4, 5, 6),
    "list": ["a", 1, {"deep": [[]]}], "empty": {}, "long" * 5: "x" * 300,
}
NESTED = "x"
for _ in range(34):
    NESTED = [NESTED]


def property_lists():
    for options in range(3):
        for format_, name in ((plistlib.FMT_XML, "xml"), (plistlib.FMT_BINARY, "binary")):
            put("property_list", f"{name}-{options}",
                bytes([options]) + plistlib.dumps(VALUES, fmt=format_))
            put("property_list", f"{name}-nested-{options}",
                bytes([options]) + plistlib.dumps(NESTED, fmt=format_))
    put("property_list", "comment", b"\0<?xml version='1.0'?><!DOCTYPE plist><plist><!-- a > b -->"
        b"<string><![CDATA[x]]></string></plist>")
    put("property_list", "nul", b"\0" + plistlib.dumps("a\0b", fmt=plistlib.FMT_BINARY))
    put("property_list", "uid", b"\0" + plistlib.dumps(plistlib.UID(3), fmt=plistlib.FMT_BINARY))
    put("property_list", "far", b"\0<plist><date>2099-01-01T00:00:00Z</date></plist>")
    put("property_list", "many", b"\0<plist><array>" + b"<a/>" * 65537)
    put("property_list", "count", b"\0bplist00\xaf\x13" + b"\xff" * 8 + b"\x08" + bytes(6) +
        b"\x01\x01" + struct.pack(">QQQ", 1, 0, 18))
    for count in (b"\x14" + b"\0" * 15, b"\x13" + b"\xff" * 8, b"\x10\xff", b"\x50"):
        for kind in (b"\x4f", b"\x5f", b"\x6f", b"\xaf", b"\xdf"):
            objects = b"bplist00" + kind + count
            put("property_list", f"count-{kind.hex()}-{count[:2].hex()}",
                b"\0" + objects + b"\x08" + bytes(6) + b"\x01\x01" +
                struct.pack(">QQQ", 1, 0, len(objects)))
    # Eight lists of eight of the next, and so on: few bytes, very many nodes.
    levels = [b"\xa8" + bytes([i + 1]) * 8 for i in range(8)] + [b"\x51a"]
    offsets, body = [], b"bplist00"
    for level in levels:
        offsets.append(len(body))
        body += level
    put("property_list", "bomb", b"\0" + body + bytes(offsets) + bytes(6) + b"\x01\x01" +
        struct.pack(">QQQ", len(levels), 0, len(body)))
    # The same long string, as often as there is room for a reference to it.
    body = b"bplist00" + b"\xaf\x11\x04\x00" + b"\1" * 1024 + b"\x4f\x12" + struct.pack(
        ">I", 20000) + b"d" * 20000
    put("property_list", "heavy", b"\0" + body + struct.pack(">HH", 8, 8 + 4 + 1024) + bytes(6) +
        b"\x02\x01" + struct.pack(">QQQ", 2, 0, len(body)))
    put("property_list", "made", b"\x80\x0a\x0b" + bytes(range(256)))


def bundles():
    personality = {"IOProviderClass": "IOUSBHostDevice", "IOUserClass": "Driver", "IOProbeScore": 5,
                   "idVendor": 1, "idProductArray": [1, 2], "IOMatchCategory": "x",
                   "IOUserServerName": "$(PRODUCT_BUNDLE_IDENTIFIER)"}
    info = {"CFBundleIdentifier": "org.example", "CFBundleExecutable": "driver",
            "CFBundlePackageType": "DEXT", "IOKitPersonalities": {"One": personality}}

    def variant(name, **changes):
        put("bundle", name, b"\0" + plistlib.dumps({**info, **changes}))

    def person(name, **changes):
        variant(name, IOKitPersonalities={"One": {**personality, **changes}})

    variant("right")
    variant("identifier-number", CFBundleIdentifier=5)
    variant("identifier-empty", CFBundleIdentifier="")
    variant("identifier-variable", CFBundleIdentifier="$(X)")
    variant("type", CFBundlePackageType="APPL")
    variant("executable-path", CFBundleExecutable="../driver")
    variant("executable-none", CFBundleExecutable="nothing")
    variant("no-personalities", IOKitPersonalities={})
    variant("personalities-text", IOKitPersonalities="x")
    variant("personality-text", IOKitPersonalities={"One": "x"})
    person("score-text", IOProbeScore="x")
    person("products-text", idProductArray=["x"])
    person("products-none", idProductArray=[])
    person("server-number", IOUserServerName=1)
    put("bundle", "list", b"\0" + plistlib.dumps([1]))
    put("bundle", "no-personalities-key", b"\0" + plistlib.dumps(
        {key: value for key, value in info.items() if key != "IOKitPersonalities"}))
    put("bundle", "no-identifier", b"\0" + plistlib.dumps({}))
    put("bundle", "made", b"\x40\x03" + bytes(200))
    put("bundle", "recalled", b"\xc0" + bytes(40))
    put("bundle", "recalled-wrong", b"\xc0\0" + b"\xff" * 40)


def usb():
    own = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x300, 0, 0, 0, 64, 0x1234, 0x5678, 0x100, 1, 2, 3, 2)

    def configuration(number, *parts):
        body = b"".join(parts)
        return struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), 1, number, 0, 0x80, 50) + body

    def interface(number, alternate, endpoints):
        return struct.pack("<BBBBBBBBB", 9, 4, number, alternate, endpoints, 255, 1, 2, 0)

    def endpoint(address, kind, size, interval):
        return struct.pack("<BBBBHB", 7, 5, address, kind, size, interval)

    association = struct.pack("<BBBBBBBB", 8, 11, 0, 2, 2, 2, 1, 0)
    companion = struct.pack("<BBBBH", 6, 48, 15, 0, 1024)
    first = configuration(1, association, interface(0, 0, 1), endpoint(0x81, 3, 64, 4), companion,
                          b"\x05\x24\0\0\0", interface(1, 0, 2), endpoint(2, 2, 512, 0),
                          endpoint(0x83, 1, 1024, 1), endpoint(4, 0, 8, 0), interface(1, 1, 0))
    second = configuration(2, interface(0, 0, 0))
    for speed in range(6):
        put("usb_descriptors", f"whole-{speed}", own + bytes([speed, 1]) +
            struct.pack("<H", len(first)) + first + struct.pack("<H", len(second)) + second +
            struct.pack("<HH", 0x8000, 0x8000))
    put("usb_descriptors", "short", own + bytes([3, 1]) + struct.pack("<H", 12) + first[:12] +
        struct.pack("<HHH", 3, 0, 0x8000))
    put("usb_descriptors", "none", own + bytes([3, 9]) + struct.pack("<HHHH", *[0x8000] * 4))
    put("usb_descriptors", "total", own + bytes([3, 1]) + struct.pack("<H", len(first)) +
        b"\x09\x02\xff\xff" + first[4:])
    put("usb_descriptors", "zero", own + bytes([3, 1]) + struct.pack("<H", 12) +
        first[:2] + b"\x0c\0" + first[4:9] + b"\0\4\0")


# direction, type, descriptors, body: one right packet of each kind
ID = struct.pack("<Q", 7)
SEGMENT = struct.pack("<QQ", 4096, 4096)
PACKETS = [
    (0, 0x0101, 3, struct.pack("<IIQ", 1, 0, 4096 + 64 * 512 + 1024 * 192 + 64 * 8192)),
    (0, 0x0102, 2, struct.pack("<IIII", 3, 1, 2, 0) + SEGMENT * 2),
    (1, 0x0181, 2, struct.pack("<IIIIQQ", 1, 1, 3, 0, 5, 6)),
    (1, 0x0182, 0, b""),
    (1, 0x0183, 2, struct.pack("<IIiI", 1, 1, 0, 2) + SEGMENT * 2),
    (2, 0x0201, 0, b"x"), (2, 0x0202, 0, ID), (2, 0x0203, 0, ID + struct.pack("<IIII", 0, 1, 0, 0)),
    (2, 0x0204, 0, ID + struct.pack("<II", 1, 2)), (2, 0x0205, 0, ID + struct.pack("<II", 1, 0)),
    (2, 0x0210, 0, b"sink"), (2, 0x0211, 0, ID), (2, 0x0212, 0, ID + b"plist"),
    (2, 0x0206, 0, ID + bytes(8) + b"plist"), (2, 0x0206, 0, ID + ID), (2, 0x0207, 0, ID),
    (3, 0x0201, 0, ID * 3), (3, 0x0202, 0, b"plist"), (3, 0x0203, 1, b""), (3, 0x0204, 0, ID),
    (3, 0x0205, 0, b"plist"), (3, 0x0210, 0, ID), (3, 0x0212, 0, b""), (3, 0x0211, 0, b""),
    (3, 0x0206, 0, ID), (3, 0x0281, 0, ID + struct.pack("<II", 4, 1) + ID * 2),
    (4, 0x0301, 1, b"plist"), (4, 0x0302, 2, ID + struct.pack("<IIIIiI", 0, 1, 0, 0, 1, 0)),
    (4, 0x0303, 0, b""), (4, 0x0304, 0, b""), (4, 0x0305, 0, ID + ID + b"plist"), (4, 0x0306, 0, b""),
    (5, 0x0381, 0, b""), (5, 0x0382, 0, ID + ID + b"plist"), (5, 0x0383, 0, ID), (5, 0x0384, 0, b""),
    (2, 0x0208, 0, ID), (3, 0x0208, 0, b"plist"), (2, 0x0209, 0, struct.pack("<QQII", 0, 7, 1, 0)),
    (3, 0x0209, 0, (bytes(24) + struct.pack("<II", 0, 4) + b"line") * 2), (3, 0x0209, 0, bytes(40)),
    (2, 0x0213, 0, ID + struct.pack("<II", 1, 256)), (3, 0x0213, 1, b""),
    (4, 0x0307, 1, struct.pack("<IIII", 1000, 0, 0, 0)),
    (6, 0x0401, 2, struct.pack("<IIQQII", 1, 0, 8, 9, 8, 5)), (6, 0x0401, 1, struct.pack("<IIQQII", 1, 0, 8, 0, 8, 0)),
    (5, 0x0385, 0, ID), (5, 0x0386, 0, struct.pack("<II", 3, 0)), (5, 0x0387, 0, b""),
]


def packet(type_, fds, body, status=0):
    return struct.pack("<IHHIi", 16 + len(body), type_, fds, 1, status) + body


def packets():
    for number, (direction, type_, fds, body) in enumerate(PACKETS):
        put("packets", f"right-{number:02}", bytes([direction, fds, 3]) + packet(type_, fds, body))
        put("packets", f"failed-{number:02}",
            bytes([direction, 0, 3]) + packet(type_, 0, body, -536870212))
        # Each word of the body in turn as large as it gets, and 0.
        for at in range(0, min(len(body), 32), 4):
            for word, value in (("high", b"\xff" * 4), ("none", bytes(4)), ("odd", b"\1\0\0\0")):
                changed = body[:at] + value[:len(body) - at] + body[at + 4:]
                put("packets", f"{word}-{number:02}-{at:02}",
                    bytes([direction, fds, 3]) + packet(type_, fds, changed))
    put("packets", "fds-lost", bytes([0, 36, 3]) + packet(0x0102, 36, bytes(32)))
    put("packets", "fds-fewer", bytes([0, 1, 1]) + packet(0x0102, 2, bytes(32)))
    put("packets", "fds-more", bytes([0, 3, 1]) + packet(0x0102, 2, bytes(32)))
    put("packets", "credentials", bytes([0, 2, 7]) + packet(0x0102, 2, bytes(32)))
    put("packets", "long", bytes([0, 0, 1]) + packet(0x0102, 0, bytes(65600)))
    put("packets", "length", bytes([0, 0, 0]) + packet(0x0102, 0, bytes(32))[:20])
    put("packets", "short", bytes([0, 0, 0, 1, 2]))


def specs():
    for number, text in enumerate((
            "sink", "source:short-every=3,speed=full", "loopback:speed=super,stall-every=100",
            "sink:latency=60000000", "sink:latency=60000001", "sink:nak", "sink:nak=5", "sink:nak=x",
            "sink:nak-control", "sink:nak-control=1", "sink:serial=A.b-c_9", "sink:serial=" + "a" * 32,
            "sink:unplug-after=99999999999999999999", "sink:corrupt-every=0", "sink:speed=warp",
            "sink:short-every=1", "loopback:short-every=1", "sink:what=" + "y" * 99, "z" * 99,
            "sink:speed=high:serial=", "sink:unplug-after=1", "sink:stall-every=0", "ftdi",
            "ftdi:baud=9600", "ftdi:baud=0", "ftdi:baud=x", "sink:baud=9600")):
        put("virtual_spec", f"{number:02}", text.encode())


# The language of objects.h.
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "objects.h"), encoding="ascii") as header:
    WORDS = re.findall(r'^\t"(.*)",$', header.read(), re.MULTILINE)


def word(text):
    return bytes([WORDS.index(text)])


def pairs(**values):
    return bytes([len(values)]) + b"".join(word(key) + value for key, value in values.items())


def number(value):
    return b"\1" + bytes([value])


def text(value):
    return b"\x09" + word(value)


def array(*values):
    return b"\6" + bytes([len(values)]) + b"".join(values)


def dictionary(**values):
    return b"\x0a" + pairs(**values)


def matching():
    usb = {"idVendor": number(1), "idProduct": number(2), "bDeviceClass": number(3),
           "Driver": text("driver")}
    personal = {"idVendor": number(1)}
    asks = {
        "class": {"IOProviderClass": text("IOUSBHostDevice")},
        "class-number": {"IOProviderClass": number(1)},
        "driver": {"IOProviderClass": text("Driver")},
        "name": {"IONameMatch": text("IOUSBHostDevice")},
        "names": {"IONameMatch": array(text("a/b"), text("IOUSBHostDevice"))},
        "id": {"IORegistryEntryID": number(2)},
        "id-text": {"IORegistryEntryID": text("a/b")},
        "property": {"IOPropertyMatch": dictionary(Driver=text("driver"))},
        "properties": {"IOPropertyMatch": array(dictionary(DEXT=number(1)),
                                                dictionary(Driver=text("driver")))},
        "properties-none": {"IOPropertyMatch": array(dictionary(DEXT=number(1)))},
        "exists": {"IOPropertyExistsMatch": text("Driver")},
        "exist": {"IOPropertyExistsMatch": array(text("Driver"), text("idVendor"))},
        "exist-not": {"IOPropertyExistsMatch": array(text("DEXT"))},
        "path": {"IOPathMatch": text("IOService:/")},
        "path-usb": {"IOPathMatch": text("IOUSB:/device@80100000")},
        "location": {"IOLocationMatch": text("80100000")},
        "parent": {"IOParentMatch": dictionary(IOProviderClass=text("IOUSBHostDevice"))},
        "parent-text": {"IOParentMatch": text("DEXT")},
        "usb": {"idVendor": number(1), "idProduct": number(3), "idProductMask": number(2)},
        "usb-other": {"idVendor": number(2)},
        "products": {"idProductArray": array(number(1), number(2))},
        "products-other": {"idProductArray": array(number(1), text("DEXT"))},
    }
    for name, ask in asks.items():
        for style, properties in (("usb", usb), ("bare", {})):
            tail = b""
            for which, person in ((0, ask), (0x44, personal), (0x41, ask)):
                tail += bytes([which]) + pairs(**person)
            put("matching", f"{name}-{style}", pairs(**properties) * 4 + pairs(**ask) + tail)



def request(selector, wait=True, how=16, flags=0, scalars=(0, 0), sizes=(0, 0), index=0,
            values=(0, 0, 0), data=b""):
    """A step of fuzz_host.c: a call, by the driver's list of methods."""
    return (bytes([7 if wait else 6]) +
            bytes([how, flags, selector, *scalars]) + struct.pack("<HH", *sizes) +
            bytes([index, 1]) + struct.pack("<HHB", *values) + bytes([len(data)]) + data)


def hosts():
    def structures(how, *offsets_and_kinds):
        return bytes([1, how]) + b"".join(offsets_and_kinds)

    def offset(value):
        return struct.pack("<H", value)

    both = structures(0, offset(0), offset(1), b"\1\1")
    large = request(4, flags=6, sizes=(5000, 6000), scalars=(1, 1))
    calls = {
        "echo": request(0, scalars=(2, 2), values=(5, 6, 0)),
        "structure": request(1, sizes=(9, 20), data=b"structure"),
        "too-long": request(5, sizes=(0, 20)), "too-many": request(6, scalars=(0, 1)),
        "fail": request(7, scalars=(0, 1)), "end": request(8) + request(0),
        "nothing": request(10), "complete": request(2, flags=1, index=3) +
        request(3, scalars=(2, 0), values=(1050, 1, 0)) + b"\3\0" + struct.pack("<I", 500) +
        b"\4" + b"\3\0" + struct.pack("<I", 5000) + request(3, scalars=(2, 0), values=(3, 1, 0)),
        # More than the ring has room for: they wait, and the connection with them.
        "end-while-some-wait": request(2, flags=1, index=3) + request(3, scalars=(2, 0), values=(1050, 1, 0)) +
        request(8) + request(0),
        "complete-twice": request(2, flags=1, index=3) + request(2, flags=1, index=3),
        "large": both + large, "large-none": large, "large-twice": both + both + large,
        "large-generation": structures(0x80, offset(0), offset(1), b"\1\1") + large,
        "large-input": structures(0x10, offset(3), b"\0") + request(
            4, flags=2, sizes=(5000, 0), scalars=(1, 1)),
        "large-output": structures(0x20, offset(3), b"\0") + request(
            4, flags=4, sizes=(0, 5000), scalars=(1, 0)),
        "large-other": structures(0x20, offset(3), b"\0") + large,
        "large-variable": structures(0x20, offset(0), b"\1") + request(
            1, flags=12, sizes=(0, 60000)),
        "large-after-end": request(8) + both + large,
        "structures-failed": b"\0\x80\0\0" + request(0), "ack": b"\0\1\0\0" + request(0),
        "type": b"\0\3\0\0" + request(0), "no-packet": b"\0\x20\0\5abcde" + request(0),
        "two-maps": request(1, wait=False, how=164, scalars=(1, 0)) + b"\x12" + request(
            2, how=164, scalars=(1, 0))[1:] + b"\x08\x08", "ask-two-files": request(9, values=(3, 4096, 16)) +
        b"\0\2\2" + bytes([48]) + struct.pack("<IIiI", 0, 2, 0, 2) +
        struct.pack("<QQQQ", 0, 8, 0, 8) + b"\0\0" + request(0),
        "set": request(0, how=166, sizes=(5, 0), data=b"hello"),
        "unmap": request(3, how=165), "listen-none": request(3, how=167),
        "listen": request(19, how=167, flags=1, index=2) + b"\3\3" + struct.pack("<I", 1) +
        b"\4" + request(19, how=167), "close": b"\5" + request(0), "rings": b"\4" * 60,
        "unanswered": request(9, wait=False, values=(3, 4096, 16)) * 3,
        "bits": b"\3\2" + struct.pack("<I", 0xffffffff) + b"\4", "head": b"\3\0\xff\0\0\0" +
        request(2, flags=1) + request(3, scalars=(2, 0), values=(1, 1, 0)),
    }
    for kind in range(8):
        calls[f"large-kind-{kind}"] = structures(0, offset(0), offset(0), bytes([kind, 1])) + large
        calls[f"large-output-kind-{kind}"] = structures(
            0, offset(0), offset(0), bytes([1, kind])) + large
    for type_ in range(0, 22):
        one = request(type_, how=164, scalars=(1, 0))
        calls[f"map-{type_}"] = one + one + request(type_, how=165)
    for options in (3, 0x13):
        ask = request(9, values=(options, 4096, 16))
        for how in (0, 0x20, 0x60, 0x40):
            for length in (16, 17, 0):
                for kind in (0, 4):
                    calls[f"ask-{options}-{how}-{length}-{kind}"] = ask + bytes([2, how]) + struct.pack(
                        "<HH", 5, length) + bytes([kind, 8]) + request(0)
    for name, call in calls.items():
        put("host", name, b"\0" + call)
    for number, name in enumerate(("echo", "structure", "complete", "large", "large-twice", "unanswered", "set")):
        put("host", f"scribbled-{name}", b"\3" + struct.pack("<Q", number * 7919) + calls[name] * 3)
    put("host", "refused", b"\1")
    put("host", "version", b"\2")


def replies(how=1, flags=0, scalars=0, size=0, length=0, question=b""):
    """What a hostile host answers with next (fuzz_client.c)."""
    return bytes([how, flags, scalars]) + struct.pack("<HH", size, length) + question


def clients():
    def call(answer, how=0, sizes=b"\0\0"):
        return b"\1" + answer + bytes([how]) + sizes

    def memory(how, *segments):
        return bytes([how]) + b"".join(struct.pack("<BBH", *one) for one in segments)

    def map_(packet, answer, type_=0):
        return b"\3" + packet + answer + bytes([type_])

    def ask(count, flags, *segments, how=3):
        return replies(how, 0x10, question=bytes([count, flags]) + b"".join(
            bytes(one) for one in segments))

    page = (0, 0, 4096)
    listen = call(replies(), how=0x42)
    steps = {
        "call": call(replies(scalars=2, size=4), how=2, sizes=b"\4\4"),
        "failed": call(replies(how=0, question=b"")), "flags": call(replies(flags=0xff)),
        "large": call(replies(size=9000), how=0x32),
        "map": map_(memory(0, page), replies(length=4096)) * 2,
        "map-two": map_(memory(1, page, page), replies(length=8192)),
        "map-read-only": map_(memory(0, page), replies(how=0x11, length=4096)),
        "map-nothing": map_(memory(0, (0, 0, 0)), replies()),
        "map-odd": map_(memory(1, (0, 0, 100), page), replies(length=4196)),
        "map-long": map_(memory(0, page), replies(length=9000)),
        "map-then-two": map_(memory(0, page), replies(length=4096)) +
        map_(memory(1, page, page), replies(length=8192)),
        "map-then-other": map_(memory(0, page), replies(length=4096)) +
        map_(memory(0, (1, 0, 4096)), replies(length=4096)),
        "map-unmap": map_(memory(0, page), replies(length=4096), 4) + replies(),
        "map-none": b"\6" + replies(),
        "map-other-packet": b"\xcf\x10" + struct.pack("<IIQ", 1, 0, 4096 + 64 * 512 + 1024 * 192 +
                                                      64 * 8192) + b"\x83" + replies() + b"\0",
        "map-no-packet": b"\x27\x04abcd" + b"\x83" + replies(length=4096) + b"\0",
        "map-unread": b"\x43" + memory(0, page) + replies(length=4096) + b"\0",
        "complete": listen + b"\4\0\1\0" + b"\5\1\1\0", "complete-room": listen + b"\5\xfd\1\0\5\0\1\0", "complete-many": listen + b"\4\xfe\1\2\5\0\1\0",
        "complete-no-port": call(replies(), how=0xc2) + b"\5\0\1\0", "complete-tail": b"\5\xff\1\0\xff\xff",
        "complete-released": listen + b"\5\2\1\0" + b"\5\2\1\0", "complete-padding": listen + b"\5\x0f\1\0" + struct.pack("<IIIiII", 1, 0, 1, 0, 0, 9),
        "complete-zero": listen + b"\5\x0f\1\0" + struct.pack("<IIIiII", 1, 0, 1, 0, 0, 0) + bytes(128) +
        b"\1" * 40, "listen": b"\6" + replies(),
    }
    for kind in range(6):
        steps[f"map-kind-{kind}"] = map_(memory(0, (kind, 0, 4096)), replies(length=4096))
    for at in range(8):
        changed = struct.pack("<IIII", 0, 1, 1, 0) + struct.pack("<QQ", 0, 4096)
        changed = changed[:at * 4] + b"\xff\xff\xff\x7f" + changed[at * 4 + 4:]
        steps[f"map-word-{at}"] = map_(b"\x20\0\0" + struct.pack("<H", 4096) + bytes([32]) + changed,
                                       replies(length=4096))
    for flags in range(3):
        for which in range(4):
            for length in (16, 15, 0):
                steps[f"ask-{flags}-{which}-{length}"] = call(
                    ask(1, flags, (which, length)), how=2, sizes=bytes([16, 0]))
    steps["ask-two"] = call(ask(2, 0, (0, 16), (1, 16)), how=2, sizes=bytes([16, 0]))
    steps["ask-none"] = call(ask(0, 0), how=2)
    steps["ask-long"] = call(ask(0, 0, how=7) + struct.pack("<IIIIQQ", 1, 0, 0, 0, 4096, 1 << 62),
                             how=2)
    for name, step in steps.items():
        put("client", name, b"\0" + step)
    for how in range(208, 248):
        put("client", f"ready-{how}", bytes([how]) + b"\xff" * 40)
    for number, name in enumerate(("call", "large", "map", "map-unmap", "complete", "complete-many", "ask-two",
                                   "ask-0-0-16", "listen")):
        put("client", f"scribbled-{name}", b"\xd4" + struct.pack("<Q", number * 7919) + steps[name] * 3)
    # what else: 16 an odd length, 32 one thread, 64 a scribbler; then push, pop, wait, descriptor, arm, word
    uses = b"\x30\x20\x42\x52\x74\x05" + replies() + b"\x36\x07" + struct.pack("<Q", 0x0500) + b"\x32\x34\x16"
    for how in (0x0a, 0x1a, 0x2a, 0x4a, 0x6a):
        put("client", f"ring-{how}", b"\0" + bytes([0x0e, how]) + (bytes(8) if how & 0x40 else b"") + uses * 2)
    armed = b"".join(b"\x07" + struct.pack("<Q", ((1 << 32 | 99) << 8) | which << 2 | lane)
                     for which, lane in ((2, 0), (3, 1)))
    put("client", "ring-told", b"\0\x0e\x0f" + armed + b"\x20\x07" + struct.pack("<Q", 2 << 8 | 1) + b"\x42\x12\x20")
    put("client", "ring-wait", b"\0\x0e\x0f\x54\x14\x04\xd4\x24\x20\x12\x54\x74\x84\x16")
    # For entries and for room, as the only thread and as one of many; and for what comes meanwhile.
    for lane in (0, 1):
        for what in (0xdc, 0xec, 0xfc):
            moved = b"".join(bytes([what, 0x80 | count]) + struct.pack("<Q", 1 << 8 | 6 << 2 | lane) for count in (2, 8))
            put("client", f"ring-batch-{lane}-{what}", b"\0\x0e\x2f\x80\x80" + bytes([what, 2, what, 9, what, 0]) + moved + b"\xf2")
    put("client", "ring-batch-locks", b"\0\x0e\x0f\xdc\3\xec\3\xfc\3")
    put("client", "ring-dies", b"\0\x0e\x04\x1e\x54\x16\x20")
    put("client", "ring-none", b"\0\x0e\xfe" + uses)
    put("client", "ring-shape", b"\0\x0e\xff" + struct.pack("<I", 0x00ffff20) + uses)
    put("client", "ready-memory", b"\xd7" + memory(0, page))
    put("client", "silent", b"\xd5\1\xfe" + bytes(13))
    put("client", "silent-map", b"\xd5\x83" + replies(length=4096) + b"\0")


def registries():
    """Every second packet goes over the other socket: `ask` puts one in between."""
    def ask(*parts):
        return b"".join(one + b"\1\0\0" for one in parts)

    device = pairs(IOProviderClass=text("IOUSBHostDevice"))

    def watch(number, matching_=None, id_=0):
        return bytes([6, 0, id_, number]) + (b"\0" + matching_ if matching_ else b"\1")

    plug, unplug = b"\4\0\0\0", b"\5\0\xc8"
    calls = {
        "look-up": b"\0\0\0" + device, "look-up-bytes": b"\0\xf0\5hello",
        "properties": b"\1\0\0", "gone": ask(plug, unplug, b"\1\0\xc8", b"\x09\0\xc8\1"),
        "open": b"\2\0\0\0" + b"\2\0\1\0" + b"\2\0\2\0", "set": b"\x0b\0\0" + device,
        "watch": ask(watch(1, device), watch(2, device), plug, unplug),
        "watch-entry": ask(watch(1), plug, watch(2, id_=0xc8), unplug),
        "watch-twice": ask(watch(1, device), watch(1, device)), "watch-none": watch(1, id_=2),
        "unwatch": ask(watch(1, device), b"\7\0\0\1", plug, b"\7\0\0\1"),
        "watch-bytes": b"\6\xf0\x14\1" + bytes(15) + b"junk", "event": b"\x0a\0\0",
        "watch-array": b"\6\xf0\x27\1" + bytes(15) + b"<plist><array/></plist>",
        "look-up-array": b"\0\xf0\x17<plist><array/></plist>",
        "fds": b"\1\xe0\0", "status": b"\1\xd8\0", "short": b"\1\xc8\0",
        "driver": b"\x0c\0\0", "log": b"\x0d\0\0\0", "log-waits": b"\x0d\0\0\1", "log-flags": b"\x0d\0\0\2",
        "trace": b"\x0e\0\0", "type": b"\x0f\0\0", "many-plugs": plug * 12, "odd-plug": b"\4\0\0\3",
    }
    for relation in range(6):
        for plane in range(4):
            calls[f"entries-{relation}-{plane}"] = bytes([3, 0, 0, plane, relation])
            calls[f"describe-{relation}-{plane}"] = bytes([9, 0, relation % 3, plane])
    for name, call in calls.items():
        put("registry", name, call)


def much():
    """A list of about 100 bytes that is written again as 95 KB: 14 lists of 14, and so on, each time the same one."""
    objects = [b"\xd1\1\2", b"\x51a"] + [b"\xae" + bytes([i + 3]) * 14 for i in range(4)] + [b"\x09"]
    offsets, body = [], b"bplist00"
    for one in objects:
        offsets.append(len(body))
        body += one
    return body + bytes(offsets) + bytes(6) + b"\1\1" + struct.pack(">QQQ", len(objects), 0, len(body))


MUCH = much()


def controls():
    def publish(id_, how=2, provider=b"", properties=b"\0"):
        return bytes([0, id_, how]) + properties + provider

    def say(kind, id_=0, how=0, rest=b""):
        return bytes([8 + kind, id_, how]) + rest

    def log(how, content):
        return bytes([4, how]) + content

    def ask(how, id_=0):
        return bytes([6, how, id_])

    started, adopted, end = say(0), say(6), b"\x07"
    listing, listed = say(4, how=1), say(5)
    steps = {
        "publish": started + publish(0) + publish(1, 3, b"\0") + publish(0) + say(1, 1) + say(1, 0),
        "publish-early": publish(0) + started,
        "publish-many": started + publish(0, 0xff), "publish-odd": started + publish(0, 0xfe),
        "publish-zero": started + publish(255 - 0), "publish-provider": started + publish(0, 3, b"\5"),
        "publish-of-registry": started + bytes([0, 255, 2, 0]), "publish-no-list": started + bytes([0, 254, 2, 0]),
        "publish-class": started + publish(0, 0), "publish-id-zero": started + publish(255),
        "withdraw-of-registry": started + say(1, 255), "withdraw-none": started + say(1, 5),
        "started-twice": started + started, "start-fails": say(0, how=200) + end + started + publish(0) + end,
        "start-fails-all": say(0, how=200) + end + say(0, how=200) + end, "gone": started + say(2),
        "publish-far-too-much": started + bytes([0, 0, 0xfc, 0]) + struct.pack("<H", len(MUCH)) + MUCH,
        "child": say(6, how=1) + started + publish(0) + end, "child-lists": say(6, how=1) + started + listing,
        "child-has-listed": say(6, how=1) + started + listed, "at-once": bytes([0x48, 0, 0]) * 40 + started,
        "gone-early": say(2), "set": started + publish(0) + ask(1) + ask(1) + say(3, how=4) + say(3, how=5),
        "set-none": started + say(3), "open": started + publish(0) + ask(0) + ask(2) + end + ask(0),
        "adopted": adopted + publish(0) + started + listing + publish(0) + publish(1, 3, b"\0") + listed +
        say(1, 0) + end, "adopted-gone": adopted + say(4, how=3) + listed, "adopted-starting": adopted + say(4) +
        listed + started, "listed-early": adopted + listed, "listing-twice": adopted + listing + listing,
        "listing-unasked": started + listing, "listed-unasked": started + listed,
        "adopted-stops": adopted + listing + say(2) + listed,
        "hang-up": started + publish(0) + b"\x17" + end, "log-ends": b"\x27" + end,
        "log": log(5, b"a\nb\nc"), "log-long": log(255, b"x" * 255) + end,
        "log-many": log(240, b"\n" * 240) * 6 + end, "log-tail": log(255, b"ab\n" * 85) * 8 + end,
        "log-flood": log(250, b"\n" * 250) * 8 + end,
        **{f"look-on-{how}": started + log(8, b"one\ntwo\n") + ask(how) + log(4, b"six\n") + end + ask(how)
           for how in range(4, 256, 4)},
        **{f"watched-{how}": started + publish(0) + ask(how) + publish(0) + say(1, 0) + ask(how)
           for how in (3, 0x13)},
        "watched-device": started + ask(3, 255) + publish(0) + end, "set-ends": started + publish(0) + ask(1) + end, "log-escape": log(20, b"\x1b[31m\0\xff org.exam\n"), "log-own": log(30, b"org.example.fuzz: a line of it\n"),
        "log-rest": log(8, b"the rest") + end, "log-unread": b"\x84\x08unread\nr" + end,
    }
    for kind in range(10):
        steps[f"packet-{kind}"] = started + say(7, 8, kind) + bytes(64)
        steps[f"packet-fd-{kind}"] = started + say(7, 8, 16 + kind) + bytes(64)
    for name, step in steps.items():
        put("control", name, step)


def rings():
    def word(which, value):
        return b"\0" + struct.pack("<Q", value << 8 | which << 2)

    for number, quiet in enumerate((b"\1", b"\0" + struct.pack("<Q", 77))):
        steps = word(0, 3) + b"\2\3" + word(7, 0) + b"\2\3" + word(0, 1000) + b"\2\3\x24\x44\x84" + word(2, 99)
        steps += b"\x0c\x2c\3"
        for kind in range(8):
            for count in (0, 1, 3, 8, 64):
                steps += bytes([5 | kind << 3, count])
        put("ring", f"whole-{number}", quiet + steps)
        # That the other side has a fence for both, in either direction of the engine's own rings.
        own = [b"\0" + struct.pack("<Q", 1 << 8 | 6 << 2 | 32 | which | lane) for which in (64, 128) for lane in (0, 1)]
        for side in (0, 1):
            put("ring", f"fences-{side}-{number}", quiet + b"".join(own) + bytes([0x3d | side, 0, 0x25, 64, 0x25, 64]) +
                b"".join(own) + bytes([5, 5, 0x15, 5, 0x25, 3, 5, 5, 0x25, 64]))
        more = b"\0" + struct.pack("<Q", 7 << 2 | 64)
        for count in (1, 3, 7, 8, 9, 20):
            put("ring", f"tail-{count}-{number}", quiet + more * count + b"\2\3" + word(0, count) + b"\2\3" +
                more + b"\2\3" + more * 8 + b"\2\3\x84\x84\3")
        for kind in range(8):
            put("ring", f"engine-{kind}-{number}", quiet + bytes([5 | kind << 3, 5]) * 3 + word(kind, 4) +
                bytes([5, 3, 0x15, 8]) + bytes([5 | kind << 3, 9]) * 2)


def registry_clients():
    def case(name, steps, *answers):
        put("registry_client", name, bytes([len(steps)]) + bytes(steps) + b"".join(answers))

    # One is added to each id, so that it is not 0.
    def ids(*values, how=0):
        return bytes([how, len(values), *(value - 1 for value in values)])

    def watched(*values, how=0):
        return bytes([how, 1, len(values), *(value - 1 for value in values)])

    def event(how, service, *watches):
        return bytes([how, service, *(watches + (0, 0, 0))[:3]])

    described = b"\0" + dictionary(Driver=text("driver"), DEXT=number(1)) + b"".join(
        word(one) + b"\1" for one in ("device", "driver", "IOService:/", "80100000"))
    nothing, wrong = b"\xff", bytes([0xc0, 3, 1, 2, 3])
    case("look-up", [0], ids(7))
    case("look-up-none", [0, 0], ids(), nothing)
    case("ids-many", [1, 2, 2], b"\0\xff")
    for kind in range(8):
        for index, answer in enumerate((described, nothing, b"\0" + array(number(1)), ids(8) * 3,
                                        b"\0" + text("driver"), wrong)):
            case(f"entry-{kind}-{index}", [0, 7 | kind << 3, 0x47 | kind << 3], ids(7), answer, answer,
                 answer)
    case("children", [0, 3, 0x42, 0x42, 0x0b, 0x82, 0x82], ids(7), ids(8, 9), ids(8), ids(9), ids(7))
    case("circle", [0, 0x37], ids(7), *[ids(7), described] * 20)
    case("open", [0, 4, 4], ids(7), b"\0", nothing)
    for how in range(0xc0, 0xf0):
        case(f"wrong-{how}", [0, 1], bytes([how]) + bytes(12), ids(7))
    case("hang-up", [0, 0, 5, 6], ids(7), b"\xec", ids(7), watched(7))
    # kind of the event: 1 + how / 3 % 5; its watches by how many were made after them
    for kind in range(4):
        for how in (0, 3, 6, 9, 12, 0x8c, 0xfd, 0xfe, 0xff):
            case(f"watch-{kind}-{how}", [5 | kind << 3, 6, 2, 6], watched(7, 8, how=160), event(how, 9),
                 event(how, 7), event(how + 1 & 0xff, 8), event(how, 7, 3), b"\x00")
    for kind in (0x25, 0x2d):
        for how in (0, 3, 6, 9, 12, 0x8c, 0xfd):
            case(f"interest-{kind}-{how}", [0, kind, 6, 6], ids(7), b"\xa0\0", event(how, 7),
                 event(how, 7), event(how ^ 0x80, 7), event(how, 8))
    case("interest-end", [0, 0x25, 6, 6], ids(7), b"\xa0\0", event(3, 7), event(6, 7), event(6, 7), event(6, 7))
    case("unwatched", [5, 5, 5, 5, 5, 5, 6], *[watched(7)] * 5, b"\xa0\1\1\6", *[event(3, 7, 3, 2, 1)] * 4)
    case("event-first", [5, 5, 6], watched(7), b"\xe1" + event(0, 7), watched(8))
    case("interest-other", [0, 0x25, 6], ids(7), watched(8))
    case("interest-refused", [0, 0x25, 6], ids(7), nothing)
    case("watch-again", [5, 6, 5, 6, 6], watched(7), bytes([0xec]), watched(8), watched(9))
    case("watch-refused-socket", [5, 5], b"\xe9", b"\xff")
    case("watch-odd", [5, 5], watched(7), b"\xcd\0\1", watched(7))
    case("watch-two", [0, 0x25, 6], ids(7), b"\0\1\2\1\2", watched(7))
    case("look-up-odd", [0, 0], b"\xcd\0\1", b"\xcf\0", ids(7))
    case("watch-answers-look-up", [5], b"\xc0\0\1\1\0\0\0\0")


def traces():
    """A transfer with more bytes than the target has room for, in a capture; and one event of each kind."""
    def event(how=0, kind=6, place=0, count=200, value=0x1200010000068000, flags=0):
        return bytes([6, how, kind]) + bytes([place]) + struct.pack("<IHHH", 9, 3, 500, 400) + \
            bytes([count, 1]) + struct.pack("<Q", value) + bytes([0, flags])
    pieces = b"".join(bytes([2, 0x10 + i]) + bytes([i + 1]) * 56 for i in range(4))
    place = b"usb:001:002\0" + bytes([0, 0x04]) + b"name" + bytes([2, 0x81])
    for how in (3, 0x0b):
        put("trace", f"bytes-{how}", bytes([how, 0]) + place + pieces + event() + bytes([4]))
    isochronous = place[:-2] + bytes([1, 0x81])
    for kind in (6, 7):
        for packets in (2, 12, 1 << 60 | 1):
            put("trace", f"packets-{kind}-{packets}", bytes([3, 0]) + isochronous + pieces +
                event(kind=kind, value=packets, flags=2) + bytes([4]))
    for form in range(3):
        for kind in range(1, 11):
            put("trace", f"kind-{form}-{kind}", bytes([form, 0]) + place + event(kind=kind) + bytes([4]))
        put("trace", f"lost-{form}", bytes([form, 0]) + place + event() + bytes([4]) +
            event(how=8, place=3) + bytes([4]))


def objects():
    """Small ELF files: a driver with two classes of its own and one of another library; and liars."""
    def elf(symbols_size=None, classes=3, rela_size=None, relas=1, machine=62, patch=None):
        strings = b"\0dext_bundle\0gOSObjectMetaClass\0"
        at = {"symbols": 0x100, "strings": 0x180, "rela": 0x200, "data": 0x300, "sections": 0x400}
        info, table, first, second, text = 0x300, 0x320, 0x340, 0x350, 0x360
        symbols = bytes(24) + struct.pack("<IBBHQQ", 1, 0x11, 0, 5, info, 24) + \
            struct.pack("<IBBHQQ", 13, 0x11, 0, 0, 0, 0)
        pointers = [(info + 16, 8, table), (table, 8, first), (table + 8, 1 | 1 << 32, second - info),
                    (table + 16, 1 | 2 << 32, 0), (first + 8, 8, text), (second + 8, 8, text + 4)]
        rela = b"".join(struct.pack("<QQq", *one) for one in pointers)
        file = bytearray(0x400)
        file[:64] = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
            "<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, at["sections"], 0, 64, 56, 1, 64, 3 + relas, 0)
        file[64:120] = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, 0x400, 0x400, 4096)
        file[0x100:0x100 + len(symbols)] = symbols
        file[0x180:0x180 + len(strings)] = strings
        file[0x200:0x200 + len(rela)] = rela
        file[0x300:0x310] = struct.pack("<QII", 24, 1, classes)
        file[0x360:0x36b] = b"One\0Another"
        sections = bytes(64) + struct.pack(
            "<IIQQQQIIQQ", 0, 11, 2, 0x100, 0x100, symbols_size or len(symbols), 2, 0, 8, 24) + \
            struct.pack("<IIQQQQIIQQ", 0, 3, 2, 0x180, 0x180, len(strings), 0, 0, 1, 0) + \
            struct.pack("<IIQQQQIIQQ", 0, 4, 2, 0x200, 0x200, rela_size or len(rela), 1, 0, 8,
                        24) * relas
        return bytes(file) + sections
    put("object", "whole", elf())
    put("object", "empty", b"")
    put("object", "text", b"#!/bin/sh\n")
    put("object", "other-machine", elf(machine=243))
    put("object", "no-class", elf(classes=0))
    put("object", "many-classes", elf(classes=1000))
    # Symbols without end, in a file of a few hundred bytes; and relocations, each many times.
    put("object", "endless-symbols", elf(symbols_size=0x7fffffffffffff00).replace(b"dext_bundle", b"next_bundle"))
    put("object", "relocations-again", elf(classes=1024, rela_size=0x7fffffffffffff00, relas=40))
    for cut in (63, 100, 0x150, 0x210, 0x310, 0x3ff, 0x440):
        put("object", f"cut-{cut}", elf()[:cut])


def stores():
    """What the descriptor store brings (fuzz_store.c): things, each a name and descriptors.

    A record begins with what it is (modulo 6: root, resources, virtual, USB, host) and how much of that is changed."""
    def record(how, which, start=b"", changes=b"", services=0):
        return bytes([0, how, which]) + start + changes + bytes([services])

    def thing(name, *descriptors):
        return bytes([name, len(descriptors)]) + b"".join(descriptors)

    def store(name, *things, none=0, room=0, bundle=0, steps=b""):
        put("store", name, bytes([len(things)]) + b"".join(things) + bytes([none, room, bundle]) + steps)

    def host(name=2, which=0, provider=1, services=0, how=4, changes=b"", others=(b"\2", b"\3", b"\4")):
        return thing(name, record(how, which, bytes([provider]), changes, services), *others)

    root, resources = thing(0, record(0, 0x99)), thing(1, record(1, 1))
    device, other = thing(7, record(2, 0x21)), thing(13, record(2, 0xb2))
    listing, listed, later = b"\2\0\1", b"\2\1\0", b"\0"
    service = b"\2\2\x10"
    answers = {"all": listing + service + listed, "late": later + later, "listed": listed, "other": listing + b"\2\2\x50" + listed,
               "again": listing + service * 2 + listed * 2, "end": b"\1" + later, "failed": b"\2\3\x80" + listed, "gone": b"\2\0\3" + listed, "silent": b""}
    for name, steps in answers.items():
        store(f"host-{name}", root, resources, device, host(), steps=steps)
        store(f"host-changed-{name}", device, host(which=1), steps=steps)
    for which in range(4):
        store(f"host-which-{which}", device, host(which=which), steps=answers["all"])
    for provider in range(8):
        store(f"host-provider-{provider}", root, resources, device, other, host(provider=provider), steps=answers["all"])
    for name, services in (("none", 0), ("two", 2), ("list", 16)):
        store(f"hosts-{name}", device, other, host(), host(8, 0, 2, services=services), steps=listing + b"\x22\0\1" + service +
              b"\2\2\x11\x22\2\x20" + listed + b"\x22\1\0")
    store("twice", root, root, resources, resources, device, device)
    store("bundle", device, host(), bundle=1, steps=answers["all"])
    store("number-of-none", device, host(), none=1)
    store("room", device, host(), room=1)
    for kind in range(10):
        rest = {0: record(4, 0, b"\1")[1:], 1: record(4, 0, b"\1")[1:], 7: b"\x10" + b"\1" * 16 + b"\4\0"}.get(kind, b"")
        for name in (0, 1, 2, 5):
            store(f"kind-{kind}-{name}", device, thing(name, bytes([kind]) + rest))
        store(f"host-kind-{kind}", device, host(others=(bytes([kind]) + rest, b"\3", b"\2")))
    for key in range(20):
        for where in (0x40, 0xc0, 0, 0x80):
            value = b"" if where & 0x40 else b"\1\7"
            changed = bytes([where | key]) + value
            if not where & 0x80:
                store(f"device-{where}-{key}", thing(1, record(68, 0x21, changes=changed)),
                      thing(7, record(69, 0x21, changes=changed), b"\5"))
            store(f"host-{where}-{key}", device, host(how=70, changes=changed), steps=listed)
    store("ids", thing(1, record(68, 0x21, changes=b"\2\6\2\x09\0")), thing(7, record(2, 0x71)), thing(13, record(2, 0x11)))
    store("ids-same", thing(1, record(2, 0x21)), thing(7, record(2, 0xa1)), thing(13, record(1, 3)))
    store("ids-none", thing(1, record(68, 0x21, changes=b"\x42")))
    store("many", thing(1, *[b"\2"] * 5), thing(2, *[b"\4"] * 5))
    for length in (250, 251, 252, 253, 254, 255):
        store(f"name-{length}", thing(length, record(2, 0x21)))
    head = struct.pack("<III", 0, 400, 0) + bytes(4)
    for name, content in (("short", b""), ("zero", b"\1" * 20), ("long", struct.pack("<III", 0, 1 << 24, 0)), ("cut", head)):
        store(f"record-{name}", thing(1, b"\7" + bytes([len(content)]) + content + b"\4\0"), device)
        store(f"record-whole-{name}", thing(1, b"\7" + bytes([len(content)]) + content + b"\4\x80"), device)


def sysfs():
    """Folders of sysfs that change, and events (fuzz_sysfs.c)."""
    def make(name=0, root=0):
        return bytes([1 + name * 8 + root * 128])

    def change(attribute, content, name=0, root=0):
        return bytes([3, name + root * 128, attribute, len(content)]) + content

    def event(*lines):
        return bytes([0, len(lines)]) + b"".join(bytes([line]) if isinstance(line, int) else bytes([128 + len(line)]) + line
                                                 for line in lines)

    def node(content):
        return bytes([7, len(content)]) + content

    look, later, much_later, usb, resource, config = b"\5", b"\6", b"\x46", 3, 3, 4
    found = make(usb, 1) + later * 2
    put("sysfs", "usb", b"\1" + found + node(b"") + later + b"\x9a" + later)
    put("sysfs", "usb-not-started", b"\0" + found)
    put("sysfs", "usb-locked", b"\1" + node(b"") + found + much_later * 3 + b"\x9a" + later * 2)
    put("sysfs", "usb-locked-for-a-time", b"\1" + node(b"") + found + b"\x0f\0" + later * 2)
    put("sysfs", "usb-two", b"\1" + found + make(7, 1) + change(11, b"18\n", 7, 1) + later + change(10, b"2\n", usb, 1) + later * 2)
    put("sysfs", "usb-two-locked", b"\1" + node(b"") + found + make(7, 1) + change(11, b"18\n", 7, 1) + later * 3)
    put("sysfs", "no-events", b"\5" + found + later)
    put("sysfs", "full", b"\x0b" + make(1) + later)
    put("sysfs", "usb-hub", b"\1" + make(usb, 1) + change(12, b"09\n", usb, 1) + later)
    put("sysfs", "usb-unsettled", b"\1" + make(usb, 1) + change(13, b"\n", usb, 1) + later + change(13, b"1\n", usb, 1) + later)
    for length in (1, 18, 26, 27):
        put("sysfs", f"usb-node-{length}", b"\1" + node(b"\x12\1" + b"\2" * (length - 1)) + found)
    put("sysfs", "nothing", b"\0" + look + later)
    put("sysfs", "there", b"\3" + look + later + later)
    put("sysfs", "not-started", b"\2" + look + later)
    put("sysfs", "come-and-go", b"\1" + make() + event(0, 3) + later + make(1) + later + b"\2" + later + look + b"\x0a" + later)
    put("sysfs", "another", b"\3" + later + b"\2" + make() + later + later)
    for line in range(8):
        put("sysfs", f"event-{line}", b"\3" + event(0, line) + event(line, 0x40 + line, 3) + later)
    put("sysfs", "event-bytes", b"\3" + event(b"\0\0", b"SUBSYSTEM=pc", b"DEVTYPE=usb_" + b"x" * 100) + event() + later)
    put("sysfs", "events", b"\3" + event(0, 1) * 12 + later)
    for name in range(8):
        put("sysfs", f"name-{name}", b"\1" + make(name) + make(name, 1) + look + later + b"\2" + later)
    texts = (b"", b"\n", b"x", b"0x\n", b"fffffffff\n", b"0xffffffff\n", b"\1\x7f\xff\n", b"-1", b"060400\n", b"9\n", b"09\n", b"1" * 120)
    for attribute in range(16):
        for number, text in enumerate(texts):
            put("sysfs", f"attribute-{attribute}-{number}", b"\1" + make() + make(usb, 1) + change(attribute, text) +
                change(attribute, text, usb, 1) + look + later)
    for number, text in enumerate((b"0 fff 200\n" * 6, b"0 ffffffffffffffff 200\n" * 6, b"1000 fff 200\n" * 6, b"0 fff 20000200\n" * 6,
                                   b"0 ff 200\n" * 6, b"10 100f 200\n" * 6, b"0 fff 100\n" * 6, b"0 fff 0\n" * 6, b"0 fff 200\n" * 5,
                                   b"0 fff\n", b"0 fff 100200\n" * 6)):
        put("sysfs", f"resource-{number}", b"\1" + make() + change(resource, text) + look + later)
    for number, text in enumerate((b"", b"\0" * 5, b"\0" * 6, b"\0" * 4 + b"\6\0", b"\0" * 4 + b"\xff\xff", b"\0" * 64)):
        put("sysfs", f"config-{number}", b"\1" + make() + change(config, text) + look + look)


def access():
    """Access files, seats, and who asks (fuzz_access.c)."""
    def ask(who, driver):
        return bytes([0, next(byte for byte in range(256) if byte & 0xf0 == who and byte % 5 == driver)])

    asks = b"".join(ask(who, driver) for who in (0, 0x10, 0x30, 0x50) for driver in range(5)
                    if who == 0 or driver < 2) + ask(0x80, 0)

    def file(content, how=0):
        return bytes([how]) + struct.pack("<H", len(content)) + content

    files = {
        "everyone": b"* everyone\n", "names": b"org.example.fuzz user:user group:group\n", "numbers": b"a user:1 group:2000 # group:1\n",
        "seat": b"a seat\n* seat", "unknown": b"a user:none group:none group:4294967295 user:9x everyonee\n",
        "long": b"a " + b"x" * 1100 + b"\n", "longest": b"a" * 1022 + b"\n* everyone\n", "nul": b"a\0everyone\n* everyone",
        "nobody": b"a\n\n#\n \t* \r\n", "lines": b"a everyone\na user:user\n" * 30, "words": b"* " + b"user:user " * 90, "empty": b"",
    }
    for name, content in files.items():
        for seat in (b"", b"ACTIVE_UID=1\n", b"# x\nACTIVE_UID=\nACTIVE_UID=1x\nACTIVE_UID=4294967296\n", b"a" * 250):
            put("access", f"{name}-{len(seat)}", file(content) + bytes([len(seat)]) + seat + asks)
        put("access", f"{name}-changed", file(b"* everyone\n") + b"\0" + asks[:4] + b"\1\0" + file(content)[1:] + b"\0" + asks)
    for how in (1, 2, 3, 4, 5, 6, 7, 0x40, 0x80):
        put("access", f"file-{how}", file(b"* seat\n", how) + b"\0" + asks)
        put("access", f"file-becomes-{how}", file(b"a everyone\n") + b"\0" + asks[:4] + b"\1" + file(b"* seat\n", how) + b"\0" + asks)


property_lists()
objects()
traces()
bundles()
matching()
hosts()
clients()
registries()
registry_clients()
controls()
rings()
usb()
packets()
specs()
stores()
sysfs()
access()
