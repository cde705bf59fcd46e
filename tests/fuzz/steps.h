/* SPDX-License-Identifier: Apache-2.0 */
/* What is run at branches of the code under test, where it is built for libFuzzer. */
#ifndef TESTS_FUZZ_STEPS_H
#define TESTS_FUZZ_STEPS_H

/*
 * On each thread that comes to a branch; its own branches do not count. It returns how many of the
 * thread's branches are passed by until the next time. NULL: nothing any more, on no thread.
 */
void steps_run(unsigned (*step)(void));

#endif
