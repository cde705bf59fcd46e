/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices that personalities are matched against: a virtual one by its spec, a real USB device
 * by bus and number, a PCI function by its address, and the provider of drivers that drive no
 * device (IOUserResources). A device adds its nodes to the tree; a host that is started for one of
 * them gets its files by device_prepare and the device takes it back by device_give_back.
 */
#ifndef REGISTRY_DEVICE_H
#define REGISTRY_DEVICE_H

#include "packet.h"
#include "tree.h"

#include <stdbool.h>

struct client;
struct pci_function;
struct registry_device;

#define DEVICE_ERROR_MAX 320
#define INTERFACES_MAX	 32 /* whose numbers are below it */

enum device_kind {
	DEVICE_RESOURCES,
	DEVICE_VIRTUAL,
	DEVICE_USB,
	DEVICE_PCI,
};

struct device {
	enum device_kind kind;
	char *label;		  /* "virtual:loopback", "usb:001:002", "pci:0000:00:04.0" */
	char *spec;		  /* virtual: what follows "virtual:" */
	char *path;		  /* usb: of the usbfs file */
	int fd;			  /* usb: the registry's own open file; else -1 */
	struct pci_function *pci; /* pci */
	uint8_t *descriptors;	  /* the device's, then its configuration's */
	size_t length;		  /* bytes of them */
	uint32_t detached;	  /* bit i: a kernel driver was detached from interface i */
	struct entry *node;	  /* [tree] of the device itself; borrowed */
	uint32_t location; /* bus and ports, a digit each: the same while it stays plugged in */
	uint64_t session;  /* when it was opened, clock_now; tells two of the same place apart */
	unsigned address;  /* on its bus */
	uint8_t speed;	   /* of kIOUSBHostConnectionSpeed... */
	char *vendor;	   /* string descriptors; NULL: it has none */
	char *product;
	char *serial;
	/* For the store. */
	uint64_t *ids; /* its nodes had: itself, then its interfaces; NULL: new ones are drawn */
	unsigned id_count;
	char *kept; /* its name there; NULL: it is not there */
	int record; /* -1: likewise */
	/* [registry] from here */
	bool going;		      /* it was unplugged, or has gone by itself */
	struct client *waiter;	      /* who asked for that and has no answer yet; else NULL */
	struct packet_header waiting; /* the waiter's request */
	struct device *next;
};

/* On failure `error` is a sentence with the cause and what to do. */
IOReturn device_open_resources(struct device **ret_device);
/* `number`: 1 for the first virtual device, and so on; its place on the virtual bus. */
IOReturn device_open_virtual(const char *spec, unsigned number, struct device **ret_device,
			     char error[DEVICE_ERROR_MAX]);
/* The same of one that is described. */
IOReturn device_open_described(const struct registry_device *described, unsigned number,
			       struct device **ret_device, char error[DEVICE_ERROR_MAX]);
IOReturn device_open_usb(unsigned bus, unsigned number, struct device **ret_device,
			 char error[DEVICE_ERROR_MAX]);
/*
 * One that came back: its file, which this takes, and what was recorded of it (device_describe).
 * What cannot be read any more, because it was pulled out meanwhile, is as it was.
 * kIOReturnNoDevice: it is another device now, by its descriptors.
 */
IOReturn device_recall_usb_take(int fd, const OSDictionary *facts, struct device **ret_device);
IOReturn device_recall_virtual(const OSDictionary *facts, struct device **ret_device);
/* What the functions above want to know. False: no memory. */
bool device_describe(const struct device *device, OSDictionary *facts);
/* `root`: pci_function.h. kIOReturnNoDevice: there is none. */
IOReturn device_open_pci(const char *root, const char *address, struct device **ret_device);
/* Gives everything back to the kernel's drivers; the nodes have left the tree. */
void device_close(struct device *device);

/* Adds the node of the device and one for each interface. */
IOReturn device_publish(struct device *device, struct tree *tree);

/*
 * Makes an interface (-1: the whole device) ready for a host: detaches kernel drivers and opens a
 * file for this host alone, which can claim nothing else. Of a PCI function: pci_open. No files
 * where the device has none.
 */
IOReturn device_prepare(struct device *device, int interface, struct fd_list *ret_files);
/* What a host is told of a PCI function beside its files: START's Device. False: no memory. */
bool device_describe_pci(OSDictionary *described, const struct device *device);
/* The host of this interface is gone for good: kernel drivers get it back. */
void device_give_back(struct device *device, int interface);

#endif
