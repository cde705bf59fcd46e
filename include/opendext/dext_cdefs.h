/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every public header starts and ends with: C linkage under C++, and symbols that are visible
 * outside the shared library although the libraries themselves are built with hidden visibility.
 */
#ifndef OPENDEXT_DEXT_CDEFS_H
#define OPENDEXT_DEXT_CDEFS_H

#ifdef __cplusplus
#define DEXT_BEGIN_DECLS \
	extern "C" {     \
	_Pragma("GCC visibility push(default)")
#define DEXT_END_DECLS                \
	_Pragma("GCC visibility pop") \
	}
#else
#define DEXT_BEGIN_DECLS _Pragma("GCC visibility push(default)")
#define DEXT_END_DECLS	 _Pragma("GCC visibility pop")
#endif

/* Checks the arguments of a function that takes a printf format. */
#define DEXT_PRINTF(string, first) __attribute__((format(printf, string, first)))

#endif
