/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENDEXT_MACH_ERROR_H
#define OPENDEXT_MACH_ERROR_H

#include <mach/kern_return.h>

typedef kern_return_t mach_error_t;

#define err_none	  ((mach_error_t)0)
#define ERR_SUCCESS	  ((mach_error_t)0)
#define err_system(x)	  ((int)(((unsigned)(x)&0x3f) << 26))
#define err_sub(x)	  ((int)(((unsigned)(x)&0xfff) << 14))
#define err_get_system(e) (((e) >> 26) & 0x3f)
#define err_get_sub(e)	  (((e) >> 14) & 0xfff)
#define err_get_code(e)	  ((e)&0x3fff)
#define err_max_system	  0x3f
#define system_emask	  (err_system(err_max_system))
#define sub_emask	  (err_sub(0xfff))
#define code_emask	  (0x3fff)

#endif
