/* SPDX-License-Identifier: Apache-2.0 */
/* What block_forms.c does with blocks; each returns what it counted. */
#ifndef TESTS_UNIT_DISPATCH_BLOCK_FORMS_H
#define TESTS_UNIT_DISPATCH_BLOCK_FORMS_H

int block_async_and_sync(void);
int block_barriers(void);
int block_group(void);
int block_once_apply_after(void);
int block_run_loop(void);
int block_driver_queue(void); /* of driver_blocks.c, as the next */
int block_call_once(void);

#endif
