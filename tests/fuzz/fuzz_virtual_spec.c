/* SPDX-License-Identifier: Apache-2.0 */
/* The spec of a virtual device, and the descriptors that are made of it. */
#include "fuzz.h"

#include "vdev_descriptors.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vdev_descriptors descriptors;
	char error[64], *text = strndup((const char *)data, size);
	uint8_t string[VDEV_STRING_MAX];
	struct vdev_spec spec;

	FUZZ_CHECK(text != NULL);
	if (vdev_spec_parse(text, &spec, error, sizeof(error)) == kIOReturnSuccess) {
		FUZZ_CHECK(strlen(spec.serial) >= 1);
		FUZZ_CHECK(vdev_spec_has_out(&spec) || vdev_spec_has_in(&spec));
		FUZZ_CHECK(vdev_spec_packet(&spec) >= 64);
		vdev_descriptors_make(&spec, &descriptors);
		FUZZ_CHECK(descriptors.configuration_length <= VDEV_CONFIGURATION_MAX);
		for (uint8_t i = 0; i < 8; i++)
			FUZZ_CHECK(vdev_string_make(&spec, i, string) <= VDEV_STRING_MAX);
	} else {
		FUZZ_CHECK(memchr(error, '\0', sizeof(error)) != NULL && error[0] != '\0');
	}
	free(text);
	return 0;
}
