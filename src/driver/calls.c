/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls: from the doorbell to what is run.
 *
 * One thread scans a connection at a time; another that is woken for it leaves word. What the
 * scanner takes it copies out of the page, checks, and prepares completely (structures,
 * completion), so that nothing is read from shared memory after that. Then it arms the page, looks
 * once more, stops being the scanner, and only then runs the calls: as one batch for each of the
 * user client's queues, in its own thread if the queue is idle.
 *
 * An app on the same CPU often runs as soon as it is answered, before this thread has gone to
 * sleep, and would wake another one for its next call. So this thread holds the page for the time
 * from the last method's return until it has looked once more.
 *
 * A slot is busy from the moment its bit was seen until just before its answer is published, since
 * the app may use it again at once after that. Nothing is allocated for a call with scalars or
 * inline structures, but for what the driver keeps.
 */
#include "calls_private.h"

#include <string.h>

#include "clock.h"
#include "object.h"
#include "record_client.h"
#include "service.h"

#define SCAN_ROUNDS_MAX (4 * CALL_PAGE_SLOTS)

void
calls_init(struct connection *c)
{
	for (uint32_t i = 0; i < CALL_PAGE_SLOTS; i++) {
		c->calls[i].connection = c;
		c->calls[i].slot = i;
	}
}

void
calls_free(struct connection *c)
{
	for (uint32_t i = 0; i < CALL_PAGE_SLOTS; i++)
		OSSafeReleaseNULL(c->calls[i].data);
	OSSafeReleaseNULL(c->queues.methods);
	OSSafeReleaseNULL(c->queues.others);
}

/* --- who scans --- */

/* False: another thread scans, and will look once more; or the app has gone. */
static bool
enter(struct connection *c)
{
	if (!token_take(&c->scan))
		return false;
	if (!atomic_load_explicit(&c->gone, memory_order_relaxed))
		return true;
	token_drop(&c->scan);
	return false;
}

/* False: look once more. */
static bool
leave(struct connection *c)
{
	if (token_give_back(&c->scan))
		return true;
	if (!atomic_load_explicit(&c->gone, memory_order_relaxed))
		return false;
	token_drop(&c->scan);
	return true;
}

bool
calls_hold(struct connection *c)
{
	/* Relaxed: holding is never needed. */
	if (atomic_load_explicit(&c->hot, memory_order_relaxed) || call_page_can_spin(&c->page) ||
	    queue_innermost() == NULL || !enter(c))
		return false;
	call_page_hold(&c->page);
	connection_retain(c);
	/* Who wants this thread to look once more gets that, after the answer. */
	while (!leave(c))
		;
	return true;
}

/* --- scanning --- */

/* Everything that the call needs from the app. A rule that was broken, or NULL. */
static const char *
prepare(struct call *call)
{
	const struct call_request *from = &call->connection->page.page->slot[call->slot].request;
	struct call_request *request = &call->request;
	const char *rule;

	memcpy(request, from, offsetof(struct call_request, scalars));
	/* The copy is what is checked: no read of the page may be repeated after this line. */
	__asm__ volatile("" ::: "memory");
	call->generation = request->generation & ~CALL_WAITER;
	call->status = call->client == NULL ? kIOReturnOffline : kIOReturnSuccess;
	rule = call_broken_rule(request);
	if (rule != NULL)
		return rule;
	memcpy(request->scalars, from->scalars,
	       request->scalar_in_count * sizeof(from->scalars[0]));
	__asm__ volatile("" ::: "memory");
	if (recorder_is_on())
		record_call_began(call);
	if (request->flags & (CALL_LARGE_INPUT | CALL_LARGE_OUTPUT))
		call->status = structures_take(call, call->status, &rule);
	if (rule == NULL && request->structure_in_size > 0 &&
	    !(request->flags & CALL_LARGE_INPUT) && call->status == kIOReturnSuccess)
		call->status = call_copy_structure(call);
	/* Also for a call that fails already: its registration ends when the answer lets go. */
	if (rule == NULL && (request->flags & CALL_ASYNC)) {
		IOReturn res = call_make_completion(call, &rule);

		if (call->status == kIOReturnSuccess)
			call->status = res;
	}
	return rule;
}

/*
 * The slots of `bits` are busy, and their calls have the user client, which the end of the
 * connection may give up meanwhile. False: one was submitted while it is unanswered, or the app has
 * gone.
 */
static bool
occupy(struct connection *c, uint64_t bits, const char **ret_rule)
{
	if (atomic_load_explicit(&c->gone, memory_order_relaxed))
		return false;
	for (uint64_t left = bits; left != 0; left &= left - 1)
		/* Pairs with call_answer, whose thread is done with the call. */
		if (atomic_load_explicit(&c->calls[__builtin_ctzll(left)].busy,
					 memory_order_acquire)) {
			*ret_rule = "a slot is submitted again only after its answer";
			return false;
		}
	for (; bits != 0; bits &= bits - 1) {
		struct call *call = &c->calls[__builtin_ctzll(bits)];
		bool used = !connection_has_ended(c) && connection_use_client(c);

		/* Relaxed: whoever answers has the call from this thread. */
		atomic_store_explicit(&call->busy, true, memory_order_relaxed);
		call->client = used ? c->client : NULL;
		if (!used)
			connection_retain(c);
	}
	return true;
}

/* Takes what `bits` says to the batch. False: the app has gone or broke *ret_rule. */
static bool
take(struct connection *c, uint64_t bits, struct batch *batch, const char **ret_rule)
{
	const char *rule = NULL;

	if (bits == 0)
		return true;
	if (!occupy(c, bits, ret_rule))
		return false;
	for (; bits != 0; bits &= bits - 1) {
		struct call *call = &c->calls[__builtin_ctzll(bits)];

		if (rule == NULL)
			rule = prepare(call);
		if (rule == NULL)
			batch_append(batch, call);
		else
			call_answer(call, kIOReturnIPCError, 0, 0, 0);
	}
	*ret_rule = rule;
	return rule == NULL;
}

/*
 * Takes and, unless for one who spins, arms until there is nothing new. An app that keeps its rules
 * has at most a page of slots to submit meanwhile, since none of what is taken here is answered
 * before the end.
 */
static bool
look(struct connection *c, bool arm, struct batch *batch, bool *ret_found, const char **ret_rule)
{
	call_page_disarm(&c->page);
	for (unsigned round = 0; round < SCAN_ROUNDS_MAX; round++) {
		uint64_t bits = call_page_take(&c->page);

		*ret_found |= bits != 0;
		if (!take(c, bits, batch, ret_rule))
			return false;
		if (!arm || call_page_arm(&c->page))
			return true;
	}
	*ret_rule = "the bits of `submitted` are flipped once for each call";
	return false;
}

/* For the calls of the list. By the scanner. */
static void
copy_queues(struct connection *c, const struct call *list, struct queues *ret_queues)
{
	uint64_t epoch = queues_epoch();

	while (list != NULL && list->client == NULL)
		list = list->next;
	if (list == NULL)
		return;
	if (c->queues.epoch != epoch) {
		OSSafeReleaseNULL(c->queues.methods);
		OSSafeReleaseNULL(c->queues.others);
		c->queues.methods = service_copy_queue((IOService *)list->client, true);
		c->queues.others = service_copy_queue((IOService *)list->client, false);
		c->queues.epoch = epoch;
	}
	ret_queues->methods = c->queues.methods;
	ret_queues->others = c->queues.others;
	OSRetain(ret_queues->methods);
	if (ret_queues->others != ret_queues->methods)
		OSRetain(ret_queues->others);
}

static bool
has_stopped(struct connection *c)
{
	bool stopped;

	pthread_mutex_lock(&c->lock);
	stopped = c->stopped;
	pthread_mutex_unlock(&c->lock);
	return stopped;
}

enum scan_how {
	SCAN_RUNG,     /* arms, unless a thread that spins will */
	SCAN_HELD,     /* the same, by a thread that has held the page */
	SCAN_SPINNING, /* by the thread that spins, which does not arm */
	SCAN_LAST,     /* by that thread, which is not going to look again */
};

static bool
is_to_arm(const struct connection *c, enum scan_how how)
{
	return how == SCAN_LAST || (how != SCAN_SPINNING && !spinning_watches(c));
}

/* Sees to what a scan has found, without the token. Takes the queues. */
static void
act(struct connection *c, struct batch *batch, const struct queues *queues, const char *rule)
{
	if (rule != NULL)
		connection_end(c, rule);
	calls_start(batch, queues);
	/* The app only takes its completions any more. */
	if (connection_has_ended(c) && has_stopped(c))
		connection_settle(c);
}

/*
 * False: another thread scans. *ret_calls: calls or handlers of queues were run, for whose time the
 * token was given up, or handlers are called elsewhere, and it was not. *ret_found: there was
 * anything.
 */
static bool
scan(struct connection *c, enum scan_how how, bool *ret_calls, bool *ret_found)
{
	struct batch batch = {.first = NULL};
	struct queues queues = {NULL, NULL};
	const char *rule = NULL;
	bool found = false, more, looked, calls;

	if (!enter(c))
		return false;
	if (how == SCAN_RUNG)
		call_page_heard(&c->page);
	do {
		found |= completions_pump(c);
		more = look(c, is_to_arm(c, how), &batch, &found, &rule);
		if (more && queues.methods == NULL && batch.first != NULL)
			copy_queues(c, batch.first, &queues);
	} while (more && !leave(c));
	calls = rule != NULL || batch.first != NULL;
	/* After arming, as the app that rings first writes: PROTOCOL.md 2.5. A thread that spins
	 * arms in its last scan. A handler that is called here keeps nothing waiting. */
	looked = queues_look(c, !calls && !connection_has_ended(c));
	/* An app that lives on its queues is one to spin for, too. */
	*ret_calls = calls || looked;
	*ret_found = found || looked;
	if (calls && (how == SCAN_SPINNING || how == SCAN_LAST))
		spinning_lend();
	if (calls || connection_has_ended(c))
		act(c, &batch, &queues, rule);
	return true;
}

/* What it finds is appended to the queue that this thread owns, and is run next. */
void
calls_look_after_hold(struct connection *c)
{
	bool calls, found;

	scan(c, SCAN_HELD, &calls, &found);
	connection_release(c);
}

void
calls_scan(struct connection *c)
{
	bool calls, found;

	scan(c, SCAN_RUNG, &calls, &found);
}

bool
calls_scan_spinning(struct connection *c, bool last)
{
	bool calls = false, found;

	return scan(c, last ? SCAN_LAST : SCAN_SPINNING, &calls, &found) && calls;
}

/* --- the doorbell --- */

static struct connection *
of_pause(struct loop_timer *timer)
{
	return (struct connection *)((char *)timer - offsetof(struct connection, pause));
}

static void
listen_again(struct loop_timer *timer)
{
	struct connection *c = of_pause(timer);
	bool listening;

	pthread_mutex_lock(&c->lock);
	listening = c->listening;
	c->paused = false;
	c->empty_rings = 0;
	pthread_mutex_unlock(&c->lock);
	/* Reports at once if it was rung meanwhile, since nobody has read it. */
	if (listening)
		loop_source_rearm(c->loop, &c->doorbell, EPOLLIN | EPOLLET);
	connection_release(c);
}

static struct {
	pthread_mutex_t lock;
	struct calls_vain vain; /* [lock] */
} counted = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
count_vain(bool pause)
{
	pthread_mutex_lock(&counted.lock);
	counted.vain.scans++;
	counted.vain.pauses += pause;
	pthread_mutex_unlock(&counted.lock);
}

struct calls_vain
calls_in_vain(void)
{
	struct calls_vain vain;

	pthread_mutex_lock(&counted.lock);
	vain = counted.vain;
	pthread_mutex_unlock(&counted.lock);
	return vain;
}

/* Counts a ring that brought nothing; too many of them and the app is not heard for a while. */
static void
count_empty(struct connection *c)
{
	uint64_t now = clock_now();
	bool pause;

	pthread_mutex_lock(&c->lock);
	if (now - c->window_start >= NSEC_PER_SEC) {
		c->window_start = now;
		c->empty_rings = 0;
	}
	c->empty_rings++;
	pause = c->empty_rings > DEXT_EMPTY_RINGS_PER_SECOND && !c->paused && c->listening;
	if (pause)
		c->paused = true;
	pthread_mutex_unlock(&c->lock);
	count_vain(pause);
	if (!pause)
		return;
	connection_retain(c);
	loop_source_rearm(c->loop, &c->doorbell, 0);
	c->pause.fired = listen_again;
	loop_timer_arm(c->loop, &c->pause, now + DEXT_EMPTY_RINGS_PAUSE_MSEC * NSEC_PER_MSEC);
}

void
calls_doorbell(struct loop_source *source, uint32_t events)
{
	struct connection *c =
		(struct connection *)((char *)source - offsetof(struct connection, doorbell));

	bool calls, found = true;

	/*
	 * Before the scan: one that a thread looks at from now on is not armed. Also for queues
	 * alone: an app of a ring may make no call for hours.
	 */
	if (call_page_is_due(&c->page))
		spinning_offer(c);
	scan(c, SCAN_RUNG, &calls, &found);
	if (!found)
		count_empty(c);
}
