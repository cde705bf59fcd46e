/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SET_PROPERTIES: handed on to the service's host as it is, and answered when the host answers,
 * which may take the driver as long as it likes. What is under way is kept with the host, at most
 * DEXT_LIMIT_SETTINGS_HOST of them, also for apps that have gone meanwhile. The registry's one
 * thread.
 */
#include "registry_private.h"

#include "bounds.h"
#include "log.h"
#include "packet.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

struct setting {
	struct client *client; /* NULL: it has gone */
	struct packet_header request;
	uint64_t number;
	struct setting *next;
};

static IOReturn
send(struct host *host, const struct packet *packet, uint64_t number)
{
	struct packet_header header = {.type = PACKET_HOST_SET_PROPERTIES};
	size_t length = packet->body_length - sizeof(struct id_body);
	struct set_properties_body body = {.number = number};
	uint8_t *message = malloc(sizeof(body) + length);
	IOReturn status;

	if (message == NULL)
		return kIOReturnNoMemory;
	memcpy(&body.id, packet->body, sizeof(body.id));
	memcpy(message, &body, sizeof(body));
	memcpy(message + sizeof(body), packet->body + sizeof(struct id_body), length);
	status =
		packet_send(host->control, &header, message, sizeof(body) + length, NULL, 0, false);
	free(message);
	return status;
}

IOReturn
settings_begin(struct host *host, struct client *client, const struct packet *packet)
{
	struct setting *setting, **last = &host->settings;
	unsigned count = 0;
	IOReturn status;

	for (; *last != NULL; last = &(*last)->next)
		count++;
	if (host->control < 0 || host->state != HOST_STARTED)
		return kIOReturnNotFound;
	if (count >= DEXT_LIMIT_SETTINGS_HOST) {
		log_error("a driver has DEXT_LIMIT_SETTINGS_HOST (%u) settings of properties to "
			  "answer; one more is refused",
			  count);
		return kIOReturnNoResources;
	}
	setting = calloc(1, sizeof(*setting));
	if (setting == NULL)
		return kIOReturnNoMemory;
	setting->client = client;
	setting->request = *packet->header;
	setting->number = ++host->last_setting;
	status = send(host, packet, setting->number);
	if (status != kIOReturnSuccess) {
		log_error("properties could not be handed to a driver: its host takes no message "
			  "(%s)",
			  status_string(status));
		free(setting);
		return status == kIOReturnNotReady ? kIOReturnBusy : status;
	}
	*last = setting;
	return kIOReturnSuccess;
}

static void
finish_take(struct setting *setting, IOReturn status)
{
	if (setting->client != NULL)
		server_reply_late(setting->client, &setting->request, status);
	free(setting);
}

IOReturn
settings_answered(struct host *host, uint64_t number, IOReturn status)
{
	struct setting **link = &host->settings, *setting;

	while (*link != NULL && (*link)->number != number)
		link = &(*link)->next;
	setting = *link;
	if (setting == NULL)
		return number <= host->first_setting ? kIOReturnSuccess : kIOReturnIPCError;
	*link = setting->next;
	finish_take(setting, status);
	return kIOReturnSuccess;
}

void
settings_end(struct host *host)
{
	struct setting *setting;

	while ((setting = host->settings) != NULL) {
		host->settings = setting->next;
		finish_take(setting, kIOReturnOffline);
	}
}

void
settings_forget_client(struct registry *registry, const struct client *client)
{
	for (struct host *host = registry->hosts; host != NULL; host = host->next) {
		for (struct setting *at = host->settings; at != NULL; at = at->next) {
			if (at->client == client)
				at->client = NULL;
		}
	}
}
