/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run of the fault injection shares: a file that the runner (run.py, which knows this
 * layout) makes and every process of the run maps. The runner names a point and how it fails;
 * processes count which points they come by and write down what they have allocated and not freed.
 *
 * A point is the place behind a call instruction: a module and an offset in it.
 */
#ifndef TESTS_FAULTS_PAGE_H
#define TESTS_FAULTS_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#define FAULTS_FILE    "FAULTS_FILE" /* the environment variable that names it */
#define FAULTS_MAGIC   0x46415550u
#define FAULTS_MODULES 4
#define FAULTS_FAULTS  3
#define FAULTS_TEXT    (UINT64_C(1) << 20) /* of a module that is looked at */
#define FAULTS_SLOTS   32
#define FAULTS_LIVE    16384 /* allocations of one process; a power of two */

/* A use of a call that cannot fail: waking a futex, changing what is in an epoll set. */
#define FAULTS_CANNOT 0x80000000u

struct faults_live {
	uint64_t address; /* 0: none */
	uint64_t place;	  /* module << 32 | offset */
};

struct faults_slot {
	int32_t pid;
	int32_t module; /* that its program is, or -1 */
	_Atomic uint32_t lock;
	uint32_t used; /* entries of `live` */
	uint32_t lost; /* allocations for which there was no room */
	uint32_t unused;
	struct faults_live live[FAULTS_LIVE];
};

/* A point that fails; the one behind the other if there are several. */
struct faults_fault {
	int32_t module; /* -1: none */
	int32_t error;	/* errno */
	uint64_t offset;
	_Atomic int64_t countdown; /* whoever takes the last one fails */
	_Atomic uint32_t fired;
	int32_t pid; /* who failed */
};

struct faults_page {
	uint32_t magic;
	uint32_t records; /* whether `counts` is kept */
	_Atomic uint32_t slots;
	uint32_t unused;
	struct faults_fault faults[FAULTS_FAULTS];
	uint32_t room[996];
	struct faults_slot slot[FAULTS_SLOTS];
	_Atomic uint32_t counts[FAULTS_MODULES][FAULTS_TEXT];
};

_Static_assert(sizeof(struct faults_slot) == 24 + 16 * FAULTS_LIVE, "run.py knows it");
_Static_assert(__builtin_offsetof(struct faults_page, faults) == 16 &&
		       sizeof(struct faults_fault) == 32,
	       "run.py knows it");
_Static_assert(__builtin_offsetof(struct faults_page, slot) == 4096, "run.py knows it");

#endif
