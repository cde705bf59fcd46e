/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes that agree with OSObjectIsEqual. */
#ifndef BASE_OS_HASH_H
#define BASE_OS_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t object_hash(const void *object);
uint64_t hash_bytes(const void *bytes, size_t length);

#endif
