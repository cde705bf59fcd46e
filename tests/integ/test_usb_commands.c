/* SPDX-License-Identifier: Apache-2.0 */
/* dext devices, bind and unbind, on a tree that looks as sysfs does. */
#include "harness.h"
#include "shell.h"
#include "unit.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

static char folder[] = "/tmp/opendext-usb-XXXXXX";

/* What is in the tree: a hub, a virtual sink's ids with one bulk interface, a keyboard and more. */
static const char tree[] =
	"set -e; mkdir -p \"$S\"; cd \"$S\"\n"
	"dev() { mkdir \"$1\"; cd \"$1\"; echo $2 >busnum; echo $3 >devnum; echo $4 >idVendor; "
	"echo $5 "
	">idProduct; echo 0100 >bcdDevice; echo $6 >bDeviceClass; echo 1 >bConfigurationValue; "
	"echo "
	"480 >speed; cd ..; }\n"
	"face() { mkdir \"$1\"; cd \"$1\"; echo $2 >bInterfaceNumber; echo ' 0' "
	">bAlternateSetting; "
	"echo $3 >bInterfaceClass; echo $4 >bInterfaceSubClass; echo $5 >bInterfaceProtocol; cd "
	"..; }\n"
	"end() { mkdir \"$1/$2\"; echo $3 >\"$1/$2/type\"; }\n"
	"dev usb1 1 1 1d6b 0002 09; face 1-0:1.0 00 09 00 00; end 1-0:1.0 ep_81 Interrupt\n"
	"dev 1-2.3 1 17 1209 0d01 00; face 1-2.3:1.0 00 ff 00 00; end 1-2.3:1.0 ep_01 Bulk\n"
	"echo Maker >1-2.3/manufacturer; echo Sink >1-2.3/product; printf 'S\\033[1mN\\n' "
	">1-2.3/serial\n"
	"dev 1-1 1 5 046d c31c 00; face 1-1:1.1 01 03 00 00; face 1-1:1.0 00 03 01 01\n"
	"end 1-1:1.0 ep_81 Interrupt; ln -s ../../../bus/usb/drivers/usbhid 1-1:1.0/driver\n"
	"dev 2-1 2 3 1234 5678 00; face 2-1:1.2 02 ff 01 02; end 2-1:1.2 ep_82 Bulk\n"
	"ln -s ../x/usbfs 2-1:1.2/driver; mkdir not-a-device\n";

static void
make_tree(void)
{
	char sysfs[64];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(sysfs, sizeof(sysfs), "%s/sysfs", folder);
	setenv("F", folder, 1);
	setenv("S", sysfs, 1);
	setenv("TREE", tree, 1);
	setenv("OPENDEXT_RUNTIME_DIR", "/nonexistent", 1);
	ck_assert_msg(run("sh -c \"$TREE\"") == 0, "%s", said);
}

static void
remove_tree(void)
{
	ck_assert_int_eq(run("rm -r \"$F\""), 0);
}

START_TEST(lists_devices_and_who_has_them)
{
	static const char expected[] =
		"1-1        001:005  046d:c31c     480  \n"
		"  interface 0   class 03/01/01  kernel: usbhid\n"
		"  interface 1   class 03/00/00  nobody\n"
		"1-2.3      001:017  1209:0d01     480  Maker Sink, serial number S?[1mN\n"
		"  interface 0   class ff/00/00  nobody\n"
		"2-1        002:003  1234:5678     480  \n"
		"  interface 2   class ff/01/02  a program, by usbfs\n";

	make_tree();
	ck_assert_int_eq(run("$DEXT devices --sysfs $S"), 0);
	ck_assert_str_eq(said, expected);
	ck_assert_int_eq(run("$DEXT devices --all --sysfs $S"), 0);
	check_said("usb1       001:001  1d6b:0002");
	ck_assert_int_eq(run("$DEXT devices --json --sysfs $S | tr -d ' \\n'"), 0);
	check_said(
		"[{\"path\":\"1-1\",\"bus\":1,\"device\":5,\"idVendor\":1133,\"idProduct\":49948,"
		"\"bcdDevice\":256,\"class\":0,\"configuration\":1,\"speed\":\"480\","
		"\"manufacturer\":null,\"product\":null,\"serial\":null,\"interfaces\":[{"
		"\"number\":0,\"alternate\":0,\"class\":3,\"subclass\":1,\"protocol\":1,"
		"\"kernelDriver\":\"usbhid\",\"owner\":\"kernel\",\"service\":null,"
		"\"bundle\":null}");
	check_said("\"owner\":\"program\"");
	ck_assert_int_eq(run("$DEXT devices --sysfs $F/none"), 7);
	check_said("No such file");
	ck_assert_int_eq(run("$DEXT devices sink"), 2);
	ck_assert_int_eq(run("$DEXT devices --help"), 0);
	remove_tree();
}
END_TEST

/* The bundle works: bulkstream serves the device that it names. */
START_TEST(binds_and_serves)
{
	make_tree();
	setenv("B", "bulkstream-1209-0d01-0.dext", 1);
	ck_assert_int_eq(run("$DEXT bind --dry-run --sysfs $S -o $F/b 1209:0d01 bulkstream"), 0);
	check_said("<string>org.opendext.bulkstream.1209-0d01-0</string>");
	check_said("<integer>3329</integer>");
	ck_assert_int_eq(run("! test -e $F/b"), 0);
	ck_assert_int_eq(run("$DEXT bind --sysfs $S -o $F/b --driver $BULK/bulkstream.so "
			     "1209:0d01 bulkstream"),
			 0);
	check_said("bulkstream-1209-0d01-0.dext");
	check_said("dextd --bundles");
	ck_assert_int_eq(run("ls -A $F/b"), 0);
	ck_assert_str_eq(said, "bulkstream-1209-0d01-0.dext\n");
	ck_assert_int_eq(
		run("unset OPENDEXT_RUNTIME_DIR; $DEXT run $F/b/$B --virtual sink -- sh -c "
		    "'$DEXT list; head -c 100000 /dev/zero | $DEXT send -'"),
		0);
	check_said("org.opendext.bulkstream.1209-0d01-0");
	remove_tree();
}
END_TEST

START_TEST(replaces_when_told_and_unbinds)
{
	make_tree();
	setenv("BIND", "$DEXT bind --sysfs $S -o $F/b --driver $BULK/bulkstream.so", 1);
	ck_assert_int_eq(run("eval \"$BIND 1209:0d01:0 bulkstream\""), 0);
	ck_assert_int_eq(run("eval \"$BIND 1209:0d01:0 bulkstream\""), 4);
	check_said("is there already; --force replaces it");
	ck_assert_int_eq(run("echo changed >$F/b/*/Info.plist; eval \"$BIND --force 1209:0d01:0 "
			     "bulkstream\" && ! grep -q changed $F/b/*/Info.plist && ls -A $F/b"),
			 0);
	ck_assert_ptr_null(strstr(said, "\n."));
	ck_assert_int_eq(run("touch $F/b/bulkstream-1209-0d01-0.dext/mine; $DEXT unbind -o $F/b "
			     "1209:0d01"),
			 1);
	check_said("something else in it");
	ck_assert_int_eq(run("test -e $F/b/*/Info.plist && rm $F/b/*/mine && $DEXT unbind -o $F/b "
			     "1209:0d01:0 && ls -A $F/b"),
			 0);
	ck_assert_str_eq(said, "");
	ck_assert_int_eq(run("$DEXT unbind -o $F/b 1209:0d01:0"), 3);
	remove_tree();
}
END_TEST

START_TEST(looks_at_what_is_plugged)
{
	make_tree();
	ck_assert_int_eq(run("$DEXT bind -o $F/b --sysfs $S 046d:c31c bulkstream"), 2);
	check_said("several interfaces");
	check_said("interface 0: class 03/01/01, no bulk endpoint, kernel driver usbhid");
	ck_assert_int_eq(run("$DEXT bind -o $F/b --sysfs $S 046d:c31c:0 bulkstream"), 3);
	check_said("has no bulk endpoint");
	ck_assert_int_eq(run("$DEXT bind -o $F/b --sysfs $S 1234:5678:0 bulkstream"), 3);
	check_said("has no such interface");
	ck_assert_int_eq(run("$DEXT bind -n -o $F/b --sysfs $S 1234:5678 bulkstream"), 2);
	ck_assert_int_eq(run("$DEXT bind --dry-run --sysfs $S 1234:5678 bulkstream"), 0);
	check_said("bulkstream.1234-5678-2<");
	ck_assert_int_eq(run("$DEXT bind --dry-run --sysfs $S aaaa:bbbb bulkstream"), 0);
	check_said("no aaaa:bbbb is plugged");
	ck_assert_int_eq(run("$DEXT bind --dry-run --force --sysfs $S 046d:c31c:9 bulkstream"), 0);
	ck_assert_int_eq(run("! test -e $F/b"), 0);
	remove_tree();
}
END_TEST

START_TEST(mistakes_are_named)
{
	static const char *const bad[] = {"1209",
					  "1209:",
					  ":0d01",
					  "12090:0d01",
					  "1209:0d01:",
					  "1209:0d01:256",
					  "1209:0d01:a",
					  "1209:0d01:0:0",
					  "-1:1",
					  "1209: d01",
					  ""};

	make_tree();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(run("$DEXT bind --dry-run --sysfs $S -- '%s' bulkstream", bad[i]) ==
				      2,
			      "'%s': %s", bad[i], said);
		check_said("is not VID:PID");
	}
	ck_assert_int_eq(run("$DEXT bind --sysfs $S 1209:0d01 ftdi"), 2);
	check_said("no generic driver 'ftdi'");
	ck_assert_int_eq(run("$DEXT bind --sysfs $S 1209:0d01"), 2);
	ck_assert_int_eq(run("$DEXT bind --sysfs $S -o $F/b --driver $F/none 1209:0d01 bulkstream"),
			 3);
	ck_assert_int_eq(run("$DEXT bind --sysfs $S -o /proc/none 1209:0d01 bulkstream"), 7);
	ck_assert_int_eq(run("$DEXT bind --help && $DEXT unbind --help"), 0);
	ck_assert_int_eq(run("$DEXT unbind"), 2);
	remove_tree();
}
END_TEST

UNIT_MAIN("usb commands", lists_devices_and_who_has_them, binds_and_serves,
	  replaces_when_told_and_unbinds, looks_at_what_is_plugged, mistakes_are_named)
