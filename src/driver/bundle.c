/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles: dlopen, the table of classes, look-up by name.
 *
 * The table is checked before anything of it is used: a bundle that was built for another ABI must
 * be refused with a sentence, not crash. A bundle is never unloaded. Called once, by the thread
 * that starts the host; look-ups from any thread.
 */
#include "bundle.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "object.h"

#define BUNDLE_CLASSES_MAX 1024u

struct bundle {
	const dext_bundle_info *info;
	char *identifier;
};

static bool
is_class_known(const OSMetaClass *metaclass)
{
	/* The chain must end at this library's OSObject: a second copy of the library in the
	 * process would not. */
	for (int depth = 0; metaclass != NULL && depth < 64; depth++) {
		if (metaclass == OSTypeID(OSObject))
			return true;
		if (metaclass->size < offsetof(OSMetaClass, object) || metaclass->name == NULL)
			return false;
		metaclass = metaclass->superclass;
	}
	return false;
}

static IOReturn
check(const dext_bundle_info *info, const char *path)
{
	if (info->size < sizeof(*info)) {
		log_error("%s: dext_bundle has %zu bytes, this host needs %zu: build it again with "
			  "DEXT_BUNDLE of these headers",
			  path, info->size, sizeof(*info));
		return kIOReturnUnsupported;
	}
	if (info->abi != DEXT_BUNDLE_ABI) {
		log_error("%s: made for ABI %u, this host has ABI %u: build it again", path,
			  info->abi, DEXT_BUNDLE_ABI);
		return kIOReturnUnsupported;
	}
	if (info->class_count == 0 || info->class_count > BUNDLE_CLASSES_MAX ||
	    info->classes == NULL) {
		log_error("%s: dext_bundle lists %u classes, 1 to %u expected", path,
			  info->class_count, BUNDLE_CLASSES_MAX);
		return kIOReturnUnsupported;
	}
	for (uint32_t i = 0; i < info->class_count; i++) {
		if (is_class_known(info->classes[i]))
			continue;
		log_error("%s: class %u of dext_bundle does not lead to this library's OSObject",
			  path, i);
		return kIOReturnUnsupported;
	}
	return kIOReturnSuccess;
}

IOReturn
bundle_create(const dext_bundle_info *info, const char *path, const char *identifier,
	      struct bundle **ret_bundle)
{
	struct bundle *bundle;
	IOReturn res = check(info, path);

	if (res != kIOReturnSuccess)
		return res;
	bundle = calloc(1, sizeof(*bundle));
	if (bundle == NULL)
		return kIOReturnNoMemory;
	bundle->info = info;
	bundle->identifier = strdup(identifier);
	if (bundle->identifier == NULL) {
		free(bundle);
		return kIOReturnNoMemory;
	}
	*ret_bundle = bundle;
	return kIOReturnSuccess;
}

IOReturn
bundle_load(const char *path, const char *identifier, struct bundle **ret_bundle)
{
	const dext_bundle_info *info;
	void *handle;

	if (strchr(path, '/') == NULL) {
		log_error("bundle: '%s': a path with a slash expected", path);
		return kIOReturnBadArgument;
	}
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		log_error("bundle: %s", dlerror());
		return kIOReturnNotFound;
	}
	info = dlsym(handle, "dext_bundle");
	if (info == NULL) {
		log_error("%s: no symbol dext_bundle: a bundle has one DEXT_BUNDLE(...) line",
			  path);
		dlclose(handle);
		return kIOReturnUnsupported;
	}
	return bundle_create(info, path, identifier, ret_bundle);
}

void
bundle_destroy(struct bundle *bundle)
{
	if (bundle == NULL)
		return;
	free(bundle->identifier);
	free(bundle);
}

static void
log_missing(const struct bundle *bundle, const char *name)
{
	char names[512] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < bundle->info->class_count && used + 1 < sizeof(names); i++) {
		int added = snprintf(names + used, sizeof(names) - used, "%s%s", i == 0 ? "" : ", ",
				     bundle->info->classes[i]->name);

		used += added > 0 ? (size_t)added : 0;
	}
	log_error("no class '%s' in the bundle; DEXT_BUNDLE lists %s", name, names);
}

const OSMetaClass *
bundle_find_class(const struct bundle *bundle, const char *name)
{
	if (bundle == NULL) {
		log_error("no class '%s': the service belongs to no bundle", name);
		return NULL;
	}
	for (uint32_t i = 0; i < bundle->info->class_count; i++)
		if (strcmp(bundle->info->classes[i]->name, name) == 0)
			return bundle->info->classes[i];
	log_missing(bundle, name);
	return NULL;
}

const dext_bundle_info *
bundle_info(const struct bundle *bundle)
{
	return bundle->info;
}

const char *
bundle_identifier(const struct bundle *bundle)
{
	return bundle == NULL ? "" : bundle->identifier;
}
