/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The app's side: find a service, open it, call it, map its memory, hear from it. In the order in
 * which a program meets them:
 *
 *	io_service_t service = IOServiceGetMatchingService(kIOMainPortDefault,
 *							   IOServiceNameMatching("BulkStream"));
 *	IOServiceOpen(service, mach_task_self(), 0, &connection);
 *	IOConnectMapMemory64(connection, 0, mach_task_self(), &address, &size, kIOMapAnywhere);
 *	IOConnectCallScalarMethod(connection, kSend, input, 2, NULL, NULL);
 *	IOServiceClose(connection);
 *	IOObjectRelease(service);
 *
 * Every function may be called from any thread. None writes to standard output or error unless the
 * environment's OPENDEXT_LOG asks for it (error, info, debug): then each refusal says why. None
 * changes errno, none raises SIGPIPE.
 *
 * A call whose driver ends meanwhile returns kIOReturnOffline, a later one MACH_SEND_INVALID_DEST;
 * so does every call in a forked child, which inherits no connection.
 *
 * As on macOS, a call on a name that is nobody's (IO_OBJECT_NULL, one that was released) is
 * MACH_SEND_INVALID_DEST, and on the name of another kind of object kIOReturnBadArgument.
 */
#ifndef OPENDEXT_IOKIT_IOKITLIB_H
#define OPENDEXT_IOKIT_IOKITLIB_H

#include <stddef.h>
#include <stdint.h>

#include <CoreFoundation/CFBase.h>
#include <CoreFoundation/CFDictionary.h>
#include <CoreFoundation/CFRunLoop.h>
#include <CoreFoundation/CFString.h>
#include <IOKit/IOKitKeys.h>
#include <IOKit/IOMapTypes.h>
#include <IOKit/IOMessage.h>
#include <IOKit/IOReturn.h>
#include <IOKit/IOTypes.h>
#include <IOKit/OSMessageNotification.h>
#include <dext_cdefs.h>
#include <dispatch/dispatch.h>
#include <mach/clock_types.h>
#include <mach/mach_init.h>
#include <mach/mach_port.h>
#include <mach/message.h>

DEXT_BEGIN_DECLS

/* Both are MACH_PORT_NULL; any main port is accepted everywhere, also what IOMainPort gives. */
extern const mach_port_t kIOMainPortDefault;
extern const mach_port_t kIOMasterPortDefault;

/*
 * The port that stands for the registry, for programs that ask for it; not to be given back. Any
 * thread, never blocks, kIOReturnSuccess.
 */
kern_return_t IOMainPort(mach_port_t bootstrap, mach_port_t *main_port);
kern_return_t IOMasterPort(mach_port_t bootstrap, mach_port_t *main_port);

/* --- names --- */

/*
 * Gives up, or takes, one reference of a service or connection. KERN_INVALID_NAME: no such name.
 * The last reference of a connection closes it.
 */
kern_return_t IOObjectRelease(io_object_t object);
kern_return_t IOObjectRetain(io_object_t object);
/* Whether both stand for the same service. */
boolean_t IOObjectIsEqualTo(io_object_t object, io_object_t other);
/*
 * The class of an entry (IOUserService, IOUSBHostDevice, ...), of a connection (IOUserUserClient)
 * or an iterator; Copy: NULL if there is no such object. A driver's own class is the property
 * IOUserClass.
 */
kern_return_t IOObjectGetClass(io_object_t object, io_name_t class_name);
CFStringRef IOObjectCopyClass(io_object_t object);
boolean_t IOObjectConformsTo(io_object_t object, const char *class_name);
CFStringRef IOObjectCopySuperclassForClass(CFStringRef class_name);
/* NULL: the registry's classes come with no bundle. */
CFStringRef IOObjectCopyBundleIdentifierForClass(CFStringRef class_name);
/* References that this process holds, all three; 0: no such object. */
uint32_t IOObjectGetRetainCount(io_object_t object);
uint32_t IOObjectGetUserRetainCount(io_object_t object);
uint32_t IOObjectGetKernelRetainCount(io_object_t object);

/* --- look-ups --- */

/*
 * Matching dictionaries, which the caller owns; NULL without memory. By class (a driver's user
 * class counts as one), by name (a driver's service is named after its user class), by registry id.
 */
CFMutableDictionaryRef IOServiceMatching(const char *name);
CFMutableDictionaryRef IOServiceNameMatching(const char *name);
CFMutableDictionaryRef IORegistryEntryIDMatching(uint64_t entry_id);

/*
 * The first service that matches, owned by the caller (IOObjectRelease), or MACH_PORT_NULL. Gives
 * up one reference of `matching`, also when nothing is found. Waits a few seconds for a registry
 * that is being restarted.
 */
io_service_t IOServiceGetMatchingService(mach_port_t main_port, CFDictionaryRef matching);
/* All of them, as an iterator for IOObjectRelease; an empty one if there are none. */
kern_return_t IOServiceGetMatchingServices(mach_port_t main_port, CFDictionaryRef matching,
					   io_iterator_t *existing);
/* Whether the service matches; keeps no reference and gives none up. */
kern_return_t IOServiceMatchPropertyTable(io_service_t service, CFDictionaryRef matching,
					  boolean_t *matches);

/* Dictionaries for names that no service here has: they match nothing. */
CFMutableDictionaryRef IOBSDNameMatching(mach_port_t main_port, uint32_t options,
					 const char *bsd_name);
CFMutableDictionaryRef IOOpenFirmwarePathMatching(mach_port_t main_port, uint32_t options,
						  const char *path);

/*
 * An entry is busy while a driver at or below it is being started. Wait: kIOReturnTimeout when the
 * time is over; NULL waits for ever.
 */
kern_return_t IOServiceGetBusyState(io_service_t service, uint32_t *busy_state);
kern_return_t IOServiceWaitQuiet(io_service_t service, mach_timespec_t *wait_time);
kern_return_t IOKitGetBusyState(mach_port_t main_port, uint32_t *busy_state);
kern_return_t IOKitWaitQuiet(mach_port_t main_port, mach_timespec_t *wait_time);

/* --- iterators --- */

/* The next object, owned by the caller; MACH_PORT_NULL at the end. */
io_object_t IOIteratorNext(io_iterator_t iterator);
/* Asks the registry again and starts from the beginning. Nothing for a notification's iterator. */
void IOIteratorReset(io_iterator_t iterator);
/* An iterator is a snapshot, or a notification: valid until it is released. */
boolean_t IOIteratorIsValid(io_iterator_t iterator);

/* --- the registry --- */

enum {
	kIORegistryIterateRecursively = 1,
	kIORegistryIterateParents = 2,
};

/*
 * Planes: IOService (everything, below its provider) and IOUSB (devices, below the root). A path is
 * "IOService:/name@location/...": the same whenever the same devices and drivers are there.
 * kIOReturnBadArgument: no registry entry, no such plane, or not in it. kIOReturnNotFound: the
 * entry has gone, or has no such thing. Entries are the caller's to release.
 */
io_registry_entry_t IORegistryGetRootEntry(mach_port_t main_port);
io_registry_entry_t IORegistryEntryFromPath(mach_port_t main_port, const char *path);
io_registry_entry_t IORegistryEntryCopyFromPath(mach_port_t main_port, CFStringRef path);
kern_return_t IORegistryEntryGetPath(io_registry_entry_t entry, const char *plane,
				     io_string_t path);
CFStringRef IORegistryEntryCopyPath(io_registry_entry_t entry, const char *plane);
kern_return_t IORegistryEntryGetName(io_registry_entry_t entry, io_name_t name);
kern_return_t IORegistryEntryGetNameInPlane(io_registry_entry_t entry, const char *plane,
					    io_name_t name);
kern_return_t IORegistryEntryGetLocationInPlane(io_registry_entry_t entry, const char *plane,
						io_name_t location);
kern_return_t IORegistryEntryGetRegistryEntryID(io_registry_entry_t entry, uint64_t *entry_id);
boolean_t IORegistryEntryInPlane(io_registry_entry_t entry, const char *plane);

/* The first child, or the parent. kIOReturnNoDevice: there is none. */
kern_return_t IORegistryEntryGetChildEntry(io_registry_entry_t entry, const char *plane,
					   io_registry_entry_t *child);
kern_return_t IORegistryEntryGetParentEntry(io_registry_entry_t entry, const char *plane,
					    io_registry_entry_t *parent);
kern_return_t IORegistryEntryGetChildIterator(io_registry_entry_t entry, const char *plane,
					      io_iterator_t *iterator);
kern_return_t IORegistryEntryGetParentIterator(io_registry_entry_t entry, const char *plane,
					       io_iterator_t *iterator);
/* Children or parents, with kIORegistryIterateRecursively all below or above. */
kern_return_t IORegistryEntryCreateIterator(io_registry_entry_t entry, const char *plane,
					    IOOptionBits options, io_iterator_t *iterator);
kern_return_t IORegistryCreateIterator(mach_port_t main_port, const char *plane,
				       IOOptionBits options, io_iterator_t *iterator);
/*
 * Goes on with what is below (or above) the entry that came last; Exit goes back.
 * kIOReturnBadArgument: none came yet. kIOReturnNoDevice: nothing was entered.
 */
kern_return_t IORegistryIteratorEnterEntry(io_iterator_t iterator);
kern_return_t IORegistryIteratorExitEntry(io_iterator_t iterator);

/* Properties are copies, the caller's to release. NULL: there is none of that name. */
kern_return_t IORegistryEntryCreateCFProperties(io_registry_entry_t entry,
						CFMutableDictionaryRef *properties,
						CFAllocatorRef allocator, IOOptionBits options);
CFTypeRef IORegistryEntryCreateCFProperty(io_registry_entry_t entry, CFStringRef key,
					  CFAllocatorRef allocator, IOOptionBits options);
/*
 * The entry's own, else with kIORegistryIterateParents the nearest parent's, else with
 * kIORegistryIterateRecursively that of the first below it that has one.
 */
CFTypeRef IORegistryEntrySearchCFProperty(io_registry_entry_t entry, const char *plane,
					  CFStringRef key, CFAllocatorRef allocator,
					  IOOptionBits options);
/*
 * As bytes: data, a string with its NUL, a number. kIOReturnNoResources: none of that name.
 * kIOReturnIPCError: *size is too small. kIOReturnBadArgument: of another type.
 */
kern_return_t IORegistryEntryGetProperty(io_registry_entry_t entry, const char *name,
					 io_struct_inband_t buffer, uint32_t *size);

/* --- connections --- */

/*
 * Makes a user client of the service's driver; `type` reaches its NewUserClient. Blocks until the
 * driver has answered. kIOReturnNotPermitted: the policy refuses this app. kIOReturnError: the
 * driver has no NewUserClient. kIOReturnUnsupported: the entry is a device, not a driver's service.
 * kIOReturnNotFound, kIOReturnNoDevice: it has gone. Whatever else the driver answers.
 */
kern_return_t IOServiceOpen(io_service_t service, task_port_t owning_task, uint32_t type,
			    io_connect_t *connect);
/*
 * Unmaps everything, ends calls in flight with kIOReturnAborted, and returns after the driver's
 * Stop, or after a second if a method of the driver blocks for so long; Stop then comes later.
 */
kern_return_t IOServiceClose(io_connect_t connect);
/* The service that the connection is to, owned by the caller. */
kern_return_t IOConnectGetService(io_connect_t connect, io_service_t *service);
kern_return_t IOConnectAddRef(io_connect_t connect);
kern_return_t IOConnectRelease(io_connect_t connect);

/* --- calls --- */

/*
 * Calls the driver's ExternalMethod and blocks until it has answered. At most 16 scalars each way
 * (more going in: MIG_ARRAY_TOO_LARGE). *output_count and *output_struct_size: in, the room; out,
 * what was written; on an error they are left alone. Structures of more than 4096 bytes are memory
 * that the driver can map: input read-only, output read-write; if the driver keeps such memory, its
 * whole pages are shared from then on. With kIOConnectMethodVarOutputSize as the room,
 * output_struct is where the address of a new buffer is put, for vm_deallocate with
 * *output_struct_size; a driver can send 16 MiB that way. Memory of mach_vm_allocate is shared,
 * never copied. The range of a kept structure must stay allocated until IOServiceClose.
 */
kern_return_t IOConnectCallMethod(mach_port_t connection, uint32_t selector, const uint64_t *input,
				  uint32_t input_count, const void *input_struct,
				  size_t input_struct_size, uint64_t *output,
				  uint32_t *output_count, void *output_struct,
				  size_t *output_struct_size);
kern_return_t IOConnectCallStructMethod(mach_port_t connection, uint32_t selector,
					const void *input_struct, size_t input_struct_size,
					void *output_struct, size_t *output_struct_size);
kern_return_t IOConnectCallScalarMethod(mach_port_t connection, uint32_t selector,
					const uint64_t *input, uint32_t input_count,
					uint64_t *output, uint32_t *output_count);

/*
 * The same, and registers for completions: the driver gets an OSAction, and what it sends by
 * AsyncCompletion arrives at wake_port with the reference words.
 * reference[kIOAsyncCalloutFuncIndex] is an IOAsyncCallback, reference[kIOAsyncCalloutRefconIndex]
 * its first argument. At most 8 words (MIG_ARRAY_TOO_LARGE). MACH_SEND_INVALID_RIGHT: wake_port is
 * no port of this process; MACH_PORT_NULL is allowed.
 */
kern_return_t IOConnectCallAsyncMethod(mach_port_t connection, uint32_t selector,
				       mach_port_t wake_port, uint64_t *reference,
				       uint32_t reference_count, const uint64_t *input,
				       uint32_t input_count, const void *input_struct,
				       size_t input_struct_size, uint64_t *output,
				       uint32_t *output_count, void *output_struct,
				       size_t *output_struct_size);
kern_return_t IOConnectCallAsyncStructMethod(mach_port_t connection, uint32_t selector,
					     mach_port_t wake_port, uint64_t *reference,
					     uint32_t reference_count, const void *input_struct,
					     size_t input_struct_size, void *output_struct,
					     size_t *output_struct_size);
kern_return_t IOConnectCallAsyncScalarMethod(mach_port_t connection, uint32_t selector,
					     mach_port_t wake_port, uint64_t *reference,
					     uint32_t reference_count, const uint64_t *input,
					     uint32_t input_count, uint64_t *output,
					     uint32_t *output_count);

/* What a completion calls: by the number of arguments that the driver sent, 0, 1, 2, or more. */
typedef void (*IOAsyncCallback0)(void *refcon, IOReturn result);
typedef void (*IOAsyncCallback1)(void *refcon, IOReturn result, void *arg0);
typedef void (*IOAsyncCallback2)(void *refcon, IOReturn result, void *arg0, void *arg1);
typedef void (*IOAsyncCallback)(void *refcon, IOReturn result, void **args, uint32_t arg_count);

/* --- notification ports --- */

/*
 * Where completions arrive, and one of the ways in which the app wants to be called: a run-loop
 * source, a dispatch queue, a mach port with a receive loop, or a descriptor to poll
 * (dext_iokit.h). Callbacks run on the thread that runs the loop or dispatches; those of one
 * connection in the order in which its driver sent them.
 */
typedef struct IONotificationPort *IONotificationPortRef;

/* NULL without memory or descriptors. */
IONotificationPortRef IONotificationPortCreate(mach_port_t main_port);
/* What still waits in it is dropped. May be called from one of its callbacks. NULL is allowed. */
void IONotificationPortDestroy(IONotificationPortRef notify);
/* Borrowed: it becomes invalid with the port. NULL without memory. */
CFRunLoopSourceRef IONotificationPortGetRunLoopSource(IONotificationPortRef notify);
/*
 * From now on callbacks run on that queue, one after the other even on a concurrent one; the port
 * keeps the queue. NULL: no longer on any. A callback that is running meanwhile ends where it is,
 * and the next one waits for its end. A message that was taken is always called back with, also
 * when IONotificationPortDestroy comes from another thread in that moment.
 */
void IONotificationPortSetDispatchQueue(IONotificationPortRef notify, dispatch_queue_t queue);
/* For wake_port, and for mach_msg. It ends with the notification port. */
mach_port_t IONotificationPortGetMachPort(IONotificationPortRef notify);
/* A receive right without a notification port, for messages of that type (0x35 or 0x39). */
kern_return_t IOCreateReceivePort(uint32_t message_type, mach_port_t *receive_port);
/*
 * Calls the callback of a message that mach_msg received. The first and the last argument are not
 * used. A message of another kind, or with a size that does not fit, is ignored with a log line.
 */
void IODispatchCalloutFromMessage(void *unused, mach_msg_header_t *message, void *reference);

/*
 * The notification that a message holds (index 0, there is one): its type, the first word of its
 * reference, and its content, inside the message. Each may be NULL. kIOReturnBadArgument: no
 * notification, another index, or a size that does not fit.
 */
kern_return_t OSGetNotificationFromMessage(mach_msg_header_t *message, uint32_t index,
					   uint32_t *type, uintptr_t *reference, void **content,
					   vm_size_t *size);

/* --- notifications of services --- */

typedef void (*IOServiceMatchingCallback)(void *refcon, io_iterator_t iterator);
typedef void (*IOServiceInterestCallback)(void *refcon, io_service_t service, uint32_t message_type,
					  void *message_argument);

/*
 * The types are io_name_t on macOS, which is the same to a caller; said so, gcc would warn of each
 * string that has fewer than 128 bytes.
 *
 * Tells of services that come or go. The type: kIOPublishNotification, kIOFirstPublishNotification,
 * kIOMatchedNotification, kIOFirstMatchNotification (each: a service that matches has appeared),
 * kIOTerminatedNotification (one has gone, and the app's connections to it have ended),
 * kIOWillTerminateNotification (one has gone).
 *
 * *notification is an iterator, owned by the caller. It first yields the services that are there
 * (of the kinds of going: none). The callback is called only after IOIteratorNext has come to the
 * end: drain the iterator once to arm it, and in the callback again. IOObjectRelease stops it.
 *
 * Gives up one reference of `matching` on every path. Waits for the registry's answer, a few
 * seconds for one that is being restarted. When the registry is restarted later, the notification
 * goes on: what has gone is told of as gone, what is new as new. kIOReturnBadArgument: a NULL
 * argument, or an unknown type. kIOReturnNotReady: no registry. kIOReturnNoResources: one past a
 * limit of the registry (4096 notifications).
 */
kern_return_t IOServiceAddMatchingNotification(IONotificationPortRef notify,
					       const char *notification_type,
					       CFDictionaryRef matching,
					       IOServiceMatchingCallback callback, void *refcon,
					       io_iterator_t *notification);
/* The same for a bare port: `reference` is the first word of its messages' references. */
kern_return_t IOServiceAddNotification(mach_port_t main_port, const char *notification_type,
				       CFDictionaryRef matching, mach_port_t wake_port,
				       uintptr_t reference, io_iterator_t *notification);

/*
 * Tells what happens to a service. kIOGeneralInterest: kIOMessageServicePropertyChange when its
 * driver sets properties, kIOMessageServiceIsTerminated when it has gone and the app's connections
 * to it have ended. kIOBusyInterest: kIOMessageServiceBusyStateChange, the argument 1 (busy) or 0
 * (quiet). IOObjectRelease of *notification stops it. `service` in the callback is borrowed.
 *
 * kIOReturnUnsupported: another type of interest. kIOReturnNotFound: the service has gone. The rest
 * as for IOServiceAddMatchingNotification.
 */
kern_return_t IOServiceAddInterestNotification(IONotificationPortRef notify, io_service_t service,
					       const char *interest_type,
					       IOServiceInterestCallback callback, void *refcon,
					       io_object_t *notification);

/* --- memory --- */

/*
 * Maps the driver's memory of a type. *size is output: the exact length. *address is output with
 * kIOMapAnywhere, else the page-aligned place to map at, where nothing may be mapped yet. Mapping a
 * type again with kIOMapAnywhere gives the same address. kIOMapReadOnly is honoured. Any failure is
 * kIOReturnBadArgument, and the log says which.
 */
kern_return_t IOConnectMapMemory64(io_connect_t connect, uint32_t memory_type,
				   task_port_t into_task, mach_vm_address_t *address,
				   mach_vm_size_t *size, IOOptionBits options);
kern_return_t IOConnectMapMemory(io_connect_t connect, uint32_t memory_type, task_port_t into_task,
				 mach_vm_address_t *address, mach_vm_size_t *size,
				 IOOptionBits options);
/* kIOReturnBadArgument: that type is not mapped at that address. */
kern_return_t IOConnectUnmapMemory64(io_connect_t connect, uint32_t memory_type,
				     task_port_t from_task, mach_vm_address_t address);
kern_return_t IOConnectUnmapMemory(io_connect_t connect, uint32_t memory_type,
				   task_port_t from_task, mach_vm_address_t address);
/*
 * Messages for the data queue behind that memory type go to `port`: one when an entry has come into
 * the empty queue, also if that was before this call, or when there is room again after an
 * Enqueue found none (IOKit/IODataQueueClient.h). MACH_PORT_NULL: no more. It replaces the port of
 * an earlier call, and ends with the memory's last unmapping or the connection.
 *
 * The message is a bare mach_msg_header_t, msgh_id 0; while one waits in the port no second one is
 * put there. `reference` is not part of it, as on macOS. A port of an IONotificationPort may be
 * given: its run loop source, dispatch queue or descriptor then wakes the program, but calls
 * nothing: a run with returnAfterSourceHandled returns, and the program looks at its queue.
 *
 * MACH_SEND_INVALID_RIGHT: no such port. kIOReturnUnsupported: the type's memory is no data queue.
 * kIOReturnExclusiveAccess: another connection has it. kIOReturnNoResources: the limit on
 * registrations. MACH_SEND_INVALID_DEST: no open connection.
 */
kern_return_t IOConnectSetNotificationPort(io_connect_t connect, uint32_t type, mach_port_t port,
					   uintptr_t reference);

/* --- properties set from outside --- */

/*
 * Hands a dictionary to the driver's SetProperties, of the service or of the connection's user
 * client, and returns its answer. Blocks as long as the driver likes. kIOReturnUnsupported: the
 * driver has no SetProperties, or the entry is a device's. kIOReturnBadArgument: no dictionary.
 * kIOReturnMessageTooLarge: more than 64 KiB, or 4096 bytes of a connection, as a binary property
 * list. kIOReturnNoResources: 64 of a driver are under way. kIOReturnOffline: the driver ended.
 */
kern_return_t IOConnectSetCFProperties(io_connect_t connect, CFTypeRef properties);
kern_return_t IOConnectSetCFProperty(io_connect_t connect, CFStringRef name, CFTypeRef property);
kern_return_t IORegistryEntrySetCFProperties(io_registry_entry_t entry, CFTypeRef properties);
kern_return_t IORegistryEntrySetCFProperty(io_registry_entry_t entry, CFStringRef name,
					   CFTypeRef property);

/* --- the calls of before IOConnectCallMethod --- */

/* Scalars are ints, outputs int pointers, as variable arguments. */
kern_return_t IOConnectMethodScalarIScalarO(io_connect_t connect, uint32_t index,
					    IOItemCount input_count, IOItemCount output_count, ...);
/* The scalars, then the structure. */
kern_return_t IOConnectMethodScalarIStructureO(io_connect_t connect, uint32_t index,
					       IOItemCount input_count, IOByteCount *structure_size,
					       ...);
kern_return_t IOConnectMethodScalarIStructureI(io_connect_t connect, uint32_t index,
					       IOItemCount input_count, IOByteCount structure_size,
					       ...);
kern_return_t IOConnectMethodStructureIStructureO(io_connect_t connect, uint32_t index,
						  IOByteCount input_size, IOByteCount *output_size,
						  void *input, void *output);

/* --- not supported: each is kIOReturnUnsupported (or -1) and a log line --- */

/* Nothing is done, nothing given back; any thread. */
kern_return_t IOConnectTrap0(io_connect_t connect, uint32_t index);
kern_return_t IOConnectTrap1(io_connect_t connect, uint32_t index, uintptr_t p1);
kern_return_t IOConnectTrap2(io_connect_t connect, uint32_t index, uintptr_t p1, uintptr_t p2);
kern_return_t IOConnectTrap3(io_connect_t connect, uint32_t index, uintptr_t p1, uintptr_t p2,
			     uintptr_t p3);
kern_return_t IOConnectTrap4(io_connect_t connect, uint32_t index, uintptr_t p1, uintptr_t p2,
			     uintptr_t p3, uintptr_t p4);
kern_return_t IOConnectTrap5(io_connect_t connect, uint32_t index, uintptr_t p1, uintptr_t p2,
			     uintptr_t p3, uintptr_t p4, uintptr_t p5);
kern_return_t IOConnectTrap6(io_connect_t connect, uint32_t index, uintptr_t p1, uintptr_t p2,
			     uintptr_t p3, uintptr_t p4, uintptr_t p5, uintptr_t p6);
kern_return_t IOConnectAddClient(io_connect_t connect, io_connect_t client);
kern_return_t IORegistryDisposeEnumerator(io_enumerator_t enumerator);
kern_return_t IOServiceRequestProbe(io_service_t service, uint32_t options);
kern_return_t IOServiceAuthorize(io_service_t service, uint32_t options);
int IOServiceOpenAsFileDescriptor(io_service_t service, int oflag);
kern_return_t IOServiceOFPathToBSDName(mach_port_t main_port, const char *path, io_name_t bsd_name);
kern_return_t IONotificationPortSetImportanceReceiver(IONotificationPortRef notify);
kern_return_t IOCatalogueSendData(mach_port_t main_port, uint32_t flag, const char *buffer,
				  uint32_t size);
kern_return_t IOCatalogueTerminate(mach_port_t main_port, uint32_t flag, io_name_t description);
kern_return_t IOCatalogueGetData(mach_port_t main_port, uint32_t flag, char **buffer,
				 uint32_t *size);
kern_return_t IOCatalogueModuleLoaded(mach_port_t main_port, io_name_t name);
kern_return_t IOCatalogueReset(mach_port_t main_port, uint32_t flag);

DEXT_END_DECLS

#endif
