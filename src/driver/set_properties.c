/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties that an app sets, of a service (by the registry) or of its user client (a call): they
 * reach the driver's SetProperties, on the object's Default queue.
 *
 * A driver opts in by overriding it. IOService's own merges what the driver itself sets, and is not
 * reached from an app: what a driver publishes is not an app's to change.
 */
#include "set_properties.h"

#include <stdlib.h>
#include <string.h>

#include "hang.h"
#include "host_control.h"
#include "log.h"
#include "object.h"
#include "plist.h"
#include "service.h"

IOReturn
set_properties(IOService *service, const void *bytes, size_t length)
{
	OSDictionary *properties;
	OSObject *object = NULL;
	struct hang_mark mark;
	IOReturn res;

	if (METHOD(service, service, IOServiceMethods, SetProperties) ==
	    IOService_SetProperties_Impl) {
		log_error("%s: an app sets properties, and the class has no SetProperties",
			  OSObject_GetClassName(service));
		return kIOReturnUnsupported;
	}
	res = plist_decode(bytes, length, &object);
	properties = OSDynamicCast(OSDictionary, object);
	if (res == kIOReturnSuccess && properties == NULL)
		res = kIOReturnBadArgument;
	if (res == kIOReturnSuccess) {
		mark = hang_begin(OSObject_GetClassName(service), "SetProperties",
				  HANG_NO_SELECTOR);
		res = IOService_SetProperties(service, properties);
		hang_end(mark);
	} else
		log_error("%s: what an app sets is no dictionary", OSObject_GetClassName(service));
	OSRelease(object);
	return res;
}

/* --- from the registry --- */

struct setting {
	struct work work;
	IOService *service; /* +1 */
	uint64_t number;
	size_t length;
	uint8_t bytes[];
};

static void
end(struct setting *setting, IOReturn status)
{
	control_send_properties_set(setting->number, status);
	OSRelease(setting->service);
	free(setting);
}

static struct setting *
setting_of(struct work *work)
{
	return (struct setting *)((char *)work - offsetof(struct setting, work));
}

static void
run(struct work *work)
{
	struct setting *setting = setting_of(work);
	struct loop *loop = services_loop();
	IOReturn status = kIOReturnOffline;

	loop_will_block(loop);
	if (!service_is_terminating(setting->service))
		status = set_properties(setting->service, setting->bytes, setting->length);
	end(setting, status);
	loop_did_block(loop);
}

static void
dropped(struct work *work)
{
	end(setting_of(work), kIOReturnOffline);
}

void
set_properties_post(uint64_t id, uint64_t number, const void *bytes, size_t length)
{
	struct setting *setting = calloc(1, sizeof(*setting) + length);
	IOService *service = services_copy(id);
	IODispatchQueue *queue;

	if (setting == NULL || service == NULL) {
		control_send_properties_set(number, service == NULL ? kIOReturnNotFound
								    : kIOReturnNoMemory);
		OSRelease(service);
		free(setting);
		return;
	}
	setting->work = (struct work){.run = run, .dropped = dropped};
	setting->service = service;
	setting->number = number;
	setting->length = length;
	memcpy(setting->bytes, bytes, length);
	queue = service_copy_queue(service, false);
	if (queue != NULL)
		queue_post(queue, &setting->work);
	else
		end(setting, kIOReturnOffline);
	OSRelease(queue);
}
