/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watched folders of bundles.
 *
 * What inotify says only wakes: each time the folders are read anew and compared with what was
 * found before, so that an event that is lost or misunderstood costs nothing. A bundle is compared
 * by a print over the names, identities, sizes and times of all files in it. It is read only when
 * nothing has changed for SETTLE, so that a copy that is under way is not taken for the bundle, but
 * no later than SETTLE_LONGEST after the first change.
 *
 * A bundle that cannot be used is named in the log, once, and the version of before goes on. What
 * is wrong with a folder itself is said once, too, and again when it was right in between.
 *
 * Where the registry is root, only root's files are code: anything that somebody else could write
 * is refused. One thread, the registry's.
 */
#include "folders.h"

#include "bundle.h"
#include "clock.h"
#include "log.h"
#include "packet.h"
#include "status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTLE	       (100 * NSEC_PER_MSEC)
#define SETTLE_LONGEST (2 * NSEC_PER_SEC)
#define LOOK_AGAIN     (1 * NSEC_PER_SEC) /* at a folder that cannot be read */
#define SENTENCE_MAX   512
#define DEPTH_MAX      8
#define EVENTS                                                                             \
	(IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MODIFY | \
	 IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF)

/* A bundle's folder, whether it could be used or not. */
struct found {
	char *path;
	uint64_t print;
	struct bundle *bundle; /* NULL: it cannot be used */
	bool seen;	       /* in this scan */
	bool again;	       /* it is to be tried again although nothing has changed */
	struct found *next;
};

struct folders {
	struct loop *loop;
	struct registry *registry;
	char *const *paths;
	unsigned count;
	char (*wrong)[SENTENCE_MAX]; /* with each of the paths, as was said; "": nothing */
	struct found *found;
	struct loop_source source; /* inotify */
	struct loop_timer timer;
	bool armed;
	uint64_t since; /* of the first change that was not read yet */
};

/* --- what a bundle looks like --- */

/* Nobody but root could have written it, or could; else `wrong` is the sentence about it. */
static bool
is_trusted(const char *path, const struct stat *info, char wrong[SENTENCE_MAX])
{
	if (geteuid() != 0 || (info->st_uid == 0 && (info->st_mode & 022) == 0))
		return true;
	snprintf(wrong, SENTENCE_MAX,
		 "%.320s is not loaded: it belongs to uid %u and has mode %04o, so that others "
		 "than root could change it; chown root and chmod go-w it",
		 path, info->st_uid, (unsigned)info->st_mode & 07777);
	return false;
}

/* It may lead anywhere: to all files that there are, or to where others write. */
static bool
is_link(int folder, const char *name, const char *path, char wrong[SENTENCE_MAX])
{
	struct stat info;

	if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(info.st_mode))
		return false;
	snprintf(wrong, SENTENCE_MAX,
		 "the bundle of %.320s is not loaded: that is a link to a folder; copy the folder "
		 "instead",
		 path);
	return true;
}

/* Watches the folder and what is in it, and prints it. False: something in it is not trusted. */
static bool
look_into(struct folders *folders, const char *path, unsigned depth, uint64_t *print,
	  char wrong[SENTENCE_MAX])
{
	struct dirent *entry;
	bool trusted = true;
	DIR *folder;

	inotify_add_watch(folders->source.fd, path, EVENTS | IN_ONLYDIR);
	folder = opendir(path);
	if (folder == NULL)
		return true;
	while (trusted && (entry = readdir(folder)) != NULL) {
		char inner[PATH_MAX];
		struct stat info;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    fstatat(dirfd(folder), entry->d_name, &info, 0) < 0)
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		/* A sum: the order of names in a folder means nothing. */
		*print += bundle_print_file(inner, &info);
		trusted = is_trusted(inner, &info, wrong) &&
			  !(S_ISDIR(info.st_mode) &&
			    is_link(dirfd(folder), entry->d_name, inner, wrong));
		if (trusted && S_ISDIR(info.st_mode) && depth < DEPTH_MAX)
			trusted = look_into(folders, inner, depth + 1, print, wrong);
	}
	closedir(folder);
	return trusted;
}

/* --- what became of it --- */

static struct found *
get_found(struct folders *folders, const char *path)
{
	struct found *found = folders->found, **last;

	while (found != NULL && strcmp(found->path, path) != 0)
		found = found->next;
	if (found != NULL)
		return found;
	found = calloc(1, sizeof(*found));
	if (found == NULL)
		return NULL;
	found->path = strdup(path);
	if (found->path == NULL) {
		free(found);
		return NULL;
	}
	for (last = &folders->found; *last != NULL; last = &(*last)->next)
		;
	*last = found;
	return found;
}

/* Who was in another's way may have its place now. */
static void
try_others_again(struct folders *folders)
{
	for (struct found *found = folders->found; found != NULL; found = found->next)
		found->again |= found->bundle == NULL;
}

static void
take(struct folders *folders, struct found *found)
{
	char error[REGISTRY_ERROR_MAX] = "";
	bool before = found->bundle != NULL;

	if (registry_replace_bundle(folders->registry, found->path, &found->bundle, error) ==
	    kIOReturnSuccess) {
		log_info("%s: %s", found->path, before ? "replaced" : "found");
		return;
	}
	log_error("%s%s", error, found->bundle != NULL ? "; the version of before goes on" : "");
	if (before && found->bundle == NULL)
		try_others_again(folders);
}

static void
look_at(struct folders *folders, const char *path)
{
	struct found *found = get_found(folders, path);
	uint64_t print = 1; /* 0 is of one that was not read yet */
	char wrong[SENTENCE_MAX];
	struct stat info;
	bool trusted, changed;

	if (found == NULL || stat(path, &info) < 0 || !S_ISDIR(info.st_mode))
		return;
	found->seen = true;
	trusted = is_trusted(path, &info, wrong);
	if (trusted)
		trusted = look_into(folders, path, 0, &print, wrong);
	else
		print += bundle_print_file(path, &info);
	changed = print != found->print;
	if (!changed && !found->again)
		return;
	found->print = print;
	found->again = false;
	if (trusted)
		take(folders, found);
	else if (changed)
		log_error("%s", wrong);
}

static void
forget_unseen(struct folders *folders)
{
	for (struct found **link = &folders->found; *link != NULL;) {
		struct found *found = *link;

		if (found->seen) {
			link = &found->next;
			continue;
		}
		*link = found->next;
		if (found->bundle != NULL) {
			log_info("%s: removed", found->path);
			registry_remove_bundle(folders->registry, &found->bundle);
			try_others_again(folders);
		}
		free(found->path);
		free(found);
	}
}

/* A folder that is not there: the nearest one above it tells when it comes. */
static void
watch_above(struct folders *folders, const char *path)
{
	char above[PATH_MAX];
	char *slash;

	snprintf(above, sizeof(above), "%s", path);
	while ((slash = strrchr(above, '/')) != NULL && slash != above) {
		*slash = '\0';
		if (inotify_add_watch(folders->source.fd, above,
				      IN_CREATE | IN_MOVED_TO | IN_ONLYDIR | IN_MASK_ADD) >= 0)
			return;
	}
}

static bool
is_nothing(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

/* NULL: there is nothing to look at, or `wrong` says what is wrong; *ret_whole as look_through. */
static DIR *
open_folder(struct folders *folders, const char *path, char wrong[SENTENCE_MAX], bool *ret_whole)
{
	DIR *folder = NULL;
	struct stat info;

	/* Whatever comes in the place of a link says nothing of what it led to. */
	inotify_add_watch(folders->source.fd, path,
			  IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_DONT_FOLLOW | IN_MASK_ADD);
	if (inotify_add_watch(folders->source.fd, path, EVENTS | IN_ONLYDIR) < 0) {
		if (errno == ENOENT)
			watch_above(folders, path);
		else
			snprintf(wrong, SENTENCE_MAX, "%.320s is not watched: %s", path,
				 strerror(errno));
	}
	*ret_whole = true;
	if (stat(path, &info) < 0)
		*ret_whole = is_nothing(errno);
	else if (is_trusted(path, &info, wrong) && (folder = opendir(path)) == NULL)
		*ret_whole = is_nothing(errno);
	return folder;
}

static void
complain(struct folders *folders, unsigned number, const char *wrong)
{
	if (wrong[0] != '\0' && strcmp(wrong, folders->wrong[number]) != 0)
		log_error("%s", wrong);
	memcpy(folders->wrong[number], wrong, SENTENCE_MAX);
}

/* False: what is in it could not be read now. */
static bool
look_through(struct folders *folders, unsigned number)
{
	static const char suffix[] = ".dext";
	const char *path = folders->paths[number];
	char wrong[SENTENCE_MAX] = "";
	struct dirent *entry;
	DIR *folder;
	bool whole;

	folder = open_folder(folders, path, wrong, &whole);
	complain(folders, number, wrong);
	if (folder == NULL)
		return whole;
	while (errno = 0, (entry = readdir(folder)) != NULL) {
		size_t length = strlen(entry->d_name);
		char inner[PATH_MAX];

		if (entry->d_name[0] == '.' || length < sizeof(suffix) ||
		    strcmp(entry->d_name + length - strlen(suffix), suffix) != 0)
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		look_at(folders, inner);
	}
	whole = errno == 0;
	closedir(folder);
	return whole;
}

static void arm(struct folders *folders, uint64_t when);

static void
scan(struct folders *folders)
{
	bool again = false, whole = true;

	folders->since = 0;
	for (struct found *found = folders->found; found != NULL; found = found->next)
		found->seen = false;
	for (unsigned i = 0; i < folders->count; i++)
		whole &= look_through(folders, i);
	/* What was not seen may be there all the same: nothing is stopped for it. */
	if (whole)
		forget_unseen(folders);
	else
		arm(folders, clock_now() + LOOK_AGAIN);
	for (struct found *found = folders->found; found != NULL; found = found->next)
		again |= found->again;
	for (unsigned i = 0; again && i < folders->count; i++)
		look_through(folders, i);
}

/* --- events --- */

static void
settled(struct loop_timer *timer)
{
	struct folders *folders =
		(struct folders *)((char *)timer - offsetof(struct folders, timer));

	folders->armed = false;
	scan(folders);
}

static void
arm(struct folders *folders, uint64_t when)
{
	folders->timer.fired = settled;
	folders->armed = true;
	loop_timer_arm(folders->loop, &folders->timer, when);
}

static void
wait_until_settled(struct folders *folders)
{
	uint64_t now = clock_now(), latest;

	if (folders->since == 0)
		folders->since = now;
	latest = folders->since + SETTLE_LONGEST;
	arm(folders, now + SETTLE < latest ? now + SETTLE : latest);
}

static void
changed(struct loop_source *source, uint32_t events)
{
	struct folders *folders =
		(struct folders *)((char *)source - offsetof(struct folders, source));
	_Alignas(struct inotify_event) char bytes[4096];

	while (read(source->fd, bytes, sizeof(bytes)) > 0)
		;
	wait_until_settled(folders);
}

IOReturn
folders_create(struct loop *loop, struct registry *registry, char *const *paths, unsigned count,
	       struct folders **ret_folders)
{
	struct folders *folders = calloc(1, sizeof(*folders));
	IOReturn status;

	if (folders == NULL)
		return kIOReturnNoMemory;
	folders->loop = loop;
	folders->registry = registry;
	folders->paths = paths;
	folders->count = count;
	folders->wrong = calloc(count + 1, sizeof(folders->wrong[0]));
	if (folders->wrong == NULL) {
		free(folders);
		return kIOReturnNoMemory;
	}
	folders->source = (struct loop_source){
		.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
		.events = EPOLLIN,
		.handler = changed,
	};
	if (folders->source.fd < 0) {
		status = status_from_errno(errno, "inotify_init1");
		free(folders->wrong);
		free(folders);
		return status;
	}
	status = loop_source_add(loop, &folders->source);
	if (status != kIOReturnSuccess) {
		fd_close(&folders->source.fd);
		free(folders->wrong);
		free(folders);
		return status;
	}
	scan(folders);
	*ret_folders = folders;
	return kIOReturnSuccess;
}

void
folders_destroy(struct folders *folders)
{
	if (folders == NULL)
		return;
	if (folders->armed)
		loop_timer_cancel(folders->loop, &folders->timer);
	loop_source_remove(folders->loop, &folders->source);
	fd_close(&folders->source.fd);
	while (folders->found != NULL) {
		struct found *found = folders->found;

		folders->found = found->next;
		free(found->path);
		free(found);
	}
	free(folders->wrong);
	free(folders);
}
