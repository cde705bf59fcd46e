/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer learns words from what strings are compared with, which is a third of the time of a
 * target that compares many. The flavour without sanitizers does without.
 */
#include <stddef.h>

void __wrap___sanitizer_weak_hook_memcmp(void *caller, const void *one, const void *other,
					 size_t length, int result);
void __wrap___sanitizer_weak_hook_strncmp(void *caller, const char *one, const char *other,
					  size_t length, int result);
void __wrap___sanitizer_weak_hook_strcmp(void *caller, const char *one, const char *other,
					 int result);
void __wrap___sanitizer_weak_hook_strstr(void *caller, const char *one, const char *other,
					 char *result);
void __wrap___sanitizer_weak_hook_memmem(void *caller, const void *one, size_t one_length,
					 const void *other, size_t other_length, void *result);

void
__wrap___sanitizer_weak_hook_memcmp(void *caller, const void *one, const void *other, size_t length,
				    int result)
{
}

void
__wrap___sanitizer_weak_hook_strncmp(void *caller, const char *one, const char *other,
				     size_t length, int result)
{
}

void
__wrap___sanitizer_weak_hook_strcmp(void *caller, const char *one, const char *other, int result)
{
}

void
__wrap___sanitizer_weak_hook_strstr(void *caller, const char *one, const char *other, char *result)
{
}

void
__wrap___sanitizer_weak_hook_memmem(void *caller, const void *one, size_t one_length,
				    const void *other, size_t other_length, void *result)
{
}
