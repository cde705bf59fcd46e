/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry. Create it in a loop that one thread runs, add bundles and devices, start it: every
 * device and interface is matched, a host is started for each winner, and apps can look up and open
 * what the hosts publish, and plug in and unplug virtual devices. registry_stop ends the hosts;
 * when registry_summary says that all have ended, destroy it, after the loop has stopped and before
 * the loop is destroyed.
 *
 * Everything here is called on the loop's thread, or while the loop does not run.
 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "loop.h"
#include "sandbox.h"

#include <stdbool.h>
#include <sys/types.h>

#include <DriverKit/IOReturn.h>

#define REGISTRY_ERROR_MAX 512

struct registry;
struct bundle;
struct store;

/*
 * Hosts on threads of this process, for tests. `start` starts one on its control socket, which it
 * takes in any case, and returns an eventfd, the registry's, to which 1 and the host's exit status
 * is added when it has ended; -1: it could not.
 */
struct registry_inside {
	int (*start)(void *context, int control_socket);
	void *context;
};

struct registry_options {
	const char *runtime_dir;    /* exists; its owner is this process's user */
	const char *host_program;   /* path of dext-host */
	unsigned restarts;	    /* tries after a crash before a driver is given up */
	enum sandbox_level sandbox; /* of each host */
	bool plugging;		    /* virtual devices may be plugged in and unplugged */
	uint64_t memory_max; /* bytes of a host; 0: no limit. Must be had if the sandbox is required
			      */
	const char *access_file;   /* who may open what, policy.h; NULL: only this user */
	uid_t first_uid, last_uid; /* each host gets one of its own; 0: this process's */
	struct store *store; /* where hosts outlive this process, borrowed; NULL: they do not */
	const struct registry_inside *inside; /* borrowed; NULL: each host is a process */
	/* Called on the loop's thread after a host was started, published or ended, after a device
	 * has come or gone, and when the registry has started later. */
	void (*changed)(void *context);
	void *context;
};

IOReturn registry_create(struct loop *loop, const struct registry_options *options,
			 struct registry **ret_registry);
void registry_destroy(struct registry *registry);

/* On failure `error` is a sentence with the cause and the next step. */
IOReturn registry_add_bundle(struct registry *registry, const char *path,
			     char error[REGISTRY_ERROR_MAX]);
/*
 * Also while it runs. *bundle is the one that goes, NULL: none, and then the one that has come; it
 * is borrowed. On failure the old one stays if the new one cannot be read, and has gone otherwise.
 */
IOReturn registry_replace_bundle(struct registry *registry, const char *path,
				 struct bundle **bundle, char error[REGISTRY_ERROR_MAX]);
/* Its hosts are told to stop; sets *bundle to NULL. */
void registry_remove_bundle(struct registry *registry, struct bundle **bundle);
IOReturn registry_add_virtual(struct registry *registry, const char *spec,
			      char error[REGISTRY_ERROR_MAX]);
/* A virtual device that its host knows how to make: what it is, by its descriptors. */
struct registry_device {
	const char *spec; /* START's Spec */
	const uint8_t *device;
	const uint8_t *configuration;
	size_t configuration_length;
	uint8_t speed; /* of kIOUSBHostConnectionSpeed... */
};
/* Plugs it in, after registry_start. */
IOReturn registry_plug(struct registry *registry, const struct registry_device *described,
		       char error[REGISTRY_ERROR_MAX]);
IOReturn registry_add_usb(struct registry *registry, unsigned bus, unsigned number,
			  char error[REGISTRY_ERROR_MAX]);

/*
 * Takes the devices and hosts that came back from the store. Once, when the bundles are there and
 * before any device is added.
 */
IOReturn registry_adopt(struct registry *registry);

/*
 * Matches, starts hosts and listens. Hosts that came back are asked for their services first, and
 * then this happens later, in the loop: registry_state says when. Until then apps that know the
 * socket wait.
 */
IOReturn registry_start(struct registry *registry, char error[REGISTRY_ERROR_MAX]);
/* kIOReturnNotReady: not yet. Else what became of registry_start. */
IOReturn registry_state(const struct registry *registry);
/* Tells the hosts to stop; those that do not within seven seconds are killed. Idempotent. */
void registry_stop(struct registry *registry);

/*
 * Takes the limits of the hosts' memory off, until the next registry sets them again: in a control
 * group whose groups have limits no process can be started, not even that next one. On failure
 * `error` says why.
 */
IOReturn limit_release(char error[REGISTRY_ERROR_MAX]);

struct registry_summary {
	unsigned hosts;	    /* one for each personality that won a provider */
	unsigned unmatched; /* bundles of which no personality won */
	unsigned starting;  /* without an answer of the driver's Start yet, or waiting for a restart
			     */
	unsigned silent;    /* started, nothing published yet */
	unsigned failed;    /* Start failed, or given up */
	unsigned ended;	    /* has no process any more and will get none */
	unsigned going;	    /* of hosts: those whose device is being unplugged */
	bool plugged;	    /* a device was plugged in since the start */
	bool wants_devices; /* a personality has another provider than IOUserResources */
};
struct registry_summary registry_summary(const struct registry *registry);

/*
 * One line for each thing that keeps the summary from being "all published": a bundle that did not
 * match, with each personality's difference from each provider, and each host that is not serving.
 */
void registry_explain(const struct registry *registry,
		      void (*line)(void *context, const char *text), void *context);

#endif
