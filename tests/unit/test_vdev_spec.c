/* SPDX-License-Identifier: Apache-2.0 */
/* The spec of virtual devices: each option, and that each mistake is named. */
#include "unit.h"

#include <USBDriverKit/AppleUSBDefinitions.h>

#include "vdev_spec.h"

static char error[256];

static struct vdev_spec
good(const char *text)
{
	struct vdev_spec spec;

	error[0] = '\0';
	ck_assert_msg(vdev_spec_parse(text, &spec, error, sizeof(error)) == kIOReturnSuccess, "%s",
		      error);
	return spec;
}

/* Refused, with a sentence that has `word` in it, and nothing written. */
static void
bad(const char *text, const char *word)
{
	struct vdev_spec spec, before;

	memset(&spec, 0x5a, sizeof(spec));
	memcpy(&before, &spec, sizeof(spec));
	ck_assert_int_eq(vdev_spec_parse(text, &spec, error, sizeof(error)), kIOReturnBadArgument);
	ck_assert_msg(strstr(error, word) != NULL, "'%s' does not name '%s'", error, word);
	ck_assert_mem_eq(&spec, &before, sizeof(spec));
}

START_TEST(names_alone_are_the_defaults)
{
	struct vdev_spec spec = good("sink");

	ck_assert_int_eq(spec.kind, VDEV_SINK);
	ck_assert_uint_eq(spec.speed, kIOUSBHostConnectionSpeedHigh);
	ck_assert_uint_eq(spec.latency, 0);
	ck_assert_uint_eq(spec.stall_every, 0);
	ck_assert_uint_eq(spec.short_every, 0);
	ck_assert_uint_eq(spec.corrupt_every, 0);
	ck_assert_uint_eq(spec.nak_after, VDEV_NEVER);
	ck_assert_uint_eq(spec.unplug_after, VDEV_NEVER);
	ck_assert_uint_eq(spec.unplug_late, 0);
	ck_assert(vdev_spec_has_out(&spec) && !vdev_spec_has_in(&spec));
	spec = good("source");
	ck_assert(!vdev_spec_has_out(&spec) && vdev_spec_has_in(&spec));
	spec = good("loopback");
	ck_assert(vdev_spec_has_out(&spec) && vdev_spec_has_in(&spec));
	spec = good("ftdi");
	ck_assert(vdev_spec_has_out(&spec) && vdev_spec_has_in(&spec));
	ck_assert_uint_eq(vdev_spec_packet(&spec), 64);
	ck_assert_uint_eq(vdev_spec_last_setting(&spec), 0);
	ck_assert_uint_eq(good("ftdi,baud=4294967295").baud, UINT32_MAX);
	ck_assert_uint_eq(vdev_spec_packet(&spec), 64);
}
END_TEST

START_TEST(options_after_colon_or_comma)
{
	struct vdev_spec spec = good("loopback:speed=super,stall-every=100:latency=7");

	ck_assert_uint_eq(vdev_spec_packet(&spec), 1024);
	ck_assert_uint_eq(spec.stall_every, 100);
	ck_assert_uint_eq(spec.latency, 7000);
	spec = good("source,short-every=3,corrupt-every=5,unplug-after=4096,speed=full");
	ck_assert_uint_eq(spec.short_every, 3);
	ck_assert_uint_eq(spec.corrupt_every, 5);
	ck_assert_uint_eq(spec.unplug_after, 4096);
	ck_assert_uint_eq(vdev_spec_packet(&spec), 64);
	ck_assert_uint_eq(good("sink:unplug-after=1:unplug-late=250").unplug_late, 250000000);
	spec = good("sink:nak");
	ck_assert_uint_eq(spec.nak_after, 0);
	ck_assert_uint_eq(vdev_spec_packet(&spec), 512);
	spec = good("sink:nak=8192");
	ck_assert_uint_eq(spec.nak_after, 8192);
	ck_assert_str_eq(spec.serial, "virtual");
	ck_assert(!spec.nak_control);
	spec = good("sink:nak-control");
	ck_assert(spec.nak_control);
	ck_assert_uint_eq(spec.nak_after, VDEV_NEVER);
	spec = good("sink:serial=AB-1.2_z,nak");
	ck_assert_str_eq(spec.serial, "AB-1.2_z");
	spec = good("sink:serial=1234567890123456789012345678901");
	ck_assert_uint_eq(strlen(spec.serial), VDEV_SERIAL_MAX);
}
END_TEST

START_TEST(mistakes_are_named)
{
	bad("", "model");
	bad("tape", "tape");
	bad("sinks", "sinks");
	bad("sink:", "option");
	bad("sink:spede=high", "spede");
	bad("sink:speed=warp", "speed");
	bad("sink:speed", "speed");
	bad("sink,stall-every=0", "stall-every");
	bad("sink,stall-every=-1", "stall-every");
	bad("sink,stall-every=1x", "stall-every");
	bad("sink,stall-every= 1", "stall-every");
	bad("sink,corrupt-every=99999999999999999999", "corrupt-every");
	bad("sink,latency=60000001", "latency");
	bad("sink,unplug-after=0", "unplug-after");
	bad("sink,unplug-late=60001", "unplug-late");
	bad("sink,nak=", "nak");
	bad("sink,nak-control=1", "nak-control");
	bad("sink,serial", "serial");
	bad("sink,serial=", "serial");
	bad("sink,serial=a b", "serial");
	bad("sink,serial=12345678901234567890123456789012", "serial");
	bad("sink,short-every=2", "short-every");
	bad("loopback,short-every=2", "short-every");
	bad("ftdi,short-every=2", "short-every");
	bad("ftdi,baud=0", "baud");
	bad("ftdi,baud=4294967296", "baud");
	bad("loopback,baud=9600", "baud");
}
END_TEST

UNIT_MAIN("vdev_spec", names_alone_are_the_defaults, options_after_colon_or_comma,
	  mistakes_are_named)
