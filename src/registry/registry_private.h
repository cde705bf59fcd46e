/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the registry share: the registry itself and its hosts. One thread, the loop's.
 */
#ifndef REGISTRY_REGISTRY_PRIVATE_H
#define REGISTRY_REGISTRY_PRIVATE_H

#include "device.h"
#include "host_log.h"
#include "id_set.h"
#include "log.h"
#include "matching.h"
#include "packets.h"
#include "registry.h"
#include "store.h"

#include <stdint.h>
#include <sys/types.h>

enum host_state {
	HOST_IDLE,     /* no process yet, or waiting for its restart */
	HOST_ADOPTED,  /* it came back from the store and has not said yet what it serves */
	HOST_STARTING, /* the process runs, the driver's Start has not answered */
	HOST_STARTED,
	HOST_YIELDING, /* Start failed: when the process has ended, the next candidate is tried */
	HOST_STOPPING, /* told to stop */
	HOST_FAILED,   /* Start failed, or crashed too often: no process, and none to come */
	HOST_ENDED,    /* ended by itself or by STOP */
};

struct setting;

#define HOST_REASON_MAX 160

/* One driver instance, over all its processes. */
struct host {
	struct registry *registry;
	const struct personality *personality;
	struct device *device;
	struct entry *provider;
	int interface; /* -1: the provider is the device itself */

	enum host_state state;
	IOReturn start_status;	      /* of the last HOST_STARTED */
	unsigned published;	      /* services in the tree */
	unsigned crashes;	      /* since it last ran well for a while */
	uint64_t number;	      /* over all hosts of the registry, from 1 */
	char reason[HOST_REASON_MAX]; /* why it is not there, or was not; "": none */
	struct log_line *crash;	      /* its last lines when it last crashed, oldest first */
	uint64_t launched;	      /* clock_now */

	bool inside;	     /* it is threads of this process; pidfd is an eventfd, pid ours */
	uid_t uid;	     /* of its processes, its own; 0: they have the registry's */
	pid_t pid;	     /* 0: no process */
	bool adopted;	     /* the process is no child of this one: there is no exit status */
	bool asked;	     /* LIST was sent, LISTED has not come */
	bool listing;	     /* LISTING has come; always, of one that was not adopted */
	bool started_before; /* said so there */
	bool withdrew; /* by its own doing nothing of it is published; it came back: it said so */
	int pidfd;
	int control;
	bool control_watched, exit_watched; /* its source is in the loop */
	struct loop_source control_source;
	struct loop_source exit_source;
	struct loop_timer timer; /* restart, or the end of its patience */
	bool timer_armed;
	struct host_log log;

	struct setting *settings; /* settings.c: what it has to answer, oldest first */
	uint64_t last_setting;
	uint64_t first_setting; /* numbers up to this one are those of the registry before */

	bool outlives;		   /* its process does, this one: it is in the store, or will be */
	char kept[STORE_NAME_MAX]; /* "": its process is not in the store */
	int record;		   /* -1: likewise */

	struct host *next;
};

struct client;
struct policy;

struct registry {
	struct loop *loop;
	char *runtime_dir;
	char *socket_path; /* NULL before it is bound */
	char *host_program;
	unsigned restarts;
	enum sandbox_level sandbox;
	bool plugging;
	uint64_t memory_max; /* bytes of a host; 0: no limit */
	char *group;	     /* limit.c: folder of the control groups; NULL: no limit */
	struct policy *policy;
	bool shared; /* other users than this process's may open */
	/* identity.c: of which it is known whether the system has such a user, and those it has */
	struct id_set asked_uids, taken_uids;
	uid_t first_uid, last_uid; /* of hosts; 0: they have this process's */
	void (*changed)(void *context);
	void *context;

	struct bundle *bundles;
	struct bundle *retired; /* renewal.c: their hosts are about to end */
	struct device *devices;
	struct host *hosts;
	struct tree tree;

	int listener;
	int spare_fd; /* for refusing when there are no more */
	bool listener_watched;
	struct loop_source listener_source;
	struct client *clients;
	unsigned client_count;
	struct log_share app_lines; /* of the log, that apps bring about */

	struct loop_task sweep_task; /* plug.c */
	bool sweeping;		     /* it is posted */
	bool plugged;		     /* a device was, since the start */

	const struct registry_inside *inside; /* borrowed; NULL: each host is a process */
	struct store *store;		      /* borrowed; NULL: hosts end with this process */
	struct store_entry *given;	      /* what came back and has not been taken */
	bool root_kept;			      /* it is in the store */
	bool adopting;			      /* adopted hosts are being asked */
	bool insisted;			      /* those that have not answered were killed */
	struct loop_timer adopt_timer;
	bool adopt_armed;
	struct loop_task adopt_task;
	struct loop_task tell_task; /* reports.c */
	bool telling;		    /* it is posted */
	struct log_wait *log_waits;
	bool adopt_posted;

	uint64_t last_host, last_line; /* numbers given */

	bool started, stopping;
	IOReturn state;
	struct packet packet;	   /* where an app's packet is received: one thread */
	struct packet host_packet; /* the same of hosts, who are heard while an app's is at hand */
};

/* launch.c */
/* Adds the host to the registry's list; it has no process yet. ret_host may be NULL. */
IOReturn host_create(struct registry *registry, const struct personality *personality,
		     struct device *device, struct entry *provider, struct host **ret_host);
/* What of a process comes back from the store. */
struct host_process {
	const char *kept;
	pid_t pid;
	uid_t uid;
	int control, pidfd, record, log;
};
/* The host gets this process, and takes its descriptors on every path. */
IOReturn host_adopt_take(struct host *host, const struct host_process *process);
/* Asks an adopted host what it serves. */
void host_ask(struct host *host);
/* Ends its process at once; the rest comes when it has ended. */
void host_kill(const struct host *host);
void host_launch(struct host *host);
void host_stop(struct host *host);
/*
 * Takes what hosts have sent: before an app's request is answered, since the app may have heard
 * from a driver what that has told the registry.
 */
void hosts_catch_up(struct registry *registry);
/* Its device has gone: it is to end by itself, within HOST_UNPLUG_PATIENCE. */
void host_unplug(struct host *host);
/* No process, no timer, nothing in the loop: it may be destroyed while the loop runs. */
bool host_is_over(const struct host *host);
/* Kills what runs, waits for it, and frees. The loop does not run, or it is over. */
void host_destroy(struct host *host);
/* "BulkStream (org.example.bulkstream) on virtual:loopback, interface 0" */
void host_describe(const struct host *host, char *text, size_t size);
/* Sends HOST_OPEN; the descriptors stay the caller's. */
IOReturn host_open(struct host *host, const struct host_open_body *body, int connection, int pidfd);

/* server.c */
/* The socket is there from now on; who connects waits for server_listen. */
IOReturn server_start(struct registry *registry, char error[REGISTRY_ERROR_MAX]);
IOReturn server_listen(struct registry *registry);
void server_stop(struct registry *registry); /* the loop does not run */
/* Not success: the client is to be dropped, by whoever handles its request. */
IOReturn server_reply(struct client *client, const struct packet_header *request, IOReturn status,
		      const void *body, size_t length);
/* The object's bytes; NULL: kIOReturnNoMemory. */
IOReturn server_reply_object_take(struct client *client, const struct packet_header *request,
				  OSDictionary *object);
/* With a descriptor, which stays the caller's; -1: none. */
IOReturn server_reply_with(struct client *client, const struct packet_header *request,
			   IOReturn status, int fd);
/* A reply without a body, from elsewhere; a client that does not take it is dropped. */
void server_reply_late(struct client *client, const struct packet_header *request, IOReturn status);
bool server_is_own_user(const struct client *client);
/* Whether the app may see the bytes of others' transfers. */
bool server_may_capture(const struct client *client);
const struct ucred *server_credentials(const struct client *client);
int server_pidfd(const struct client *client); /* the client's; -1: the process is not known here */
/*
 * Before a descriptor is made for it. kIOReturnNoResources, and it is logged: it has not read
 * DEXT_LIMIT_UNREAD_ANSWERS of them yet.
 */
IOReturn server_check_unread(struct client *client);
/* It does not take what it is sent. Not while its own request is handled. */
void server_drop(struct client *client);
/*
 * Whether the app may open what this driver publishes; false: `reason`, of POLICY_REASON_MAX bytes,
 * is the failed check.
 */
bool server_allows(const struct client *client, const struct host *host, char *reason);
struct registry *server_registry(const struct client *client);

/* entries.c: LOOKUP, PROPERTIES, ENTRIES and DESCRIBE; results as of server_reply. */
IOReturn entries_look_up(struct registry *registry, struct client *client,
			 const struct packet *packet);
IOReturn entries_properties(struct registry *registry, struct client *client,
			    const struct packet *packet);
IOReturn entries_related(struct registry *registry, struct client *client,
			 const struct packet *packet);
IOReturn entries_describe(struct registry *registry, struct client *client,
			  const struct packet *packet);

/* opening.c: OPEN and SET_PROPERTIES; results as of server_reply. */
IOReturn opening_request(struct registry *registry, struct client *client,
			 const struct packet *packet);
IOReturn opening_set_properties(struct registry *registry, struct client *client,
				const struct packet *packet);

/* reports.c: drivers and their logs. */
/* DRIVER and LOG; results as of server_reply. */
IOReturn reports_driver(struct registry *registry, struct client *client,
			const struct packet *packet);
IOReturn reports_log(struct registry *registry, struct client *client, const struct packet *packet);
/* Somebody's log has a new line, or nobody may wait any more. */
void reports_tell(struct registry *registry);
void reports_forget_client(struct registry *registry, const struct client *client);
/* The log as it is now is kept as the host's last words. */
void reports_keep_crash(struct host *host);
void reports_forget_crash(struct host *host);
/*
 * An array of what went wrong with the drivers of this entry, each a dictionary; NULL: nothing did.
 * The lines of logs are in it only if the app may see them. The caller releases it.
 */
OSArray *reports_create_for(const struct client *client, const struct entry *entry);

/* traces.c: TRACE; results as of server_reply. */
IOReturn traces_request(struct registry *registry, struct client *client,
			const struct packet *packet);

/* plug.c */
/* PLUG and UNPLUG; results as of server_reply. */
IOReturn plug_request(struct registry *registry, struct client *client,
		      const struct packet *packet);
IOReturn unplug_request(struct registry *registry, struct client *client,
			const struct packet *packet);
/* The client has gone: nobody waits for its answers. */
void plug_forget_client(struct registry *registry, const struct client *client);
/* The device has gone, or is to go: its hosts are told, and when they have ended it is freed. */
void plug_device_gone(struct registry *registry, struct device *device);
/* Matches a device that was added and launches its hosts; what cannot be matched is removed. */
IOReturn plug_begin(struct registry *registry, struct device *device,
		    char error[REGISTRY_ERROR_MAX]);
/* False: there are DEXT_LIMIT_DEVICES. */
bool plug_has_room(const struct registry *registry, char error[REGISTRY_ERROR_MAX]);
/* A host of a going device is over. */
void plug_sweep(struct registry *registry);
/* Tells the apps that watch: what became of an entry, or that hosts have changed their states. */
void server_tell(struct registry *registry, const struct entry *entry, enum event_kind kind);
void server_tell_busy(struct registry *registry);

/* keep.c: into the store and out of it. Without a store nothing happens. */
#define KEPT_ROOT "root"
void keep_root(struct registry *registry);
/* A device whose nodes are in the tree. */
void keep_device(struct registry *registry, struct device *device);
void keep_forget_device(struct registry *registry, struct device *device);
/* Whether the next process of the host could be kept. */
bool keep_has_room(const struct host *host);
void keep_host(struct host *host, const OSDictionary *start);
void keep_forget_host(struct host *host);
/* What the host serves has changed. */
void keep_services(const struct host *host);

/* adopt.c: what came back. */
/* The root's id; 0: it is to have a new one. */
uint64_t adopt_root(struct registry *registry);
/* Asks the adopted hosts; `adopting` is false if there are none. */
void adopt_begin(struct registry *registry);
/* A host may have answered, or ended. */
void adopt_check(struct registry *registry);
void adopt_cancel(struct registry *registry);

/* renewal.c */
/* Matches all devices whose nodes are in the tree and launches what is new. */
void renewal_match(struct registry *registry);
/* Whether a host drives this interface (-1: the device or any of them). */
bool renewal_is_taken(const struct registry *registry, const struct device *device, int interface);
/* Hosts of bundles that have gone are over: others take their providers. False: there are none. */
bool renewal_sweep(struct registry *registry);

/* identity.c */
/* A uid for the host that no other has; not success: there is none left. */
IOReturn identity_give(struct host *host);

/* limit.c */
/* On failure `error` says what is missing. */
IOReturn limit_prepare(struct registry *registry, char error[REGISTRY_ERROR_MAX]);
/* The host's process may have no more than memory_max; before it is sent START. */
IOReturn limit_begin(const struct host *host);
/* Its process has been reaped and is known by its number still. */
void limit_end(const struct host *host);

/* settings.c */
/* Hands SET_PROPERTIES to the host; not success: what the app is told at once. */
IOReturn settings_begin(struct host *host, struct client *client, const struct packet *packet);
/* kIOReturnIPCError: the host answers what it was not asked. */
IOReturn settings_answered(struct host *host, uint64_t number, IOReturn status);
/* The host answers no more. */
void settings_end(struct host *host);
void settings_forget_client(struct registry *registry, const struct client *client);

/* registry.c */
/* A new device at the lowest free place of the virtual bus, in no tree yet. */
IOReturn registry_add_device(struct registry *registry, const char *spec,
			     struct device **ret_device, char error[REGISTRY_ERROR_MAX]);
IOReturn registry_open_usb(struct registry *registry, unsigned bus, unsigned number,
			   struct device **ret_device, char error[REGISTRY_ERROR_MAX]);
/* The first place on the virtual bus that no device has. */
unsigned registry_free_place(const struct registry *registry);
/* Into the registry's list. */
void registry_take_device(struct registry *registry, struct device *device);
/* What follows when it is known which hosts there are. */
void registry_run(struct registry *registry);
IOReturn registry_open_pci(struct registry *registry, const char *root, const char *address,
			   struct device **ret_device);
/* Puts the device's nodes into the tree and makes a host, not launched, for each winner. */
IOReturn registry_match(struct registry *registry, struct device *device);
void registry_changed(struct registry *registry);
/* Drivers at or below the entry that are being started. */
uint64_t registry_busy(const struct registry *registry, const struct entry *entry);

#endif
