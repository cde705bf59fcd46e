/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The witness: sees what a driver does wrong without anything going wrong at once. For tests; it
 * costs a look at a pointer where nobody has asked for it.
 *
 * witness_begin before the host runs, witness_end when it has ended.
 */
#ifndef DRIVER_WITNESS_H
#define DRIVER_WITNESS_H

#include <DriverKit/dext_bundle.h>

struct witness {
	/* Something is wrong: a sentence. Any thread, inside the driver's own call. */
	void (*said)(void *context, const char *sentence);
	void *context;
	_Atomic bool uncompleted_allowed;
};

/* Borrowed until witness_end. */
void witness_begin(const struct witness *witness);
/* Says which objects are left, and goes. */
void witness_end(void);

/* The driver's own classes; all others are the framework's. Nothing happens without a witness. */
void witness_know(const dext_bundle_info *classes);
/* A Start has succeeded, and that of the base class was not called. */
void witness_no_super(const char *class_name);
/* A completion has gone without having been used, and was promised. */
void witness_uncompleted(uint32_t selector);

#endif
