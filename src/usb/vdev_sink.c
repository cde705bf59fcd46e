/* SPDX-License-Identifier: Apache-2.0 */
/* The sink: takes every packet at once. Counting and hashing is the engine's. */
#include "vdev.h"

static void *
create(const struct vdev_spec *spec)
{
	static char nothing;

	(void)spec;
	return &nothing;
}

static void
nothing_to_do(void *model)
{
	(void)model;
}

static bool
out(void *model, const uint8_t *data, uint32_t length, bool ends, uint32_t *ret_taken)
{
	*ret_taken = length;
	return true;
}

const struct vdev_model vdev_sink = {
	.name = "sink",
	.create = create,
	.destroy = nothing_to_do,
	.reset = nothing_to_do,
	.out = out,
};
