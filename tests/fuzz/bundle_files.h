/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle with an empty program, for the targets whose registry has one. */
#ifndef TESTS_FUZZ_BUNDLE_FILES_H
#define TESTS_FUZZ_BUNDLE_FILES_H

#include "fuzz.h"

#include <sys/stat.h>

/* Its Info.plist, with these personalities. */
#define BUNDLE_INFO(personalities)                                                    \
	"<plist><dict><key>CFBundleIdentifier</key><string>org.example.fuzz</string>" \
	"<key>CFBundleExecutable</key><string>driver</string>"                        \
	"<key>CFBundlePackageType</key><string>DEXT</string>"                         \
	"<key>IOKitPersonalities</key><dict>" personalities "</dict></dict></plist>"

static struct {
	char path[64], info[96], program[96];
} bundle;

static inline void
remove_bundle(void)
{
	unlink(bundle.info);
	unlink(bundle.program);
	rmdir(bundle.path);
}

/* Removed at the end: before the directory, if that was to be removed before. */
static inline void
make_bundle(const char *directory, const char *info)
{
	snprintf(bundle.path, sizeof(bundle.path), "%s/bundle", directory);
	snprintf(bundle.info, sizeof(bundle.info), "%s/Info.plist", bundle.path);
	snprintf(bundle.program, sizeof(bundle.program), "%s/driver.so", bundle.path);
	FUZZ_CHECK(mkdir(bundle.path, 0700) == 0);
	atexit(remove_bundle);
	fuzz_write_file(bundle.info, info, strlen(info));
	fuzz_write_file(bundle.program, "", 0);
}

#endif
