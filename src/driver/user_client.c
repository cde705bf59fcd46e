/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOUserClient, the class: the check of a call against a dispatch table, and the public functions.
 * Where the calls come from is in calls.c, the completions in completion.c.
 *
 * Methods run on the user client's queue, which its connection sees to; nothing here changes queue.
 */
#include "user_client.h"

#include "completion.h"
#include "hang.h"
#include "log.h"
#include "object.h"
#include "rare.h"

bool
IOUserClient_init_Impl(IOUserClient *self)
{
	return IOService_init_Impl((IOService *)self);
}

void
IOUserClient_free_Impl(IOUserClient *self)
{
	IOService_free_Impl((IOService *)self);
}

IOReturn
user_client_create(IOService *service, uint32_t type, IOUserClient **ret_client)
{
	IOUserClient *made = NULL;
	struct hang_mark mark = hang_begin(OSObject_GetClassName(service), "NewUserClient", type);
	IOReturn res = IOService_NewUserClient(service, type, &made);

	hang_end(mark);
	if (res != kIOReturnSuccess)
		return res;
	if (made == NULL) {
		log_error("%s: NewUserClient succeeded without a user client",
			  OSObject_GetClassName(service));
		return kIOReturnError;
	}
	if (OSDynamicCast(IOUserClient, made) == NULL ||
	    !service_ivars((IOService *)made)->managed) {
		log_error("%s: NewUserClient brought a %s, and not a user client that "
			  "IOService_Create "
			  "made",
			  OSObject_GetClassName(service), OSObject_GetClassName(made));
		if (OSDynamicCast(IOService, made) != NULL &&
		    service_ivars((IOService *)made)->managed)
			service_terminate((IOService *)made);
		OSRelease(made);
		return kIOReturnUnsupported;
	}
	*ret_client = made;
	return kIOReturnSuccess;
}

kern_return_t
IOUserClient_ExternalMethod(IOUserClient *self, uint64_t selector,
			    IOUserClientMethodArguments *arguments,
			    const IOUserClientMethodDispatch *dispatch, OSObject *target,
			    void *reference)
{
	if (self == NULL || arguments == NULL) {
		log_error("IOUserClient_ExternalMethod: %s is NULL",
			  self == NULL ? "self" : "arguments");
		return kIOReturnBadArgument;
	}
	return METHOD(self, user_client, IOUserClientMethods,
		      ExternalMethod)(self, selector, arguments, dispatch, target, reference);
}

static uint64_t
structure_size(OSData *data, IOMemoryDescriptor *memory)
{
	uint64_t length = 0;

	if (memory != NULL && IOMemoryDescriptor_GetLength(memory, &length) == kIOReturnSuccess)
		return length;
	return data == NULL ? 0 : OSDataGetLength(data);
}

static uint64_t
output_room(const IOUserClientMethodArguments *arguments)
{
	return arguments->structureOutputDescriptor != NULL
		       ? structure_size(NULL, arguments->structureOutputDescriptor)
		       : arguments->structureOutputMaximumSize;
}

struct call_site {
	const IOUserClient *client;
	uint64_t selector;
};

RARE static bool
refuse(const struct call_site *site, const char *what, uint32_t expected, uint64_t actual)
{
	log_error("%s: method %llu: %s: %u expected, %llu given",
		  OSObject_GetClassName(site->client), (unsigned long long)site->selector, what,
		  expected, (unsigned long long)actual);
	return false;
}

static inline bool
is_as_expected(const struct call_site *site, const char *what, uint32_t expected, uint64_t actual)
{
	return expected == kIOUserClientVariableStructureSize || expected == actual ||
	       refuse(site, what, expected, actual);
}

static bool
are_as_expected(const IOUserClient *self, const IOUserClientMethodArguments *arguments,
		const IOUserClientMethodDispatch *dispatch)
{
	const struct call_site site = {self, arguments->selector};

	return is_as_expected(&site, "completion", dispatch->checkCompletionExists,
			      arguments->completion != NULL) &&
	       is_as_expected(&site, "scalarInputCount", dispatch->checkScalarInputCount,
			      arguments->scalarInputCount) &&
	       is_as_expected(&site, "size of structureInput", dispatch->checkStructureInputSize,
			      structure_size(arguments->structureInput,
					     arguments->structureInputDescriptor)) &&
	       is_as_expected(&site, "scalarOutputCount", dispatch->checkScalarOutputCount,
			      arguments->scalarOutputCount) &&
	       is_as_expected(&site, "size of structureOutput", dispatch->checkStructureOutputSize,
			      output_room(arguments));
}

kern_return_t
IOUserClient_ExternalMethod_Impl(IOUserClient *self, uint64_t selector,
				 IOUserClientMethodArguments *arguments,
				 const IOUserClientMethodDispatch *dispatch, OSObject *target,
				 void *reference)
{
	if (dispatch == NULL) {
		log_error("%s: no method %llu", OSObject_GetClassName(self),
			  (unsigned long long)selector);
		return kIOReturnUnsupported;
	}
	if (!are_as_expected(self, arguments, dispatch))
		return kIOReturnBadArgument;
	if (dispatch->function == NULL)
		return kIOReturnNoCompletion;
	return dispatch->function(target != NULL ? target : (OSObject *)self, reference, arguments);
}

kern_return_t
IOUserClient_CopyClientMemoryForType(IOUserClient *self, uint64_t type, uint64_t *options,
				     IOMemoryDescriptor **memory)
{
	if (self == NULL || options == NULL || memory == NULL) {
		log_error("IOUserClient_CopyClientMemoryForType: %s is NULL", self == NULL ? "self"
									      : options == NULL
										      ? "options"
										      : "memory");
		return kIOReturnBadArgument;
	}
	return METHOD(self, user_client, IOUserClientMethods,
		      CopyClientMemoryForType)(self, type, options, memory);
}

kern_return_t
IOUserClient_CopyClientMemoryForType_Impl(IOUserClient *self, uint64_t type, uint64_t *options,
					  IOMemoryDescriptor **memory)
{
	log_error("%s: no memory of type %llu", OSObject_GetClassName(self),
		  (unsigned long long)type);
	return kIOReturnUnsupported;
}

kern_return_t
IOUserClient_AsyncCompletion(IOUserClient *self, OSAction *action, IOReturn status,
			     const uint64_t *asyncData, uint32_t asyncDataCount)
{
	if (self == NULL || action == NULL || (asyncData == NULL && asyncDataCount != 0)) {
		log_error("IOUserClient_AsyncCompletion: %s is NULL", self == NULL ? "self"
								      : action == NULL
									      ? "action"
									      : "asyncData");
		return kIOReturnBadArgument;
	}
	if (asyncDataCount > kIOUserClientAsyncArgumentsCountMax) {
		log_error("IOUserClient_AsyncCompletion: asyncDataCount: at most %d expected, %u "
			  "given",
			  kIOUserClientAsyncArgumentsCountMax, asyncDataCount);
		return kIOReturnMessageTooLarge;
	}
	return completion_send(self, action, status, asyncData, asyncDataCount);
}

static bool
init(OSObject *self)
{
	return IOUserClient_init_Impl((IOUserClient *)self);
}

static void
deinit(OSObject *self)
{
	IOUserClient_free_Impl((IOUserClient *)self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init,
	.free = deinit,
};

static const IOUserClientMethods user_client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = IOUserClient_ExternalMethod_Impl,
	.CopyClientMemoryForType = IOUserClient_CopyClientMemoryForType_Impl,
};

const OSMetaClass gIOUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IOUserClient",
	.superclass = OSTypeID(IOService),
	.object = &object_methods,
	.user_client = &user_client_methods,
};
