/* SPDX-License-Identifier: Apache-2.0 */
/* Each way is a word to the kernel, by a file of sysfs or configfs, and another one for the way
 * back. */
#include "plugging.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES "/sys/bus/usb/devices"

static const char *const ways[] = {
	[PLUGGING_UDC] = "udc",
	[PLUGGING_PORT] = "port",
	[PLUGGING_REMOVE] = "remove",
	[PLUGGING_CONTROLLER] = "controller",
	[PLUGGING_AUTHORIZED] = "authorized",
	[PLUGGING_QEMU] = "qemu",
};

static _Noreturn void
die(const char *what)
{
	perror(what);
	exit(1);
}

__attribute__((format(printf, 2, 3))) static void
say(const char *word, const char *format, ...)
{
	char path[PATH_MAX];
	va_list list;
	FILE *file;

	va_start(list, format);
	vsnprintf(path, sizeof(path), format, list);
	va_end(list);
	file = fopen(path, "we");
	if (file == NULL || fprintf(file, "%s\n", word) < 0 || fclose(file) != 0)
		die(path);
}

static enum plugging_way
parse_way(const char *word)
{
	enum plugging_way way = PLUGGING_UDC;

	while (word == NULL || strcmp(ways[way], word) != 0)
		if (way++ == PLUGGING_QEMU)
			die("WAY");
	return way;
}

void
plugging_begin(struct plugging *plugging, const char *ids)
{
	char usb[16], link[128], driver[PATH_MAX + 8];
	FILE *file;

	memset(plugging, 0, sizeof(*plugging));
	plugging->way = parse_way(getenv("WAY"));
	plugging->udc = getenv("UDC");
	if (plugging->udc != NULL &&
	    ((file = fopen(plugging->udc, "re")) == NULL ||
	     fscanf(file, "%63s", plugging->peripheral) != 1 || fclose(file) != 0))
		die(plugging->udc);
	if (!plugged_find(ids, usb, plugging->name))
		die(ids);
	/* CONTROLLER/usb3/3-1: every device of the suite is at a root hub. */
	snprintf(link, sizeof(link), DEVICES "/%s", plugging->name);
	if (realpath(link, plugging->controller) == NULL)
		die(link);
	for (int up = 0; up < 2; up++)
		*strrchr(plugging->controller, '/') = '\0';
	snprintf(driver, sizeof(driver), "%s/driver", plugging->controller);
	if (realpath(driver, plugging->driver) == NULL)
		die(driver);
}

static void
ask_host(const char *word)
{
	printf("vm: host %s\n", word);
	fflush(stdout);
}

/* The number of its port: "3-1" is at port 1 of bus 3. */
static void
disable_port(const struct plugging *plugging, bool disabled)
{
	int bus = 0, port = 0;

	if (sscanf(plugging->name, "%d-%d", &bus, &port) != 2)
		die(plugging->name);
	say(disabled ? "1" : "0", DEVICES "/%d-0:1.0/usb%d-port%d/disable", bus, bus, port);
}

static void
use_controller(const struct plugging *plugging, const char *word)
{
	say(strrchr(plugging->controller, '/') + 1, "%s/%s", plugging->driver, word);
}

void
plugging_pull(const struct plugging *plugging)
{
	switch (plugging->way) {
	case PLUGGING_UDC:
		say("", "%s", plugging->udc);
		return;
	case PLUGGING_PORT:
		disable_port(plugging, true);
		return;
	case PLUGGING_REMOVE:
		say("1", DEVICES "/%s/remove", plugging->name);
		return;
	case PLUGGING_CONTROLLER:
		use_controller(plugging, "unbind");
		return;
	case PLUGGING_AUTHORIZED:
		say("0", DEVICES "/%s/authorized", plugging->name);
		return;
	case PLUGGING_QEMU:
		ask_host("pull");
		return;
	}
}

void
plugging_plug(const struct plugging *plugging)
{
	switch (plugging->way) {
	case PLUGGING_PORT:
		disable_port(plugging, false);
		return;
	case PLUGGING_REMOVE: /* the port stays shut until it has seen the device go */
		say("", "%s", plugging->udc);
		say(plugging->peripheral, "%s", plugging->udc);
		return;
	case PLUGGING_UDC:
		say(plugging->peripheral, "%s", plugging->udc);
		return;
	case PLUGGING_CONTROLLER:
		use_controller(plugging, "bind");
		return;
	case PLUGGING_AUTHORIZED:
		say("1", DEVICES "/%s/authorized", plugging->name);
		return;
	case PLUGGING_QEMU:
		ask_host("plug");
		return;
	}
}
