/* SPDX-License-Identifier: Apache-2.0 */
/* An app that watches, in raw bytes, and a tree that changes meanwhile: PROTOCOL.md 4.1. */
#ifndef TESTS_PROTO_REGISTRY_WATCHING_H
#define TESTS_PROTO_REGISTRY_WATCHING_H

#include "registry_fixture.h"

#include "bounds.h"
#include "registry_private.h"

/* --- the tree is changed on the registry's thread --- */

struct change {
	struct loop_task task;
	void (*run)(struct change *change);
	const char *name;
	uint64_t id, provider; /* 0: none; id 0: drawn */
	unsigned times;
	pthread_mutex_t lock;
	pthread_cond_t condition;
	bool done; /* [lock] */
};

static inline void
run_change(struct loop_task *task)
{
	struct change *change = (struct change *)task;

	change->run(change);
	pthread_mutex_lock(&change->lock);
	change->done = true;
	pthread_cond_signal(&change->condition);
	pthread_mutex_unlock(&change->lock);
}

static inline void
make_change(struct change *change)
{
	change->task.run = run_change;
	pthread_mutex_init(&change->lock, NULL);
	pthread_cond_init(&change->condition, NULL);
	loop_post(loop, &change->task);
	pthread_mutex_lock(&change->lock);
	while (!change->done)
		pthread_cond_wait(&change->condition, &change->lock);
	pthread_mutex_unlock(&change->lock);
}

static inline OSDictionary *
named(const char *name)
{
	OSDictionary *properties = OSDictionaryCreate(2);

	OSDictionarySetStringValue(properties, "IORegistryEntryName", name);
	return properties;
}

static inline void
run_add(struct change *change)
{
	OSDictionary *properties = named(change->name);
	struct entry *provider = tree_find(&registry->tree, change->provider), *entry = NULL;

	ck_assert_int_eq(tree_add(&registry->tree, change->id, "IOUserService", properties,
				  provider, NULL, &entry),
			 kIOReturnSuccess);
	change->id = entry->id;
	OSRelease(properties);
}

static inline void
run_remove(struct change *change)
{
	tree_remove(&registry->tree, tree_find(&registry->tree, change->id));
}

static inline void
run_replace(struct change *change)
{
	OSDictionary *properties = named(change->name);

	for (unsigned i = 0; i < change->times; i++)
		ck_assert_int_eq(tree_replace(&registry->tree,
					      tree_find(&registry->tree, change->id), properties),
				 kIOReturnSuccess);
	OSRelease(properties);
}

static inline uint64_t
add(const char *name, uint64_t provider)
{
	struct change change = {.run = run_add, .name = name, .provider = provider};

	make_change(&change);
	return change.id;
}

static inline void
take_away(uint64_t id)
{
	struct change change = {.run = run_remove, .id = id};

	make_change(&change);
}

static inline void
replace(uint64_t id, const char *name, unsigned times)
{
	struct change change = {.run = run_replace, .id = id, .name = name, .times = times};

	make_change(&change);
}

/* --- what an app sends and gets --- */

static struct {
	uint8_t bytes[PACKET_MAX];
	size_t length; /* of the dictionary */
} encoded;

static inline void
encode_name(const char *name)
{
	OSDictionary *matching = OSDictionaryCreate(1);
	void *plist = NULL;

	OSDictionarySetStringValue(matching, "IONameMatch", name);
	ck_assert_int_eq(plist_encode(matching, &plist, &encoded.length), kIOReturnSuccess);
	OSRelease(matching);
	ck_assert_uint_le(sizeof(struct watch_body) + encoded.length, sizeof(encoded.bytes));
	memcpy(encoded.bytes + sizeof(struct watch_body), plist, encoded.length);
	free(plist);
}

static inline IOReturn
send_watch(int fd, uint64_t watch)
{
	struct watch_body body = {.watch = watch};

	memcpy(encoded.bytes, &body, sizeof(body));
	return ask(fd, PACKET_WATCH, encoded.bytes, sizeof(body) + encoded.length);
}

static inline IOReturn
watch_name(int fd, uint64_t watch, const char *name)
{
	encode_name(name);
	return send_watch(fd, watch);
}

static inline IOReturn
watch_entry(int fd, uint64_t watch, uint64_t entry)
{
	const struct watch_body body = {.watch = watch, .entry = entry};

	return ask(fd, PACKET_WATCH, &body, sizeof(body));
}

static inline void
unwatch(int fd, uint64_t watch)
{
	struct packet_header header = {.type = PACKET_UNWATCH};
	const struct id_body body = {.id = watch};

	ck_assert_int_eq(packet_send(fd, &header, &body, sizeof(body), NULL, 0, true),
			 kIOReturnSuccess);
}

/* The next packet is this event, for these watches. */
static inline void
expect_event(int fd, enum event_kind kind, uint64_t service, unsigned count,
	     const uint64_t *watches)
{
	struct event_body event;
	uint64_t ids[4];

	ck_assert_int_eq(packet_receive(fd, &packet, true), kIOReturnSuccess);
	ck_assert_int_eq(packets_check(&packet, PACKET_REGISTRY_REPLY), kIOReturnSuccess);
	ck_assert_uint_eq(packet.header->type, PACKET_EVENT);
	ck_assert_uint_eq(packet.header->sequence, 0);
	memcpy(&event, packet.body, sizeof(event));
	ck_assert_uint_eq(event.kind, kind);
	ck_assert_uint_eq(event.service, service);
	ck_assert_uint_eq(packet.body_length, sizeof(event) + count * sizeof(ids[0]));
	memcpy(ids, packet.body + sizeof(event), count * sizeof(ids[0]));
	/* In whatever order. */
	for (unsigned i = 0; i < count; i++) {
		bool found = false;

		for (unsigned j = 0; j < count; j++)
			found |= ids[j] == watches[i];
		ck_assert(found);
	}
}

#define EXPECT(fd, kind, service, ...)                                                        \
	expect_event(fd, kind, service, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), \
		     (const uint64_t[]){__VA_ARGS__})

/* Nothing has come: the reply to a question comes next. */
static inline void
expect_nothing(int fd)
{
	const struct id_body body = {.id = 1};

	ck_assert_int_eq(ask(fd, PACKET_PROPERTIES, &body, sizeof(body)), kIOReturnNotFound);
}

static inline uint64_t
id_in_reply(unsigned index)
{
	uint64_t id = 0;

	ck_assert_uint_ge(packet.body_length, (index + 1) * sizeof(id));
	memcpy(&id, packet.body + index * sizeof(id), sizeof(id));
	return id;
}

#endif
