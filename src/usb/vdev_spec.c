/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses the spec of a virtual device. Pure functions; any thread. What is not understood is
 * refused with a sentence, never guessed.
 */
#include "vdev_spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <USBDriverKit/AppleUSBDefinitions.h>
#include <dext_virtual.h>

#define OPTION_MAX  64u
#define LATENCY_MAX UINT64_C(60000000) /* us: a minute */
#define LATE_MAX    UINT64_C(60000)    /* ms: the same */

struct word {
	const char *text;
	size_t length;
};

static const struct {
	const char *name;
	enum vdev_kind kind;
} kinds[] = {
	{"sink", VDEV_SINK},
	{"source", VDEV_SOURCE},
	{"loopback", VDEV_LOOPBACK},
	{"ftdi", VDEV_FTDI},
};

static const struct {
	const char *name;
	uint8_t speed;
} speeds[] = {
	{"full", kIOUSBHostConnectionSpeedFull},
	{"high", kIOUSBHostConnectionSpeedHigh},
	{"super", kIOUSBHostConnectionSpeedSuper},
};

static bool
is(struct word word, const char *name)
{
	return strlen(name) == word.length && memcmp(word.text, name, word.length) == 0;
}

/* Decimal digits only: strtoull alone would take a sign and blanks. */
static bool
number(struct word word, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	char digits[21];
	uint64_t value;

	if (word.length == 0 || word.length >= sizeof(digits))
		return false;
	memcpy(digits, word.text, word.length);
	digits[word.length] = '\0';
	if (strspn(digits, "0123456789") != word.length)
		return false;
	errno = 0;
	value = strtoull(digits, NULL, 10);
	if (errno != 0 || value < min || value > max)
		return false;
	*ret_value = value;
	return true;
}

static bool
speed(struct word value, struct vdev_spec *spec)
{
	for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
		if (is(value, speeds[i].name)) {
			spec->speed = speeds[i].speed;
			return true;
		}
	}
	return false;
}

static bool
serial(struct word value, struct vdev_spec *spec)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_";

	if (value.length == 0 || value.length > VDEV_SERIAL_MAX ||
	    strspn(value.text, allowed) < value.length)
		return false;
	memcpy(spec->serial, value.text, value.length);
	spec->serial[value.length] = '\0';
	return true;
}

/* What the value of an option must look like, or NULL if it is good. */
static const char *
set(struct vdev_spec *spec, struct word name, struct word value, bool has_value, bool *ret_known)
{
	static const char count[] = "a number of 1 or more";
	uint64_t baud;

	*ret_known = true;
	if (is(name, "speed"))
		return speed(value, spec) ? NULL : "full, high or super";
	if (is(name, "serial"))
		return serial(value, spec) ? NULL : "1 to 31 letters, digits, '.', '-' or '_'";
	if (is(name, "latency")) {
		if (!number(value, 0, LATENCY_MAX, &spec->latency))
			return "microseconds, from 0 to 60000000";
		spec->latency *= 1000;
		return NULL;
	}
	if (is(name, "stall-every"))
		return number(value, 1, UINT64_MAX, &spec->stall_every) ? NULL : count;
	if (is(name, "short-every"))
		return number(value, 1, UINT64_MAX, &spec->short_every) ? NULL : count;
	if (is(name, "corrupt-every"))
		return number(value, 1, UINT64_MAX, &spec->corrupt_every) ? NULL : count;
	if (is(name, "unplug-after"))
		return number(value, 1, VDEV_NEVER - 1, &spec->unplug_after) ? NULL : count;
	if (is(name, "unplug-late")) {
		if (!number(value, 0, LATE_MAX, &spec->unplug_late))
			return "milliseconds, from 0 to 60000";
		spec->unplug_late *= 1000000;
		return NULL;
	}
	if (is(name, "baud")) {
		if (!number(value, 1, UINT32_MAX, &baud))
			return "bits a second, 1 or more";
		spec->baud = (uint32_t)baud;
		return NULL;
	}
	if (is(name, "nak")) {
		spec->nak_after = 0;
		if (has_value && !number(value, 0, VDEV_NEVER - 1, &spec->nak_after))
			return "a number of bytes, or nothing";
		return NULL;
	}
	if (is(name, "nak-control")) {
		spec->nak_control = true;
		return has_value ? "no value" : NULL;
	}
	*ret_known = false;
	return "";
}

static bool
option(struct vdev_spec *spec, struct word word, char *error, size_t size)
{
	const char *equals = memchr(word.text, '=', word.length);
	struct word name = {word.text, equals != NULL ? (size_t)(equals - word.text) : word.length};
	struct word value = {word.text + name.length, 0};
	const char *wanted;
	bool known;

	if (equals != NULL) {
		value.text = equals + 1;
		value.length = word.length - name.length - 1;
	}
	wanted = set(spec, name, value, equals != NULL, &known);
	if (wanted == NULL)
		return true;
	if (word.length > OPTION_MAX)
		word.length = OPTION_MAX;
	if (known)
		snprintf(error, size, "virtual device: '%.*s': the option '%.*s' wants %s",
			 (int)word.length, word.text, (int)name.length, name.text, wanted);
	else
		snprintf(error, size,
			 "virtual device: there is no option '%.*s'; there are speed, latency, "
			 "stall-every, short-every, corrupt-every, nak, nak-control, serial, baud, "
			 "unplug-after and unplug-late",
			 (int)(name.length > OPTION_MAX ? OPTION_MAX : name.length), name.text);
	return false;
}

static bool
kind(struct vdev_spec *spec, struct word word, char *error, size_t size)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (is(word, kinds[i].name)) {
			spec->kind = kinds[i].kind;
			return true;
		}
	}
	snprintf(error, size,
		 "virtual device: there is no model '%.*s'; there are sink, source, loopback "
		 "and ftdi",
		 (int)(word.length > OPTION_MAX ? OPTION_MAX : word.length), word.text);
	return false;
}

IOReturn
vdev_spec_parse(const char *text, struct vdev_spec *ret_spec, char *error, size_t size)
{
	struct vdev_spec spec = {
		.speed = kIOUSBHostConnectionSpeedHigh,
		.nak_after = VDEV_NEVER,
		.unplug_after = VDEV_NEVER,
		.serial = "virtual",
	};
	struct word word = {text, strcspn(text, ":,")};

	if (!kind(&spec, word, error, size))
		return kIOReturnBadArgument;
	if (spec.kind == VDEV_FTDI)
		spec.speed = kIOUSBHostConnectionSpeedFull;
	while (word.text[word.length] != '\0') {
		word.text += word.length + 1;
		word.length = strcspn(word.text, ":,");
		if (!option(&spec, word, error, size))
			return kIOReturnBadArgument;
	}
	if (spec.short_every != 0 && spec.kind != VDEV_SOURCE) {
		snprintf(error, size,
			 "virtual device: the option 'short-every' is for the source; the packets "
			 "of a %s are as long as those that were sent to it",
			 spec.kind == VDEV_SINK	      ? "sink"
			 : spec.kind == VDEV_LOOPBACK ? "loopback"
						      : "ftdi");
		return kIOReturnBadArgument;
	}
	if (spec.baud != 0 && spec.kind != VDEV_FTDI) {
		snprintf(error, size, "virtual device: the option 'baud' is for ftdi");
		return kIOReturnBadArgument;
	}
	*ret_spec = spec;
	return kIOReturnSuccess;
}

bool
vdev_spec_has_out(const struct vdev_spec *spec)
{
	return spec->kind != VDEV_SOURCE;
}

bool
vdev_spec_has_in(const struct vdev_spec *spec)
{
	return spec->kind != VDEV_SINK;
}

uint8_t
vdev_spec_last_setting(const struct vdev_spec *spec)
{
	return spec->kind == VDEV_FTDI ? 0 : DEXT_VIRTUAL_SETTING_INTERRUPT;
}

uint16_t
vdev_spec_packet(const struct vdev_spec *spec)
{
	if (spec->speed == kIOUSBHostConnectionSpeedFull)
		return 64;
	return spec->speed == kIOUSBHostConnectionSpeedHigh ? 512 : 1024;
}
