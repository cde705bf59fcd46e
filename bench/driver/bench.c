/* SPDX-License-Identifier: Apache-2.0 */
/* The driver at the other end of the bench's calls: it copies 16 scalars, and has one buffer. */
#include <DriverKit/DriverKit.h>

#include <string.h>

#define BUFFER_SIZE (UINT64_C(64) << 20)

struct Bench_IVars {
	uint64_t unused;
};

struct BenchUserClient_IVars {
	IOBufferMemoryDescriptor *memory;
};

extern const OSMetaClass gBenchMetaClass, gBenchUserClientMetaClass;

static kern_return_t
bench_start(IOService *self, IOService *provider)
{
	kern_return_t status = IOService_Start_Impl(self, provider);

	return status == kIOReturnSuccess ? IOService_RegisterService(self) : status;
}

static kern_return_t
bench_new_user_client(IOService *self, uint32_t type, IOUserClient **userClient)
{
	IOService *client = NULL;
	kern_return_t status = IOService_Create(self, self, "UserClientProperties", &client);

	if (status == kIOReturnSuccess)
		*userClient = OSRequiredCast(IOUserClient, client);
	return status;
}

static const IOServiceMethods bench_service = {
	.size = sizeof(IOServiceMethods),
	.Start = bench_start,
	.NewUserClient = bench_new_user_client,
};

const OSMetaClass gBenchMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "Bench",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct Bench_IVars),
	.service = &bench_service,
};

static kern_return_t
echo(OSObject *target, void *reference, IOUserClientMethodArguments *arguments)
{
	memcpy(arguments->scalarOutput, arguments->scalarInput, 16 * sizeof(uint64_t));
	return kIOReturnSuccess;
}

static const IOUserClientMethodDispatch methods[] = {
	{echo, 0, 16, 0, 16, 0},
};

static kern_return_t
client_method(IOUserClient *self, uint64_t selector, IOUserClientMethodArguments *arguments,
	      const IOUserClientMethodDispatch *dispatch, OSObject *target, void *reference)
{
	if (selector >= sizeof(methods) / sizeof(methods[0]))
		return kIOReturnUnsupported;
	return IOUserClient_ExternalMethod_Impl(self, selector, arguments, &methods[selector],
						(OSObject *)self, reference);
}

static kern_return_t
client_memory(IOUserClient *self, uint64_t type, uint64_t *options, IOMemoryDescriptor **memory)
{
	struct BenchUserClient_IVars *ivars = OSObjectIVars(BenchUserClient, self);
	kern_return_t status = kIOReturnSuccess;

	if (type != 0)
		return kIOReturnBadArgument;
	if (ivars->memory == NULL)
		status = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, BUFFER_SIZE, 0,
							 &ivars->memory);
	if (status != kIOReturnSuccess)
		return status;
	OSRetain(ivars->memory);
	*memory = (IOMemoryDescriptor *)ivars->memory;
	return kIOReturnSuccess;
}

static void
client_free(OSObject *self)
{
	OSSafeReleaseNULL(OSObjectIVars(BenchUserClient, self)->memory);
	IOUserClient_free_Impl((IOUserClient *)self);
}

static const OSObjectMethods client_object = {
	.size = sizeof(OSObjectMethods),
	.free = client_free,
};

static const IOUserClientMethods client_methods = {
	.size = sizeof(IOUserClientMethods),
	.ExternalMethod = client_method,
	.CopyClientMemoryForType = client_memory,
};

const OSMetaClass gBenchUserClientMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "BenchUserClient",
	.superclass = OSTypeID(IOUserClient),
	.ivars_size = sizeof(struct BenchUserClient_IVars),
	.object = &client_object,
	.user_client = &client_methods,
};

DEXT_BUNDLE(OSTypeID(Bench), OSTypeID(BenchUserClient))
