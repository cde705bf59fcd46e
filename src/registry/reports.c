/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registry says of its drivers: how they stand (DRIVER), what they have logged (LOG), and
 * in the properties of their providers what went wrong with them.
 *
 * How drivers stand is everybody's to know. What they have logged is for those who may open them,
 * by the same check. Lines are numbered over all hosts, so that one number says how far an app has
 * read, whatever comes and goes meanwhile. An app may wait for the next line: it has one such
 * request at a time, and a task answers, so that a burst of lines is one answer.
 *
 * One thread, the registry's.
 */
#include "registry_private.h"

#include "bound_settings.h"
#include "packet.h"
#include "policy.h"

#include <stdlib.h>
#include <string.h>

#define REPLY_BYTES  (32u * 1024)
#define CRASH_LINES  40u
#define CRASH_BYTES  (6u * 1024)
#define REPORT_HOSTS 8u

/* --- drivers --- */

static const char *
state_name(const struct host *host)
{
	switch (host->state) {
	case HOST_IDLE:
		return host->crashes > 0 ? "waiting to be started again" : "waiting to be started";
	case HOST_ADOPTED:
	case HOST_STARTING:
		return "starting";
	case HOST_STARTED:
		return "running";
	case HOST_YIELDING:
	case HOST_STOPPING:
		return "stopping";
	case HOST_FAILED:
		return "given up";
	case HOST_ENDED:
		break;
	}
	return "ended";
}

/* The caller releases it; NULL without memory. */
static OSDictionary *
describe(const struct host *host)
{
	const struct bundle *bundle = host->personality->bundle;
	OSDictionary *driver = OSDictionaryCreate(12);

	if (driver == NULL)
		return NULL;
	if (OSDictionarySetUInt64Value(driver, "Number", host->number) &&
	    OSDictionarySetStringValue(driver, "CFBundleIdentifier", bundle->identifier) &&
	    OSDictionarySetStringValue(driver, "IOUserClass", host->personality->user_class) &&
	    OSDictionarySetStringValue(driver, "Executable", bundle->executable) &&
	    OSDictionarySetStringValue(driver, "Device", host->device->label) &&
	    OSDictionarySetUInt64Value(driver, "ProviderID", host->provider->id) &&
	    OSDictionarySetStringValue(driver, "State", state_name(host)) &&
	    OSDictionarySetUInt64Value(driver, "Process", (uint64_t)host->pid) &&
	    OSDictionarySetUInt64Value(driver, "Services", host->published) &&
	    OSDictionarySetUInt64Value(driver, "Crashes", host->crashes) &&
	    (host->reason[0] == '\0' || OSDictionarySetStringValue(driver, "Reason", host->reason)))
		return driver;
	OSRelease(driver);
	return NULL;
}

IOReturn
reports_driver(struct registry *registry, struct client *client, const struct packet *packet)
{
	const struct host *host = registry->hosts;
	OSDictionary *driver;
	struct driver_body body;

	memcpy(&body, packet->body, sizeof(body));
	/* The list is in the order of their numbers. */
	while (host != NULL && host->number <= body.after)
		host = host->next;
	if (host == NULL)
		return server_reply(client, packet->header, kIOReturnNotFound, NULL, 0);
	driver = describe(host);
	for (unsigned i = 0; driver != NULL && i < LIMIT_COUNT; i++)
		OSDictionarySetUInt64Value(driver, limit_settings[i].key,
					   limit_in((enum limit)i, host->personality->properties));
	return server_reply_object_take(client, packet->header, driver);
}

/* --- logs --- */

struct log_wait {
	struct client *client;
	struct packet_header request;
	struct log_body body;
	struct log_wait *next;
};

/* Of those that are asked for and may be seen, the first line after `after`; NULL: none. */
static const struct log_line *
next_line(const struct client *client, const struct log_body *body, uint64_t after,
	  const struct host **ret_host)
{
	const struct log_line *found = NULL;
	char reason[POLICY_REASON_MAX];

	for (const struct host *host = server_registry(client)->hosts; host != NULL;
	     host = host->next) {
		const struct log_line *line = host->log.first;

		if ((body->driver != 0 && host->number != body->driver) || host->log.last == NULL ||
		    host->log.last->sequence <= after)
			continue;
		while (line->sequence <= after)
			line = line->next;
		if ((found == NULL || line->sequence < found->sequence) &&
		    server_allows(client, host, reason)) {
			found = line;
			*ret_host = host;
		}
	}
	return found;
}

/* Returns the bytes that were filled. */
static size_t
collect(const struct client *client, const struct log_body *body, char *reply, size_t size)
{
	const struct log_line *line;
	const struct host *host = NULL;
	uint64_t after = body->after;
	size_t used = 0;

	while ((line = next_line(client, body, after, &host)) != NULL) {
		struct log_record record = {
			.sequence = line->sequence,
			.driver = host->number,
			.time = line->time,
			.process = (uint32_t)line->process,
			.length = line->length,
		};

		if (sizeof(record) + line->length > size - used)
			break;
		memcpy(reply + used, &record, sizeof(record));
		memcpy(reply + used + sizeof(record), line->text, line->length);
		used += sizeof(record) + line->length;
		after = line->sequence;
	}
	return used;
}

/* Whether the driver is there and may be looked at; or whether any is, without a number. */
static IOReturn
check_log(const struct client *client, const struct log_body *body)
{
	char reason[POLICY_REASON_MAX];

	if (body->driver == 0)
		return kIOReturnSuccess;
	for (const struct host *host = server_registry(client)->hosts; host != NULL;
	     host = host->next) {
		if (host->number == body->driver)
			return server_allows(client, host, reason) ? kIOReturnSuccess
								   : kIOReturnNotPermitted;
	}
	return kIOReturnNotFound;
}

static IOReturn
answer(struct client *client, const struct packet_header *request, const struct log_body *body,
       bool *ret_waits)
{
	IOReturn status = check_log(client, body);
	char reply[REPLY_BYTES];
	size_t used = status == kIOReturnSuccess ? collect(client, body, reply, sizeof(reply)) : 0;

	*ret_waits = status == kIOReturnSuccess && used == 0 && (body->flags & LOG_WAIT) != 0;
	return *ret_waits ? kIOReturnSuccess : server_reply(client, request, status, reply, used);
}

IOReturn
reports_log(struct registry *registry, struct client *client, const struct packet *packet)
{
	struct log_wait *wait;
	struct log_body body;
	IOReturn status;
	bool waits;

	memcpy(&body, packet->body, sizeof(body));
	for (wait = registry->log_waits; wait != NULL; wait = wait->next) {
		if (wait->client == client)
			return server_reply(client, packet->header, kIOReturnBusy, NULL, 0);
	}
	status = answer(client, packet->header, &body, &waits);
	if (!waits)
		return status;
	wait = calloc(1, sizeof(*wait));
	if (wait == NULL)
		return server_reply(client, packet->header, kIOReturnNoMemory, NULL, 0);
	*wait = (struct log_wait){client, *packet->header, body, registry->log_waits};
	registry->log_waits = wait;
	return kIOReturnSuccess;
}

static void
tell(struct loop_task *task)
{
	struct registry *registry =
		(struct registry *)((char *)task - offsetof(struct registry, tell_task));
	struct log_wait *wait, *all = registry->log_waits;

	registry->telling = false;
	/* A client that is dropped here looks for its request in the list: it is out of it. */
	registry->log_waits = NULL;
	while ((wait = all) != NULL) {
		bool waits;

		all = wait->next;
		if (answer(wait->client, &wait->request, &wait->body, &waits) != kIOReturnSuccess) {
			server_drop(wait->client);
		} else if (waits) {
			wait->next = registry->log_waits;
			registry->log_waits = wait;
			continue;
		}
		free(wait);
	}
}

void
reports_tell(struct registry *registry)
{
	if (registry->telling || registry->log_waits == NULL)
		return;
	registry->telling = true;
	registry->tell_task.run = tell;
	loop_post(registry->loop, &registry->tell_task);
}

void
reports_forget_client(struct registry *registry, const struct client *client)
{
	struct log_wait **link = &registry->log_waits, *wait;

	while ((wait = *link) != NULL) {
		if (wait->client != client) {
			link = &wait->next;
			continue;
		}
		*link = wait->next;
		free(wait);
	}
}

/* --- crashes --- */

void
reports_forget_crash(struct host *host)
{
	struct log_line *line;

	while ((line = host->crash) != NULL) {
		host->crash = line->next;
		free(line);
	}
}

void
reports_keep_crash(struct host *host)
{
	const struct log_line *line = host->log.first;
	struct log_line **last = &host->crash;
	uint64_t count = host->log.count, bytes = host->log.bytes;

	reports_forget_crash(host);
	for (; line != NULL && (count > CRASH_LINES || bytes > CRASH_BYTES); line = line->next) {
		count--;
		bytes -= line->length;
	}
	for (; line != NULL; line = line->next) {
		struct log_line *copy = malloc(sizeof(*copy) + line->length + 1);

		if (copy == NULL)
			return;
		memcpy(copy, line, sizeof(*copy) + line->length + 1);
		copy->next = NULL;
		*last = copy;
		last = &copy->next;
	}
}

static bool
add_crash_log(const struct host *host, OSDictionary *driver)
{
	OSArray *lines = OSArrayCreate(CRASH_LINES);
	bool complete = lines != NULL;

	for (const struct log_line *line = host->crash; complete && line != NULL;
	     line = line->next) {
		OSString *text = OSStringCreateWithCString(line->text);

		complete = text != NULL && OSArrayAppendValue(lines, text);
		OSSafeReleaseNULL(text);
	}
	complete = complete && OSDictionarySetValue(driver, "Log", lines);
	OSSafeReleaseNULL(lines);
	return complete;
}

static bool
has_something_to_say(const struct host *host, const struct entry *entry)
{
	return host->provider == entry &&
	       (host->crashes > 0 || host->crash != NULL || host->state == HOST_FAILED);
}

OSArray *
reports_create_for(const struct client *client, const struct entry *entry)
{
	char reason[POLICY_REASON_MAX];
	OSArray *reports = NULL;

	for (const struct host *host = server_registry(client)->hosts; host != NULL;
	     host = host->next) {
		OSDictionary *driver;

		if (!has_something_to_say(host, entry))
			continue;
		if (reports == NULL)
			reports = OSArrayCreate(1);
		if (reports == NULL || OSArrayGetCount(reports) == REPORT_HOSTS)
			break;
		driver = describe(host);
		if (driver != NULL && host->crash != NULL && server_allows(client, host, reason))
			add_crash_log(host, driver);
		if (driver != NULL)
			OSArrayAppendValue(reports, driver);
		OSSafeReleaseNULL(driver);
	}
	return reports;
}
