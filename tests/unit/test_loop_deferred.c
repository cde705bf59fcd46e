/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread of a loop does after its work: what was deferred, looks, what can wait. */
#include "loop_fixture.h"

#include <stdatomic.h>

#include "clock.h"

/* A task that leaves another to its thread, and whether that came too early, or elsewhere. */
struct leaving_task {
	struct loop_task task, left;
	struct loop *loop;
	struct meter *began, *ran;
	pthread_t thread;
	bool is_over, waits, was_early, was_elsewhere;
};

static void
run_left(struct loop_task *task)
{
	struct leaving_task *leaving =
		(struct leaving_task *)((char *)task - offsetof(struct leaving_task, left));

	leaving->was_early = !leaving->is_over;
	leaving->was_elsewhere = !pthread_equal(leaving->thread, pthread_self());
	meter_raise(leaving->ran);
}

static void
leave_task(struct loop_task *task)
{
	struct leaving_task *leaving = (struct leaving_task *)task;

	ck_assert(loop_is_here(leaving->loop));
	leaving->thread = pthread_self();
	leaving->left.run = run_left;
	loop_defer(leaving->loop, &leaving->left);
	ck_assert(loop_has_deferred());
	if (leaving->waits) {
		loop_will_wait(leaving->loop);
		meter_reaches(leaving->ran, 1);
		loop_did_block(leaving->loop);
	}
	leaving->is_over = true;
	meter_raise(leaving->began);
}

START_TEST(what_is_deferred_runs_on_the_same_thread_afterwards)
{
	struct meter began = METER_INITIALIZER, ran = METER_INITIALIZER;
	struct loop *loop = start();
	struct leaving_task task = {
		.task.run = leave_task, .loop = loop, .began = &began, .ran = &ran};

	ck_assert(!loop_is_here(loop));
	ck_assert(!loop_has_deferred());
	loop_post(loop, &task.task);
	meter_wait(&ran, 1);
	ck_assert(!task.was_early);
	ck_assert(!task.was_elsewhere);
	loop_destroy(loop);
}
END_TEST

struct patient_task {
	struct loop_task task, left;
	struct loop *loop;
	struct meter ran;
	pthread_t thread;
	bool was_elsewhere;
	uint64_t left_at, ran_after;
};

static void
run_patient(struct loop_task *task)
{
	struct patient_task *patient =
		(struct patient_task *)((char *)task - offsetof(struct patient_task, left));

	patient->was_elsewhere = !pthread_equal(patient->thread, pthread_self());
	patient->ran_after = clock_now() - patient->left_at;
	meter_raise(&patient->ran);
}

static void
leave_for_long(struct loop_task *task)
{
	struct patient_task *patient = (struct patient_task *)task;

	patient->thread = pthread_self();
	patient->left_at = clock_now();
	patient->left.run = run_patient;
	loop_defer_long(patient->loop, &patient->left);
	/* A spinning thread goes to sleep for it. */
	ck_assert(!loop_has_deferred());
}

START_TEST(what_can_wait_runs_after_a_sleep)
{
	struct loop *loop = start();
	struct patient_task task = {
		.task.run = leave_for_long, .loop = loop, .ran = METER_INITIALIZER};

	for (unsigned i = 1; i <= 3; i++) {
		loop_post(loop, &task.task);
		meter_wait(&task.ran, i);
		ck_assert(!task.was_elsewhere);
		ck_assert_uint_ge(task.ran_after, LOOP_LATER_MSEC * NSEC_PER_MSEC);
	}
	loop_destroy(loop);
}
END_TEST

static void
leave_and_stop(struct loop_task *task)
{
	leave_for_long(task);
	loop_stop(((struct patient_task *)task)->loop);
}

START_TEST(what_can_wait_runs_before_its_thread_ends)
{
	struct patient_task task = {.task.run = leave_and_stop, .ran = METER_INITIALIZER};

	ck_assert_int_eq(loop_create(&task.loop), kIOReturnSuccess);
	loop_post(task.loop, &task.task);
	ck_assert_int_eq(loop_run(task.loop, 1), kIOReturnSuccess);
	ck_assert_uint_eq(meter_read(&task.ran), 1);
	ck_assert(!task.was_elsewhere);
	loop_destroy(task.loop);
}
END_TEST

START_TEST(who_waits_has_others_run_what_was_deferred)
{
	struct meter began = METER_INITIALIZER, ran = METER_INITIALIZER;
	struct loop *loop = start();
	struct leaving_task task = {
		.task.run = leave_task, .loop = loop, .began = &began, .ran = &ran, .waits = true};

	loop_post(loop, &task.task);
	meter_wait(&began, 1);
	ck_assert(task.was_early);
	ck_assert(task.was_elsewhere);
	loop_destroy(loop);
}
END_TEST

/* Work in rounds, and looks in between. */
struct looking {
	struct loop_task task, work, look;
	struct loop *loop;
	struct meter *over;
	unsigned rounds;
	char order[16];
	bool waits;
};

static void
note_step(struct looking *looking, char step)
{
	looking->order[strlen(looking->order)] = step;
}

static void
run_round(struct loop_task *task)
{
	struct looking *looking = (struct looking *)((char *)task - offsetof(struct looking, work));

	note_step(looking, 'w');
	if (--looking->rounds > 0)
		loop_defer(looking->loop, task);
}

static void
run_look(struct loop_task *task)
{
	struct looking *looking = (struct looking *)((char *)task - offsetof(struct looking, look));

	note_step(looking, 'l');
	if (loop_has_deferred())
		loop_defer_look(looking->loop, task);
	else
		meter_raise(looking->over);
}

static void
begin_rounds(struct loop_task *task)
{
	struct looking *looking = (struct looking *)task;

	loop_defer(looking->loop, &looking->work);
	loop_defer_look(looking->loop, &looking->look);
	if (looking->waits) {
		loop_will_wait(looking->loop);
		meter_wait(looking->over, 1);
		loop_did_block(looking->loop);
	}
}

START_TEST(looks_come_after_each_round_of_what_was_deferred)
{
	struct meter over = METER_INITIALIZER;
	struct loop *loop = start();
	struct looking looking = {
		.task.run = begin_rounds,
		.work.run = run_round,
		.look.run = run_look,
		.loop = loop,
		.over = &over,
		.rounds = 3,
	};

	loop_post(loop, &looking.task);
	meter_wait(&over, 1);
	ck_assert_str_eq(looking.order, "wlwlwl");
	loop_destroy(loop);
}
END_TEST

/* In any order: they are two tasks then. */
START_TEST(who_waits_has_others_look)
{
	struct meter over = METER_INITIALIZER;
	struct loop *loop = start();
	struct looking looking = {
		.task.run = begin_rounds,
		.work.run = run_round,
		.look.run = run_look,
		.loop = loop,
		.over = &over,
		.rounds = 1,
		.waits = true,
	};

	loop_post(loop, &looking.task);
	meter_wait(&over, 1);
	loop_destroy(loop);
	ck_assert_ptr_nonnull(strchr(looking.order, 'l'));
	ck_assert_ptr_nonnull(strchr(looking.order, 'w'));
}
END_TEST

/* Who owes something after the first of its rounds: 'o', when that is paid. */
struct owing {
	struct looking looking;
	struct loop_task owed;
	bool is_late, blocks, waits, is_paid;
};

static void
run_owed(struct loop_task *task)
{
	struct owing *owing = (struct owing *)((char *)task - offsetof(struct owing, owed));

	owing->is_paid = true;
	note_step(&owing->looking, 'o');
}

/* The time, while it is not 0. */
static _Atomic uint64_t stopped_at;

uint64_t __real_clock_now(void);
uint64_t __wrap_clock_now(void);

uint64_t
__wrap_clock_now(void)
{
	uint64_t stopped = atomic_load(&stopped_at);

	return stopped != 0 ? stopped : __real_clock_now();
}

static void
run_round_and_owe(struct loop_task *task)
{
	struct looking *looking = (struct looking *)((char *)task - offsetof(struct looking, work));
	struct owing *owing = (struct owing *)looking;

	if (looking->order[0] == '\0') {
		ck_assert(loop_owe(looking->loop, &owing->owed));
		if (owing->is_late)
			atomic_fetch_add(&stopped_at, LOOP_OWED_NSEC);
		if (owing->blocks)
			loop_will_block(looking->loop);
		if (owing->waits)
			loop_will_wait(looking->loop);
		ck_assert(!owing->waits || owing->is_paid);
		if (owing->blocks || owing->waits)
			loop_did_block(looking->loop);
	}
	run_round(task);
}

static void
check_owed(struct owing owing, const char *order)
{
	struct meter over = METER_INITIALIZER;
	struct loop *loop = start();

	atomic_store(&stopped_at, 1);
	ck_assert(!loop_owe(loop, &owing.owed)); /* this is no thread of it */
	owing.looking.task.run = owing.looking.task.run ?: begin_rounds;
	owing.looking.work.run = owing.looking.work.run ?: run_round_and_owe;
	owing.looking.look.run = owing.looking.look.run ?: run_look;
	owing.looking.loop = loop;
	owing.looking.over = &over;
	owing.owed.run = run_owed;
	loop_post(loop, &owing.looking.task);
	meter_wait(&over, 1);
	loop_destroy(loop);
	if (order != NULL) /* else the look is another thread's */
		ck_assert_str_eq(owing.looking.order, order);
}

START_TEST(what_is_owed_is_paid_after_the_last_round_and_before_the_last_look)
{
	check_owed((struct owing){.looking.rounds = 1}, "wol");
	check_owed((struct owing){.looking.rounds = 2}, "wlwol");
}
END_TEST

START_TEST(what_is_owed_for_long_is_paid_after_the_round)
{
	check_owed((struct owing){.looking.rounds = 2, .is_late = true}, "wolwl");
}
END_TEST

START_TEST(what_is_owed_for_long_is_paid_before_driver_code_runs)
{
	check_owed((struct owing){.looking.rounds = 2, .blocks = true, .is_late = true}, "owlwl");
	check_owed((struct owing){.looking.rounds = 2, .blocks = true}, "wlwol");
}
END_TEST

START_TEST(who_waits_pays_before)
{
	check_owed((struct owing){.looking.rounds = 1, .waits = true}, NULL);
}
END_TEST

static void
run_look_and_owe(struct loop_task *task)
{
	struct looking *looking = (struct looking *)((char *)task - offsetof(struct looking, look));

	ck_assert(loop_owe(looking->loop, &((struct owing *)looking)->owed));
	run_look(task);
}

START_TEST(what_a_look_owes_is_paid)
{
	check_owed((struct owing){.looking = {.work.run = run_round,
					      .look.run = run_look_and_owe,
					      .rounds = 1}},
		   "wlo");
}
END_TEST

static void
owe_before_the_round(struct loop_task *task)
{
	struct owing *owing = (struct owing *)task;
	struct loop *loop = owing->looking.loop;

	ck_assert(!loop_owe(loop, &owing->owed));
	begin_rounds(task);
	ck_assert(loop_owe(loop, &owing->owed));
	loop_will_block(loop);
	loop_did_block(loop);
}

/* Not by what the rounds call, which is the driver's answer to them. */
START_TEST(who_may_block_before_its_rounds_pays_before)
{
	check_owed((struct owing){.looking = {.task.run = owe_before_the_round,
					      .work.run = run_round,
					      .rounds = 1}},
		   "owl");
}
END_TEST

static bool is_wanted, was_wanted;

static bool
say_whether(void)
{
	return is_wanted;
}

static void
no_spin(struct loop *loop)
{
}

static void
no_block(void)
{
}

static void
ask_whether(struct loop_task *task)
{
	was_wanted = loop_is_wanted();
	raise_meter(task);
}

START_TEST(work_is_told_whether_its_thread_is_wanted)
{
	struct meter asked = METER_INITIALIZER;
	struct meter_task task = {.task.run = ask_whether, .meter = &asked};
	struct loop *loop;

	ck_assert_int_eq(loop_create(&loop), kIOReturnSuccess);
	loop_set_spin(loop, no_spin, no_block, say_whether);
	ck_assert_int_eq(loop_start(loop, 1), kIOReturnSuccess);
	for (unsigned i = 1; i <= 4; i++) {
		is_wanted = i % 2 == 0;
		loop_post(loop, &task.task);
		meter_wait(&asked, i);
		ck_assert(was_wanted == is_wanted);
	}
	/* No thread of a loop. */
	ck_assert(!loop_is_wanted());
	loop_destroy(loop);
}
END_TEST

UNIT_MAIN("loop_deferred", what_is_deferred_runs_on_the_same_thread_afterwards,
	  what_can_wait_runs_after_a_sleep, what_can_wait_runs_before_its_thread_ends,
	  who_waits_has_others_run_what_was_deferred,
	  looks_come_after_each_round_of_what_was_deferred, who_waits_has_others_look,
	  what_is_owed_is_paid_after_the_last_round_and_before_the_last_look,
	  what_is_owed_for_long_is_paid_after_the_round,
	  what_is_owed_for_long_is_paid_before_driver_code_runs, who_waits_pays_before,
	  what_a_look_owes_is_paid, who_may_block_before_its_rounds_pays_before,
	  work_is_told_whether_its_thread_is_wanted)
