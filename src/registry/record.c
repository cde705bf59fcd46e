/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records. What changes lies before the facts and is written by one pwrite each, so that a process
 * that is killed leaves the old or the new. One thread, the registry's.
 */
#include "record.h"

#include "log.h"
#include "memfd.h"
#include "packet.h"
#include "plist.h"
#include "status.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FACTS_MAX (1u << 20)

struct record {
	uint32_t version;
	uint32_t detached;
	uint32_t facts_length;
	uint32_t zero;
	struct record_service services[DEXT_LIMIT_SERVICES_HOST];
};

static IOReturn
write_at(int fd, const void *bytes, size_t length, size_t offset)
{
	if (pwrite(fd, bytes, length, (off_t)offset) != (ssize_t)length)
		return status_from_errno(errno, "pwrite to a record");
	return kIOReturnSuccess;
}

IOReturn
record_create(const OSDictionary *facts, int *ret_fd)
{
	struct record record = {.version = RECORD_VERSION};
	void *bytes = NULL;
	size_t length = 0;
	IOReturn status;
	int fd = -1;

	status = plist_encode(facts, &bytes, &length);
	if (status == kIOReturnSuccess && length > FACTS_MAX)
		status = kIOReturnMessageTooLarge;
	if (status == kIOReturnSuccess)
		status = memfd_create_sealed("opendext-record", sizeof(record) + length, &fd);
	record.facts_length = (uint32_t)length;
	if (status == kIOReturnSuccess)
		status = write_at(fd, &record, sizeof(record), 0);
	if (status == kIOReturnSuccess)
		status = write_at(fd, bytes, length, sizeof(record));
	free(bytes);
	if (status != kIOReturnSuccess) {
		fd_close(&fd);
		return status;
	}
	*ret_fd = fd;
	return kIOReturnSuccess;
}

static bool
read_record(int fd, struct record *record)
{
	return pread(fd, record, sizeof(*record), 0) == (ssize_t)sizeof(*record) &&
	       record->version == RECORD_VERSION && record->zero == 0;
}

IOReturn
record_read(int fd, OSDictionary **ret_facts)
{
	IOReturn status = kIOReturnBadArgument;
	OSObject *facts = NULL;
	struct record record;
	struct stat info;
	uint8_t *bytes;

	if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || !read_record(fd, &record) ||
	    record.facts_length > FACTS_MAX)
		return status;
	bytes = malloc(record.facts_length + 1);
	if (bytes == NULL)
		return kIOReturnNoMemory;
	if (pread(fd, bytes, record.facts_length, sizeof(record)) == (ssize_t)record.facts_length)
		status = plist_decode(bytes, record.facts_length, &facts);
	free(bytes);
	if (status == kIOReturnSuccess && OSDynamicCast(OSDictionary, facts) == NULL) {
		OSRelease(facts);
		status = kIOReturnBadArgument;
	}
	if (status == kIOReturnSuccess)
		*ret_facts = (OSDictionary *)facts;
	return status;
}

void
record_set_detached(int fd, uint32_t detached)
{
	write_at(fd, &detached, sizeof(detached), offsetof(struct record, detached));
}

uint32_t
record_detached(int fd)
{
	struct record record;

	return read_record(fd, &record) ? record.detached : 0;
}

void
record_set_services(int fd, const struct record_service *services, unsigned count)
{
	struct record_service all[DEXT_LIMIT_SERVICES_HOST] = {0};

	assert(count <= DEXT_LIMIT_SERVICES_HOST);
	memcpy(all, services, count * sizeof(all[0]));
	write_at(fd, all, sizeof(all), offsetof(struct record, services));
}

bool
record_find_service(int fd, uint64_t id, uint64_t *ret_since)
{
	struct record record;

	if (!read_record(fd, &record))
		return false;
	for (unsigned i = 0; i < DEXT_LIMIT_SERVICES_HOST; i++) {
		if (record.services[i].id == id) {
			*ret_since = record.services[i].since;
			return true;
		}
	}
	return false;
}
