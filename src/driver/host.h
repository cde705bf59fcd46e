/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host process: it receives START on its control socket, makes the provider, loads the bundle's
 * shared object, makes the driver object and serves its clients until it is told to stop, the
 * device goes or the registry ends.
 *
 * START carries a property list (PROTOCOL.md, "Registry and host"):
 *	Executable		string	path of the shared object
 *	Bundle			string	CFBundleIdentifier
 *	BundlePath		string	the bundle's folder, which stays readable
 *	Sandbox			string	"required", "best" or "off"
 *	Personality		dict	of Info.plist, with IOUserClass
 *	Device			dict	Backend ("virtual", "usb" or "pci"), and what that has
 *	InterfaceNumber		number	absent: the provider is the device itself
 *	ProviderID		number	registry id of the provider
 *	MemoryMax		number	bytes at which the kernel ends it; absent: there are none
 */
#ifndef DRIVER_HOST_H
#define DRIVER_HOST_H

#include "loop.h"
#include "packet.h"

#include <DriverKit/IOService.h>
#include <DriverKit/dext_bundle.h>

DEXT_BEGIN_DECLS

struct host_provider {
	/*
	 * Makes the provider that START describes, +1; takes what it needs of the files that came
	 * with it. Its descriptors are added to the loop.
	 */
	IOReturn (*create)(OSDictionary *start, struct fd_list *files, struct loop *loop,
			   IOService **ret_provider);
	/* Closes it after the driver has stopped. */
	void (*close)(IOService *provider);
	/*
	 * Its device is pulled out; host_provider_gone is called when all transfers have ended. Any
	 * thread, also after close. NULL: it has none that can be.
	 */
	void (*unplug)(IOService *provider);
};

/* Runs the host on this socket (which it takes) until its end; returns the process's exit status.
 */
int host_run_take(int control_socket, const struct host_provider *provider);

/*
 * The same on threads of a program that does other things as well: a test. The process is left as
 * it is: no sandbox, no signals, no limits. Of a table of classes (NULL: START's Executable) the
 * driver is made. One at a time, and again when it has returned. A driver that does not stop ends
 * the program by abort, unless it is to be waited for.
 */
struct host_inside {
	const dext_bundle_info *classes;
	bool patient;
};
int host_run_inside_take(int control_socket, const struct host_provider *provider,
			 const struct host_inside *inside);

/*
 * The provider's device has gone: the driver on it is terminated, and when it has stopped the host
 * ends. Called by the provider, from any thread; only the first time counts.
 */
void host_provider_gone(IOService *provider);

/* The loop that host_run_take runs; NULL outside a host. */
struct loop *host_loop(void);

DEXT_END_DECLS

#endif
