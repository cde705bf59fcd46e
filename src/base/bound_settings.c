/* SPDX-License-Identifier: Apache-2.0 */
/* The table of limits that can be set, and this process's values. */
#include "bound_settings.h"

#include <stddef.h>
#include <stdio.h>

#include "bounds.h"

const struct limit_setting limit_settings[LIMIT_COUNT] = {
	[LIMIT_CONNECTIONS] = {"DEXT_LIMIT_CONNECTIONS", "DextLimitConnections",
			       DEXT_LIMIT_CONNECTIONS, LIMIT_CONNECTIONS_MOST},
	[LIMIT_CONNECTIONS_USER] = {"DEXT_LIMIT_CONNECTIONS_USER", "DextLimitConnectionsUser",
				    DEXT_LIMIT_CONNECTIONS_USER, LIMIT_CONNECTIONS_MOST},
	[LIMIT_BUFFERS_CLIENT] = {"DEXT_LIMIT_BUFFERS_CLIENT", "DextLimitBuffersClient",
				  DEXT_LIMIT_BUFFERS_CLIENT, LIMIT_BUFFERS_MOST},
	[LIMIT_BUFFERS_HOST] = {"DEXT_LIMIT_BUFFERS_HOST", "DextLimitBuffersHost",
				DEXT_LIMIT_BUFFERS_HOST, LIMIT_BUFFERS_MOST},
	[LIMIT_MAPPED_BYTES] = {"DEXT_LIMIT_MAPPED_BYTES", "DextLimitMappedBytes",
				DEXT_LIMIT_MAPPED_BYTES, LIMIT_MAPPED_BYTES_MOST},
	[LIMIT_PEER_BYTES] = {"DEXT_LIMIT_PEER_BYTES", "DextLimitPeerBytes", DEXT_LIMIT_PEER_BYTES,
			      LIMIT_PEER_BYTES_MOST},
	[LIMIT_ASYNC] = {"DEXT_LIMIT_ASYNC", "DextLimitAsync", DEXT_LIMIT_ASYNC, LIMIT_ASYNC_MOST},
	[LIMIT_COMPLETIONS] = {"DEXT_LIMIT_COMPLETIONS", "DextLimitCompletions",
			       DEXT_LIMIT_COMPLETIONS, LIMIT_COMPLETIONS_MOST},
};

_Static_assert(LIMIT_ASYNC_MOST <= DEXT_LIMIT_ASYNC, "a host has no room for more");

static uint64_t own[LIMIT_COUNT]; /* 0: the usual one */

uint64_t
limit_in(enum limit limit, const OSDictionary *personality)
{
	const struct limit_setting *setting = &limit_settings[limit];
	uint64_t value = 0;

	if (personality == NULL || !OSDictionaryGetUInt64Value(personality, setting->key, &value) ||
	    value == 0 || value > setting->most)
		return setting->usual;
	return value;
}

void
limits_set(const OSDictionary *personality)
{
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		own[i] = limit_in((enum limit)i, personality);
}

uint64_t
limit_of(enum limit limit)
{
	return own[limit] != 0 ? own[limit] : limit_settings[limit].usual;
}

const char *
limit_named(enum limit limit)
{
	static _Thread_local char text[128];
	const struct limit_setting *setting = &limit_settings[limit];

	snprintf(text, sizeof(text), "%s (%s: %llu)", setting->name, setting->key,
		 (unsigned long long)limit_of(limit));
	return text;
}
