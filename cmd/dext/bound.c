/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes and removes bound bundles. dextd watches the folder and passes over names that begin with
 * a dot: there the bundle is made, and renamed when it is complete.
 */
#include "bound.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLIST	   "Info.plist"
#define EXECUTABLE "bulkstream.so"

void
bound_name(const struct bound *bound, char name[BOUND_NAME])
{
	snprintf(name, BOUND_NAME, "bulkstream-%04x-%04x-%u.dext", bound->vendor, bound->product,
		 bound->interface);
}

/* %04x and %u: vendor, product, interface; the same in decimal; the configuration. */
static const char plist_text[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
	"\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
	"<!-- Written by dext bind. BulkStreamRequests may be added: <bulkstream.h> says how. -->\n"
	"<plist version=\"1.0\">\n"
	"<dict>\n"
	"\t<key>CFBundleIdentifier</key>\n"
	"\t<string>org.opendext.bulkstream.%1$04x-%2$04x-%3$u</string>\n"
	"\t<key>CFBundleName</key>\n"
	"\t<string>BulkStream</string>\n"
	"\t<key>CFBundleExecutable</key>\n"
	"\t<string>bulkstream</string>\n"
	"\t<key>CFBundlePackageType</key>\n"
	"\t<string>DEXT</string>\n"
	"\t<key>CFBundleVersion</key>\n"
	"\t<string>1</string>\n"
	"\t<key>IOKitPersonalities</key>\n"
	"\t<dict>\n"
	"\t\t<key>Bound</key>\n"
	"\t\t<dict>\n"
	"\t\t\t<key>CFBundleIdentifier</key>\n"
	"\t\t\t<string>org.opendext.bulkstream.%1$04x-%2$04x-%3$u</string>\n"
	"\t\t\t<key>IOClass</key>\n"
	"\t\t\t<string>IOUserService</string>\n"
	"\t\t\t<key>IOProviderClass</key>\n"
	"\t\t\t<string>IOUSBHostInterface</string>\n"
	"\t\t\t<key>IOUserClass</key>\n"
	"\t\t\t<string>BulkStream</string>\n"
	"\t\t\t<key>IOUserServerName</key>\n"
	"\t\t\t<string>org.opendext.bulkstream.%1$04x-%2$04x-%3$u</string>\n"
	"\t\t\t<!-- Whoever bound it wants this driver, whatever others say. -->\n"
	"\t\t\t<key>IOProbeScore</key>\n"
	"\t\t\t<integer>100000</integer>\n"
	"\t\t\t<key>idVendor</key>\n"
	"\t\t\t<integer>%1$u</integer>\n"
	"\t\t\t<key>idProduct</key>\n"
	"\t\t\t<integer>%2$u</integer>\n"
	"\t\t\t<key>bConfigurationValue</key>\n"
	"\t\t\t<integer>%4$u</integer>\n"
	"\t\t\t<key>bInterfaceNumber</key>\n"
	"\t\t\t<integer>%3$u</integer>\n"
	"\t\t\t<key>UserClientProperties</key>\n"
	"\t\t\t<dict>\n"
	"\t\t\t\t<key>IOClass</key>\n"
	"\t\t\t\t<string>IOUserUserClient</string>\n"
	"\t\t\t\t<key>IOUserClass</key>\n"
	"\t\t\t\t<string>BulkStreamUserClient</string>\n"
	"\t\t\t</dict>\n"
	"\t\t</dict>\n"
	"\t</dict>\n"
	"</dict>\n"
	"</plist>\n";

char *
bound_plist(const struct bound *bound)
{
	char *text;

	if (asprintf(&text, plist_text, bound->vendor, bound->product, bound->interface,
		     bound->configuration) < 0)
		return NULL;
	return text;
}

static bool
write_file(int folder, const char *name, const char *text)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	size_t length = strlen(text);
	bool written;

	if (fd < 0)
		return false;
	written = write(fd, text, length) == (ssize_t)length && fchmod(fd, 0644) == 0 &&
		  fsync(fd) == 0;
	return close(fd) == 0 && written;
}

static bool
is_ours(int bundle)
{
	DIR *entries = fdopendir(dup(bundle));
	struct dirent *entry;
	bool ours = entries != NULL;

	while (ours && (entry = readdir(entries)) != NULL)
		ours = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		       strcmp(entry->d_name, PLIST) == 0 || strcmp(entry->d_name, EXECUTABLE) == 0;
	if (entries != NULL)
		closedir(entries);
	return ours;
}

/* Only one with nothing in it but what bound_write makes. */
static bool
remove_bundle(int folder, const char *name)
{
	int bundle = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (bundle < 0)
		return false;
	if (!is_ours(bundle)) {
		close(bundle);
		errno = ENOTEMPTY;
		return false;
	}
	(void)unlinkat(bundle, PLIST, 0);
	(void)unlinkat(bundle, EXECUTABLE, 0);
	close(bundle);
	return unlinkat(folder, name, AT_REMOVEDIR) == 0;
}

static bool
fill(int folder, const char *name, const struct bound *bound, const char *driver)
{
	int bundle = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *plist = bound_plist(bound);
	bool filled = bundle >= 0 && plist != NULL && fchmod(bundle, 0755) == 0 &&
		      symlinkat(driver, bundle, EXECUTABLE) == 0 &&
		      write_file(bundle, PLIST, plist);

	free(plist);
	if (bundle >= 0)
		close(bundle);
	return filled;
}

/* From the name with the dot to the other; what was there then has the name with the dot. */
static bool
put_in_place(int folder, const char *made, const char *name, bool replace, bool *ret_replaced)
{
	*ret_replaced = false;
	if (renameat2(folder, made, folder, name, RENAME_NOREPLACE) == 0)
		return true;
	if (errno != EEXIST || !replace)
		return false;
	*ret_replaced = renameat2(folder, made, folder, name, RENAME_EXCHANGE) == 0;
	return *ret_replaced;
}

static bool
make(int folder, const struct bound *bound, const char *driver, bool replace)
{
	char name[BOUND_NAME], made[BOUND_NAME + 16];
	bool done, replaced = false;
	int error;

	bound_name(bound, name);
	snprintf(made, sizeof(made), ".%s.%u", name, (unsigned)getpid());
	if (mkdirat(folder, made, 0755) < 0)
		return false;
	done = fill(folder, made, bound, driver) &&
	       put_in_place(folder, made, name, replace, &replaced);
	error = errno;
	if (!done || replaced)
		(void)remove_bundle(folder, made);
	errno = error;
	return done;
}

bool
bound_write(const struct bound *bound, const char *folder, const char *driver, bool replace)
{
	bool done;
	int fd, error;

	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return false;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = make(fd, bound, driver, replace);
	error = errno;
	close(fd);
	errno = error;
	return done;
}

bool
bound_remove(const struct bound *bound, const char *folder)
{
	char name[BOUND_NAME];
	bool done;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;

	if (fd < 0)
		return false;
	bound_name(bound, name);
	done = remove_bundle(fd, name);
	error = errno;
	close(fd);
	errno = error;
	return done;
}
