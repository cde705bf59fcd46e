/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle as a whole: its property list by bundle_check, which bundle_open uses as well, what
 * stands twice in it, its shared object, and whether the classes that the one names are in the
 * other. Any thread.
 */
#include "bundle_lint.h"

#include "bundle_file.h"
#include "bundle_object.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lint {
	void (*found)(void *context, const struct bundle_finding *finding);
	void *context;
	char folder[PATH_MAX - 16];
	char file[PATH_MAX];
	struct plist_lines lines;
	struct bundle_listener listener;
	struct bundle_object object;
	char where[320]; /* of the dictionary whose classes are looked at */
};

static void
emit(const struct lint *lint, enum bundle_severity severity, const char *file, unsigned line,
     const char *key, const char *text)
{
	const struct bundle_finding finding = {severity, file, line, key, text};

	lint->found(lint->context, &finding);
}

static void
pass_on(void *context, enum bundle_severity severity, const char *key, const char *text)
{
	const struct lint *lint = context;

	emit(lint, severity, lint->file, plist_line_of(&lint->lines, key), key, text);
}

static void
check_repeated(const struct lint *lint)
{
	char text[PLIST_LINES_PATH_MAX + 128];

	for (size_t i = 0; i < lint->lines.count; i++) {
		const struct plist_key *key = &lint->lines.keys[i];

		if (key->first == 0)
			continue;
		snprintf(text, sizeof(text),
			 "key %s stands in line %u already, and only one of them counts; remove or "
			 "rename one",
			 key->path, key->first);
		emit(lint, BUNDLE_MISTAKE, lint->file, key->line, key->path, text);
	}
}

/* --- classes --- */

static bool
has_class(const struct bundle_object *object, const char *name)
{
	for (unsigned i = 0; i < object->class_count; i++)
		if (object->classes[i] == NULL || strcmp(object->classes[i], name) == 0)
			return true;
	return false;
}

static void
list_classes(const struct bundle_object *object, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < object->class_count && used + 1 < size; i++) {
		int added = snprintf(text + used, size - used, "%s%s", i == 0 ? "" : ", ",
				     object->classes[i]);

		used += added > 0 ? (size_t)added : 0;
	}
}

static bool
check_class(void *context, const char *key, OSObject *value)
{
	struct lint *lint = context;
	const OSDictionary *inner = OSDynamicCast(OSDictionary, value);
	const OSString *string = OSDynamicCast(OSString, value);
	size_t length = strlen(lint->where);
	char path[sizeof(lint->where) + 16], names[200];

	if (strcmp(key, "IOUserClass") == 0 && string != NULL &&
	    !has_class(&lint->object, OSStringGetCStringPtr(string))) {
		list_classes(&lint->object, names, sizeof(names));
		snprintf(path, sizeof(path), "%sIOUserClass", lint->where);
		bundle_tell(&lint->listener, BUNDLE_MISTAKE, path,
			    "key %s is \"%.80s\", and DEXT_BUNDLE of the driver lists %s; name one "
			    "of these, or add OSTypeID(%.80s) there",
			    path, OSStringGetCStringPtr(string), names,
			    OSStringGetCStringPtr(string));
	}
	if (inner != NULL && length + strlen(key) + 2 < sizeof(lint->where)) {
		snprintf(lint->where + length, sizeof(lint->where) - length, "%s:", key);
		OSDictionaryApply_f(inner, lint, check_class);
		lint->where[length] = '\0';
	}
	return false;
}

static void
check_object(struct lint *lint, const OSDictionary *info)
{
	const char *name = OSDictionaryGetStringValue(info, "CFBundleExecutable");
	char error[BUNDLE_OBJECT_ERROR_MAX], text[512];
	char *executable;

	if (name == NULL || strchr(name, '/') != NULL || name[0] == '\0')
		return;
	executable = bundle_file_executable(lint->folder, name);
	if (executable == NULL) {
		bundle_tell(&lint->listener, BUNDLE_FATAL, "CFBundleExecutable",
			    BUNDLE_NO_EXECUTABLE, name, name, name);
	} else if (bundle_object_read(executable, &lint->object, error) != kIOReturnSuccess) {
		snprintf(text, sizeof(text), "the shared object %s",
			 error[0] != '\0' ? error : "cannot be read");
		emit(lint, BUNDLE_FATAL, executable, 0, "", text);
	} else {
		check_class(
			lint, "IOKitPersonalities",
			(OSObject *)(uintptr_t)OSDictionaryGetValue(info, "IOKitPersonalities"));
	}
	free(executable);
	bundle_object_free(&lint->object);
}

void
bundle_lint(const char *path, void (*found)(void *context, const struct bundle_finding *finding),
	    void *context)
{
	struct lint lint = {.found = found, .context = context};
	char error[BUNDLE_ERROR_MAX] = "";
	OSDictionary *info = NULL;
	char *folder = realpath(path, NULL);

	lint.listener = (struct bundle_listener){pass_on, &lint};
	if (folder == NULL) {
		snprintf(error, sizeof(error), "no bundle can be opened there: %s",
			 strerror(errno));
		emit(&lint, BUNDLE_FATAL, path, 0, "", error);
		return;
	}
	snprintf(lint.folder, sizeof(lint.folder), "%s", folder);
	free(folder);
	snprintf(lint.file, sizeof(lint.file), "%s/Info.plist", lint.folder);
	if (bundle_file_read(lint.file, &lint.lines, &info, error) != kIOReturnSuccess) {
		emit(&lint, BUNDLE_FATAL, lint.file, 0, "", error);
	} else {
		bundle_check(info, &lint.listener);
		check_repeated(&lint);
		check_object(&lint, info);
	}
	OSSafeReleaseNULL(info);
	plist_lines_free(&lint.lines);
}
