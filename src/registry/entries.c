/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What apps ask about entries: LOOKUP, PROPERTIES, ENTRIES, DESCRIBE. Everybody may look; only the
 * lines of drivers' logs are kept from those who may not open the driver.
 */
#include "registry_private.h"

#include "log.h"
#include "packet.h"
#include "plane.h"
#include "plist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REPORTS_KEY "dext_drivers"
#define IDS_MAX	    DEXT_LIMIT_MATCHES

_Static_assert(IDS_MAX == (PACKET_MAX - sizeof(struct packet_header)) / sizeof(uint64_t),
	       "a reply is one packet");

/* A list that was cut off would look like one that is complete. */
static IOReturn
reply_ids(struct client *client, const struct packet *packet, const uint64_t *ids, size_t count)
{
	if (count <= IDS_MAX)
		return server_reply(client, packet->header, kIOReturnSuccess, ids,
				    count * sizeof(ids[0]));
	log_error("process %d asked for more than %u entries (DEXT_LIMIT_MATCHES) at once",
		  server_credentials(client)->pid, DEXT_LIMIT_MATCHES);
	return server_reply(client, packet->header, kIOReturnNoResources, NULL, 0);
}

IOReturn
entries_look_up(struct registry *registry, struct client *client, const struct packet *packet)
{
	uint64_t ids[IDS_MAX + 1];
	const OSDictionary *matching;
	OSObject *object = NULL;
	size_t count = 0;

	if (plist_decode_matching(packet->body, packet->body_length, &object) != kIOReturnSuccess)
		return server_reply(client, packet->header, kIOReturnBadArgument, NULL, 0);
	matching = OSDynamicCast(OSDictionary, object);
	for (const struct entry *entry = registry->tree.first;
	     matching != NULL && entry != NULL && count <= IDS_MAX; entry = entry->next) {
		/* The root is no service: only its path means it. */
		if (plane_is_root(entry) && OSDictionaryGetValue(matching, "IOPathMatch") == NULL)
			continue;
		if (matching_entry(matching, entry))
			ids[count++] = entry->id;
	}
	OSRelease(object);
	if (matching == NULL)
		return server_reply(client, packet->header, kIOReturnBadArgument, NULL, 0);
	return reply_ids(client, packet, ids, count);
}

static const struct entry *
find_even_gone(const struct tree *tree, uint64_t id)
{
	const struct entry *entry = tree_find(tree, id);

	return entry != NULL ? entry : tree_find_gone(tree, id);
}

/* With what went wrong with the entry's drivers, as long as that fits. */
static IOReturn
encode_properties(const struct client *client, const struct entry *entry, void **ret_bytes,
		  size_t *ret_length)
{
	OSArray *reports = reports_create_for(client, entry);
	IOReturn status;

	if (reports == NULL)
		return plist_encode(entry->properties, ret_bytes, ret_length);
	if (!OSDictionarySetValue(entry->properties, REPORTS_KEY, reports))
		OSDictionaryRemoveValue(entry->properties, REPORTS_KEY);
	OSSafeReleaseNULL(reports);
	status = plist_encode(entry->properties, ret_bytes, ret_length);
	OSDictionaryRemoveValue(entry->properties, REPORTS_KEY);
	if (status != kIOReturnSuccess || *ret_length <= PACKET_MAX - sizeof(struct packet_header))
		return status;
	free(*ret_bytes);
	return plist_encode(entry->properties, ret_bytes, ret_length);
}

IOReturn
entries_properties(struct registry *registry, struct client *client, const struct packet *packet)
{
	const struct entry *entry;
	struct id_body body;
	void *bytes = NULL;
	size_t length = 0;
	IOReturn status;

	memcpy(&body, packet->body, sizeof(body));
	entry = find_even_gone(&registry->tree, body.id);
	if (entry == NULL)
		return server_reply(client, packet->header, kIOReturnNotFound, NULL, 0);
	status = encode_properties(client, entry, &bytes, &length);
	if (status == kIOReturnSuccess && length > PACKET_MAX - sizeof(struct packet_header)) {
		log_error("%s: its properties are %zu bytes, more than a packet holds (%u)",
			  entry->name, length, PACKET_MAX);
		status = kIOReturnMessageTooLarge;
	}
	status = server_reply(client, packet->header, status, bytes,
			      status == kIOReturnSuccess ? length : 0);
	free(bytes);
	return status;
}

IOReturn
entries_related(struct registry *registry, struct client *client, const struct packet *packet)
{
	const struct tree *tree = &registry->tree;
	const struct entry *entry;
	struct entries_body body;
	uint64_t ids[IDS_MAX + 1];
	size_t count;

	memcpy(&body, packet->body, sizeof(body));
	entry = tree_find(tree, body.id);
	if (entry == NULL)
		return server_reply(client, packet->header, kIOReturnNotFound, NULL, 0);
	count = plane_related(tree, entry, (enum plane)body.plane,
			      (enum entry_relation)body.relation, ids, IDS_MAX + 1);
	return reply_ids(client, packet, ids, count);
}

/* The caller releases it; NULL without memory. */
static OSDictionary *
make_description(const struct registry *registry, const struct entry *entry, enum plane plane)
{
	OSDictionary *description = OSDictionaryCreate(6);
	char path[PLANE_PATH_MAX], location[24];
	bool complete;

	if (description == NULL)
		return NULL;
	complete = OSDictionarySetStringValue(description, "Class", entry->class_name) &&
		   OSDictionarySetStringValue(description, "Name", entry->name) &&
		   OSDictionarySetUInt64Value(description, "Busy", registry_busy(registry, entry));
	if (complete && plane != PLANE_NONE && plane_path(entry, plane, path))
		complete = OSDictionarySetStringValue(description, "Path", path);
	if (complete && plane != PLANE_NONE && plane_has(entry, plane) &&
	    plane_location(entry, location, sizeof(location)))
		complete = OSDictionarySetStringValue(description, "Location", location);
	if (!complete)
		OSSafeReleaseNULL(description);
	return description;
}

IOReturn
entries_describe(struct registry *registry, struct client *client, const struct packet *packet)
{
	const struct entry *entry;
	struct describe_body body;

	memcpy(&body, packet->body, sizeof(body));
	entry = tree_find(&registry->tree, body.id);
	if (entry == NULL) {
		/* It is in no plane any more. */
		entry = tree_find_gone(&registry->tree, body.id);
		body.plane = PLANE_NONE;
	}
	if (entry == NULL)
		return server_reply(client, packet->header, kIOReturnNotFound, NULL, 0);
	return server_reply_object_take(client, packet->header,
					make_description(registry, entry, (enum plane)body.plane));
}
