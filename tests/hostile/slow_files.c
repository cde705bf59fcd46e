/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE, as far as opening one file needs it. FLUSH, which is each close, gets no answer. */
#include "slow_files.h"

#include "attacks.h"

#include <linux/fuse.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define FILE_NODE 2

int slow_file;

static int device = -1;

static void
answer(const struct fuse_in_header *request, const void *body, size_t length, int error)
{
	struct fuse_out_header head = {.len = (uint32_t)(sizeof(head) + length),
				       .error = -error,
				       .unique = request->unique};
	uint8_t message[512];

	memcpy(message, &head, sizeof(head));
	if (length > 0)
		memcpy(message + sizeof(head), body, length);
	(void)!write(device, message, head.len);
}

static struct fuse_attr
about(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.mode = node == FILE_NODE ? S_IFREG | 0666 : S_IFDIR | 0777,
		.nlink = 1,
		.size = node == FILE_NODE ? 8192 : 0,
	};
}

static void
serve_one(const struct fuse_in_header *request)
{
	const struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
					   .minor = FUSE_KERNEL_MINOR_VERSION,
					   .max_write = 4096};
	struct fuse_entry_out entry = {.nodeid = FILE_NODE, .attr = about(FILE_NODE)};
	struct fuse_attr_out attributes = {.attr = about(request->nodeid)};
	const struct fuse_open_out opened = {.fh = 1};

	switch (request->opcode) {
	case FUSE_INIT:
		answer(request, &init, sizeof(init), 0);
		return;
	case FUSE_LOOKUP:
		answer(request, &entry, sizeof(entry), 0);
		return;
	case FUSE_GETATTR:
		answer(request, &attributes, sizeof(attributes), 0);
		return;
	case FUSE_OPEN:
		answer(request, &opened, sizeof(opened), 0);
		return;
	case FUSE_FLUSH:
	case FUSE_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		answer(request, NULL, 0, ENOSYS);
	}
}

/*
 * A process of its own, which ends with the enemy's standard input: one that holds both ends could
 * not even be killed, since its end closes the file, and that waits for itself.
 */
static _Noreturn void
serve(void)
{
	static uint8_t message[1 << 17];
	struct pollfd items[] = {{.fd = device, .events = POLLIN},
				 {.fd = STDIN_FILENO, .events = POLLIN}};

	while (poll(items, 2, -1) > 0 && items[1].revents == 0 && items[0].revents == POLLIN &&
	       read(device, message, sizeof(message)) > 0)
		serve_one((const struct fuse_in_header *)message);
	_exit(0);
}

static void
mount_here(const char *folder)
{
	char options[96];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", device,
		 (unsigned)geteuid(), (unsigned)getegid());
	if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("hostile", folder, "fuse", MS_NOSUID | MS_NODEV, options) == 0)
		return;
	rmdir(folder);
	attack_is_not_here("no file system can be mounted");
}

void
slow_file_prepare(void)
{
	char folder[] = "/tmp/hostile-XXXXXX", path[64];
	pid_t server;

	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (device < 0)
		attack_is_not_here("/dev/fuse cannot be opened");
	NEED(mkdtemp(folder) != NULL);
	mount_here(folder);
	server = fork();
	NEED(server >= 0);
	if (server == 0)
		serve();
	close(device);
	snprintf(path, sizeof(path), "%s/file", folder);
	slow_file = open(path, O_RDWR | O_CLOEXEC);
	NEED(slow_file >= 0);
	umount2(folder, MNT_DETACH);
	rmdir(folder);
}
