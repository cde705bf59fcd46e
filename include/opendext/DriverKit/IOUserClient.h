/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOUserClient: one app's connection to a driver. The driver's NewUserClient makes it;
 * ExternalMethod receives the app's IOConnectCall..., CopyClientMemoryForType its
 * IOConnectMapMemory64, and AsyncCompletion calls the app back. Stop comes when the app closes the
 * connection or dies.
 */
#ifndef OPENDEXT_DRIVERKIT_IOUSERCLIENT_H
#define OPENDEXT_DRIVERKIT_IOUSERCLIENT_H

#include <DriverKit/IOMemoryDescriptor.h>
#include <DriverKit/IOService.h>

DEXT_BEGIN_DECLS

#define kIOUserClientScalarArrayCountMax    16
#define kIOUserClientAsyncArgumentsCountMax 16
#define kIOUserClientAsyncReferenceCountMax 16
#define kIOUserClientVariableStructureSize  0xffffffffU

#define IO_USER_CLIENT_METHOD_ARGUMENTS_CURRENT_VERSION 2
#define kIOUserClientMethodArgumentsCurrentVersion	2

/* Result of CopyClientMemoryForType: the app may only read. */
enum {
	kIOUserClientMemoryReadOnly = 0x1,
};

typedef uint64_t IOUserClientAsyncArgumentsArray[kIOUserClientAsyncArgumentsCountMax];

/*
 * One call. All pointers are borrowed and end with the call; what the driver wants to keep it
 * retains
 * (`completion`, the descriptors). The arguments are private copies: the app cannot change them any
 * more. A structure of at most 4096 bytes comes as OSData, a larger one as a descriptor, never as
 * both.
 */
typedef struct IOUserClientMethodArguments {
	uint64_t version; /* kIOUserClientMethodArgumentsCurrentVersion */
	uint64_t selector;
	OSAction *completion; /* NULL unless the app made an asynchronous call */
	const uint64_t *scalarInput;
	uint32_t scalarInputCount;
	OSData *structureInput;
	IOMemoryDescriptor *structureInputDescriptor; /* direction Out: maps read-only */
	uint64_t *scalarOutput;			      /* zeroed */
	uint32_t scalarOutputCount;		      /* in: room; out: how many are returned */
	/* Set by the driver to an OSData that it created; the library releases it. */
	OSData *structureOutput;
	IOMemoryDescriptor *structureOutputDescriptor; /* instead of structureOutput, if not NULL */
	uint64_t structureOutputMaximumSize;
	uint64_t __reserved[30];
} IOUserClientMethodArguments;

typedef kern_return_t (*IOUserClientMethodFunction)(OSObject *target, void *reference,
						    IOUserClientMethodArguments *arguments);

/*
 * A row of the usual table of methods. Each count must be met exactly unless it is
 * kIOUserClientVariableStructureSize; checkCompletionExists: 0 no completion allowed, 1 one
 * required, kIOUserClientVariableStructureSize either.
 */
typedef struct IOUserClientMethodDispatch {
	IOUserClientMethodFunction function;
	uint32_t checkCompletionExists;
	uint32_t checkScalarInputCount;
	uint32_t checkStructureInputSize;
	uint32_t checkScalarOutputCount;
	uint32_t checkStructureOutputSize;
} IOUserClientMethodDispatch;

typedef struct IOUserClientMethods {
	size_t size; /* sizeof(IOUserClientMethods) */
	/*
	 * An override looks its row up in a table of its own and passes it to
	 * IOUserClient_ExternalMethod_Impl with the target, which checks the counts and calls the
	 * row's function.
	 */
	kern_return_t (*ExternalMethod)(IOUserClient *self, uint64_t selector,
					IOUserClientMethodArguments *arguments,
					const IOUserClientMethodDispatch *dispatch,
					OSObject *target, void *reference);
	/*
	 * Returns the memory of that type, +1; the same object for the same type each time, also
	 * when the app unmaps it. *options is 0 on entry.
	 */
	kern_return_t (*CopyClientMemoryForType)(IOUserClient *self, uint64_t type,
						 uint64_t *options, IOMemoryDescriptor **memory);
} IOUserClientMethods;

extern const OSMetaClass gIOUserClientMetaClass;

/* What a subclass's init starts with and its free ends with. */
bool IOUserClient_init_Impl(IOUserClient *self);
void IOUserClient_free_Impl(IOUserClient *self);

/* The queue on which ExternalMethod runs, where the driver has set one of that name. */
#define kIOUserClientQueueNameExternalMethod "IOUserClientQueueExternalMethod"

/*
 * A method of the app's: calls the override of the object's class. Called by the framework, on the
 * queue of that name, else on the Default queue; its status is what the app gets.
 */
kern_return_t IOUserClient_ExternalMethod(IOUserClient *self, uint64_t selector,
					  IOUserClientMethodArguments *arguments,
					  const IOUserClientMethodDispatch *dispatch,
					  OSObject *target, void *reference);
/*
 * Checks the arguments against `dispatch` and calls its function. kIOReturnUnsupported without a
 * dispatch; kIOReturnBadArgument when a count differs (the log says which); kIOReturnNoCompletion
 * when the checks pass and the row has no function.
 */
kern_return_t IOUserClient_ExternalMethod_Impl(IOUserClient *self, uint64_t selector,
					       IOUserClientMethodArguments *arguments,
					       const IOUserClientMethodDispatch *dispatch,
					       OSObject *target, void *reference);

/*
 * Memory for IOConnectMapMemory64, which the caller releases: calls the override. On the Default
 * queue.
 */
kern_return_t IOUserClient_CopyClientMemoryForType(IOUserClient *self, uint64_t type,
						   uint64_t *options, IOMemoryDescriptor **memory);
/* The base implementation: kIOReturnUnsupported. */
kern_return_t IOUserClient_CopyClientMemoryForType_Impl(IOUserClient *self, uint64_t type,
							uint64_t *options,
							IOMemoryDescriptor **memory);

/*
 * Calls the app back through the completion that came with one of its calls, as often as the driver
 * likes. Never blocks, any thread; completions of one client arrive in the order of these calls and
 * none is lost, as long as no more than 65,536 wait for the app: the one too many, and all after
 * it, are kIOReturnOverrun, here and from each of the app's later calls. kIOReturnMessageTooLarge
 * for more than 16 arguments; kIOReturnBadArgument if action is not a completion of this client;
 * success and nothing else once the app has gone.
 */
kern_return_t IOUserClient_AsyncCompletion(IOUserClient *self, OSAction *action, IOReturn status,
					   const uint64_t *asyncData, uint32_t asyncDataCount);

/*
 * Memory of the app by address, +1: up to 32 segments, one after the other. `options` is a
 * direction and perhaps kIOMemoryDisableCopyOnWrite. Without it the descriptor is a copy, as the
 * memory is now: neither side sees what the other writes later. With it it is the memory itself,
 * which the app must have from mach_vm_allocate (or the driver has kept it of a large structure),
 * and all segments but the last must be whole pages.
 *
 * The app's library decides: it also gives a copy of other memory if the call under way names its
 * address and length (as scalars, or in its inline structure if that lies in private memory). So
 * this works inside ExternalMethod and on its thread only, and blocks until the app has answered,
 * at most a second.
 *
 * kIOReturnBadArgument: no or more than 32 segments, an empty one, an unknown option;
 * kIOReturnNotReady: no method of this client runs on this thread; kIOReturnNotPermitted: the app
 * does not give that memory (its log says why); kIOReturnVMError: nothing is mapped there;
 * kIOReturnNotAligned; kIOReturnNoResources: a limit; kIOReturnTimeout: the app did not answer, now
 * or before; kIOReturnOffline: it has gone.
 */
kern_return_t IOUserClient_CreateMemoryDescriptorFromClient(IOUserClient *self, uint64_t options,
							    uint32_t segmentsCount,
							    const IOAddressSegment *segments,
							    IOMemoryDescriptor **memory);

DEXT_END_DECLS

#endif
