/* SPDX-License-Identifier: Apache-2.0 */
/* The attacks; hostile.c has the list with a name for each. */
#ifndef TESTS_HOSTILE_ATTACKS_H
#define TESTS_HOSTILE_ATTACKS_H

#include "enemy.h"

/* What an attack needs is not there, and so the attack is not either; does not return. */
_Noreturn void attack_is_not_here(const char *why);
/* Says that it has done it, and ends with its standard input. */
_Noreturn void attack_is_done(void);
/* Only the first half of that. */
void attack_say_ready(void);

/* messages.c */
void truncated(void);
void oversized(void);
void repeated(void);
void fewer_fds(void);
void more_fds(void);
void lies_of_fds(void);
void lies_of_length(void);
void out_of_order(void);
void stops_reading(void);
void leaves_descriptors(void);
void asks_and_does_not_read(void);
void rings_without_end(void);
void full_blocking_eventfd(void);

/* files.c */
void wrong_kinds(void);
void sparse_file(void);
void truncates(void);
void cuts_holes(void);
void files_that_linger(void);
void files_of_its_own(void);
void many_files_of_its_own(void);
void fault_prepare(void);
void memory_that_does_not_come(void);

/* memory.c */
void changes_memory(void);
void forges_indices(void);
void writes_and_cuts(void);
void writes_read_only(void);

/* limits.c */
void opens_to_the_limit(void);
void maps_to_the_limit(void);
void connects_to_the_limit(void);
void watches_to_the_limit(void);
void looks_on_to_the_limit(void);
void opens_and_closes(void);
void is_stopped_while_events_wait(void);
void keeps_to_the_limit(void);

/* processes.c */
void leaves_child(void);
void dies_with_child(void);
void is_stopped(void);
void traces(void);

#endif
