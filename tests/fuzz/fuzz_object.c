/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver's shared object as `dext lint` reads it: the input is the file. Names that are
 * found are short, and few; and it comes to an end, however much the file says that there is.
 */
#include "fuzz.h"

#include "bundle_object.h"

#include <sys/mman.h>

static char path[64];
static int fd = -1;

static void
open_file(void)
{
	struct bundle_object object;
	char error[BUNDLE_OBJECT_ERROR_MAX];

	fd = memfd_create("object", MFD_CLOEXEC);
	FUZZ_CHECK(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FUZZ_CHECK(bundle_object_read("/nonexistent", &object, error) != kIOReturnSuccess);
	FUZZ_CHECK(error[0] != '\0' && object.classes == NULL);
	/* Longer than any driver. */
	FUZZ_CHECK(ftruncate(fd, (256 << 20) + 1) == 0);
	FUZZ_CHECK(bundle_object_read(path, &object, error) != kIOReturnSuccess);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bundle_object object;
	char error[BUNDLE_OBJECT_ERROR_MAX];
	IOReturn status;

	if (fd < 0)
		open_file();
	FUZZ_CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	status = bundle_object_read(path, &object, error);
	FUZZ_CHECK((status == kIOReturnSuccess) == (error[0] == '\0'));
	FUZZ_CHECK((status == kIOReturnSuccess) == (object.class_count > 0));
	FUZZ_CHECK(object.class_count <= 1024);
	for (unsigned i = 0; i < object.class_count; i++)
		FUZZ_CHECK(object.classes[i] == NULL || strlen(object.classes[i]) < 4096);
	bundle_object_free(&object);
	return 0;
}
