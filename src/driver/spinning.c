/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spinning over connections: a thread that has served a call looks at the call pages for a while
 * before it sleeps, since waking it costs hundreds of times what a call does.
 *
 * A connection whose doorbell brought calls or entries of its queues is offered; one thread at a
 * time, the one that has the token, takes what is offered into its set and looks at each. While a
 * connection is in a set its page is not armed: its client does not ring. It stays there until the
 * whole set was quiet for the budget, or it alone for QUIET_NSEC, or until its client runs on this
 * CPU, where it could not while we spin; then it is armed again. So clients that call in turn do
 * not ring each time. Those that were let go together, since nothing came from any of them, are
 * taken back together when the first of them rings, if the last time that was of use: else each
 * would ring after every interruption of their process.
 *
 * Invariants.
 * - The token is held only while its thread cannot block: it is given up before a method runs, and
 *   a thread that finds it taken afterwards arms its connections and offers them to the new holder.
 * - What is offered has a holder that will look at the offers again, or a thread that is about to
 *   take the token: both sides change their word first and look at the other's then, all seq_cst.
 * - A client that is left alone while a method blocks here rings without being asked, before it
 *   sleeps: call_page_is_left. It is then scanned, and armed, by another thread.
 * - A thread that was rung for leaves a connection unarmed that is in the set of the holder, or
 *   offered to it (spinning_watches). Arming it would have the client ring at its next call, and
 *   wake that thread again, on the CPU where the other one spins: a ring every few calls for as
 *   long as they come. The holder lets a connection go first and arms it then.
 *
 * A hostile client can have a thread spin for a budget after a call that it made, or a queue that
 * it said to have changed, not longer (its page is looked at for longer only if others keep the
 * thread awake); and after each time that this was in vain for 1, 2, 4 ... 64 fewer times. The
 * descriptors are looked at every LOOK_NSEC even by a thread that finds calls without end.
 */
#include "connection.h"

#include "clock.h"
#include "formers.h"
#include "spin.h"

/*
 * Connections in a set; others sleep and ring. One that finds no room rings at each of its turns,
 * for as long as a quiet one is in there, and wakes a thread beside the one that spins.
 */
#define HOT_MAX	  DEXT_LIMIT_CONNECTIONS
#define LOOK_NSEC (500 * NSEC_PER_USEC)
/*
 * Of one connection, while others keep the thread awake: looking at its page costs less than a
 * ring. Longer than it takes 64 clients to ring once each, or they would never all be in the set.
 */
#define QUIET_NSEC   (20 * NSEC_PER_MSEC)
#define FEW	     4u /* connections whose queues are looked at each time */
#define QUEUE_ROUNDS 8u
/*
 * Connections that a turn looks at besides the one that had something last, which is likely to be
 * the next to have something. Their words lie at the same place of each page, so that all of many
 * do not fit the first cache.
 */
#define GLANCES 8u
#define AGES	2u /* that are asked how long they are quiet, between two turns */
/*
 * Looks that are left out after a call of the only client, if it makes one at a time: fewer than it
 * needs to take the answer and to call again. A look in vain would leave the line of `submitted` in
 * both caches, and the exchange of that call would have to wait for it.
 */
#define RETURN_TURNS 4u
/* After what one had last it is remembered for so long, if it was let go with others. */
#define FORMER_NSEC NSEC_PER_SEC
/* Between two looks at the clock: so long only if the thread ran a method, or did not run. */
#define AWAY_NSEC (10 * NSEC_PER_USEC)

struct hot {
	struct connection *connection; /* +1 */
	const struct call_page *page;
	uint64_t seen;	/* of the page, as it was last; may be older */
	uint64_t slots; /* that were submitted when it last had something, as bits */
	uint64_t last;	/* when it had something */
	uint64_t since; /* when it rang, or had something; `last` is also when it was taken back */
	bool found;	/* it had something since the last look at the clock */
	bool worked;	/* it ever had */
	bool former;	/* nobody has asked for it: it was taken back */
};

struct set {
	unsigned count;
	unsigned glance;   /* who of the others was looked at last */
	unsigned rounds;   /* times that all of them were */
	unsigned aged;	   /* who was asked last how long it is quiet */
	uint64_t last;	   /* when any of them had something */
	uint64_t looked;   /* when the descriptors were looked at */
	uint64_t tended;   /* when the clock was */
	uint64_t forgiven; /* since any of them had something */
	bool useful;	   /* it was, to take others back */
	bool ran;     /* something that was left to this thread, since the clock was looked at */
	bool stopped; /* the loop is to stop */
	/* The first: who had something last. Behind the rest, beside which the first few lie so. */
	struct hot hot[HOT_MAX];
};

static struct {
	struct loop *loop;	     /* [const] while its threads run; NULL: nobody spins */
	_Atomic(struct set *) token; /* the set of who has it; NULL: nobody has */
	_Atomic unsigned offers;     /* how many */
	pthread_mutex_t lock;
	struct connection *offered; /* [lock] +1 each */
	struct spin_backoff again;  /* [token] of taking back who was let go */
} spinning = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Whether this thread has the token. */
static _Thread_local bool has_token;

/* True if it has it already. Pairs with itself and, in both orders, with `offers`. */
static bool
take_token(struct set *set)
{
	struct set *nobody = NULL;

	if (!has_token)
		has_token = atomic_load_explicit(&spinning.token, memory_order_relaxed) == NULL &&
			    atomic_compare_exchange_strong_explicit(&spinning.token, &nobody, set,
								    memory_order_seq_cst,
								    memory_order_relaxed);
	return has_token;
}

static void
give_token(void)
{
	has_token = false;
	atomic_store_explicit(&spinning.token, NULL, memory_order_seq_cst);
}

/* --- offers --- */

/* Takes the caller's reference; `hot` of the connection is set. */
static void
offer_take(struct connection *c)
{
	/* Before it can be adopted, which says in whose set it is. */
	atomic_store_explicit(&c->watched, &spinning, memory_order_relaxed);
	pthread_mutex_lock(&spinning.lock);
	c->next_offered = spinning.offered;
	spinning.offered = c;
	atomic_fetch_add_explicit(&spinning.offers, 1, memory_order_seq_cst);
	pthread_mutex_unlock(&spinning.lock);
}

void
spinning_offer(struct connection *c)
{
	/* Relaxed: connections of a loop that does not spin are never offered. */
	if (c->loop != spinning.loop || atomic_load_explicit(&c->hot, memory_order_relaxed) ||
	    !call_page_can_spin(&c->page) || !spin_allowed(&c->backoff) ||
	    atomic_exchange_explicit(&c->hot, true, memory_order_acq_rel))
		return;
	connection_retain(c);
	offer_take(c);
}

static struct connection *
next_offer(void)
{
	struct connection *c;

	pthread_mutex_lock(&spinning.lock);
	c = spinning.offered;
	if (c != NULL) {
		spinning.offered = c->next_offered;
		atomic_fetch_sub_explicit(&spinning.offers, 1, memory_order_seq_cst);
	}
	pthread_mutex_unlock(&spinning.lock);
	return c;
}

/* --- the set --- */

bool
spinning_watches(const struct connection *c)
{
	const void *by = atomic_load_explicit(&c->watched, memory_order_relaxed);
	/* Pairs with give_token: either this finds no holder, or that one finds the offer. */
	const void *holder = atomic_load_explicit(&spinning.token, memory_order_seq_cst);

	return by != NULL && holder != NULL && (by == holder || by == &spinning);
}

/*
 * Before the scan that arms: one who scans after it, or is told by it to scan again, sees this and
 * arms as well. Relaxed, since the change of c->scan orders it.
 */
static void
unwatch(struct connection *c)
{
	atomic_store_explicit(&c->watched, NULL, memory_order_relaxed);
}

/* --- letting go --- */

/* Armed by the scan; out of the set unless that brought a call. */
static bool
let_go(struct hot *hot, bool together)
{
	struct connection *c = hot->connection;
	const void *set = atomic_load_explicit(&c->watched, memory_order_relaxed);

	unwatch(c);
	hot->found = calls_scan_spinning(c, true);
	if (hot->found) {
		atomic_store_explicit(&c->watched, set, memory_order_relaxed);
		return false;
	}
	if (hot->worked || !hot->former)
		spin_ended(&c->backoff, hot->worked);
	atomic_store_explicit(&c->hot, false, memory_order_release);
	if (together && (hot->worked || hot->former))
		formers_add_take(c, hot->since);
	else
		connection_release(c);
	return true;
}

/* Without the token: to whoever spins next. */
static void
hand_on(struct set *set)
{
	while (set->count > 0) {
		struct connection *c = set->hot[--set->count].connection;

		unwatch(c);
		calls_scan(c);
		offer_take(c);
	}
}

static void
adopt(struct set *set, uint64_t now)
{
	while (set->count < HOT_MAX &&
	       atomic_load_explicit(&spinning.offers, memory_order_relaxed) > 0) {
		struct connection *c = next_offer();

		if (c == NULL)
			return;
		atomic_store_explicit(&c->watched, set, memory_order_relaxed);
		set->hot[set->count++] = (struct hot){
			.connection = c,
			.page = c->page.page,
			.last = now,
			.since = now,
		};
		set->last = now;
	}
}

/*
 * Takes back those that the last set had when it was let go, besides the one that has rung: their
 * clients are likely to be woken up, too. False: the token is another's.
 */
static bool
readopt(struct set *set, uint64_t now, bool *ret_any)
{
	struct former former;

	*ret_any = false;
	if (!formers_any() || !spin_allowed(&spinning.again))
		return true;
	while (set->count < HOT_MAX && formers_take(&former)) {
		struct connection *c = former.connection;
		struct hot *hot = &set->hot[set->count];

		if (now - former.since > FORMER_NSEC || !call_page_can_spin(&c->page) ||
		    atomic_exchange_explicit(&c->hot, true, memory_order_acq_rel)) {
			connection_release(c);
			continue;
		}
		atomic_store_explicit(&c->watched, set, memory_order_relaxed);
		*hot = (struct hot){
			.connection = c,
			.page = c->page.page,
			.last = now,
			.since = former.since,
			.former = true,
		};
		set->count++;
		*ret_any = true;
		/* Its client does not ring from here on. */
		hot->found = calls_scan_spinning(c, false);
		set->useful |= hot->found;
		if (!take_token(set))
			return false;
	}
	return true;
}

static void
note_found(struct set *set, uint64_t now)
{
	if (set->ran)
		set->last = now;
	set->ran = false;
	for (unsigned i = 0; i < set->count; i++) {
		struct hot *hot = &set->hot[i];

		if (!hot->found)
			continue;
		hot->found = false;
		hot->worked = true;
		set->useful |= hot->former;
		hot->last = hot->since = set->last = now;
		set->forgiven = 0;
	}
}

static bool
is_over(const struct set *set, uint64_t now)
{
	return now - set->last > SPIN_BUDGET;
}

static bool
is_quiet(const struct set *set, const struct hot *hot, uint64_t now)
{
	return is_over(set, now) || now - hot->last > QUIET_NSEC ||
	       connection_has_ended(hot->connection) || !call_page_can_spin(&hot->connection->page);
}

/* Some at a time. */
static struct hot *
next_to_age(struct set *set)
{
	/* Backwards, since the last one fills a gap. */
	set->aged = set->aged == 0 || set->aged > set->count ? set->count - 1 : set->aged - 1;
	return &set->hot[set->aged];
}

/*
 * Drops what was quiet for too long: of a few, or of all once nothing has come from any. False: a
 * method ran, and the token is another's.
 */
static bool
age(struct set *set, uint64_t now)
{
	unsigned left = set->count < AGES ? set->count : AGES;
	bool together = is_over(set, now);

	if (together)
		left = set->aged = set->count;
	for (; left > 0; left--) {
		struct hot *hot = next_to_age(set);

		/* What has just called stays, also if it has moved to this CPU meanwhile. */
		if (hot->last == now || !is_quiet(set, hot, now))
			continue;
		if (let_go(hot, together))
			*hot = set->hot[--set->count];
		else if (!take_token(set))
			return false;
	}
	return true;
}

/*
 * Time in which this thread did not look is not time in which nothing came. But not for ever: where
 * a turn takes longer than AWAY_NSEC (many pages, a slow machine) it would spin without an end.
 */
static void
forgive(struct set *set, uint64_t now)
{
	uint64_t away = now - set->tended;

	set->tended = now;
	if (away < AWAY_NSEC || set->forgiven >= QUIET_NSEC)
		return;
	set->forgiven += away;
	set->last += away;
	for (unsigned i = 0; i < set->count; i++)
		set->hot[i].last += away;
}

/* False: the loop stops, or the token is another's. */
static bool
look(struct loop *loop, struct set *set, uint64_t now)
{
	set->looked = now;
	/* What it finds there may block. */
	give_token();
	set->stopped = !loop_look(loop);
	return !set->stopped && take_token(set);
}

/*
 * What is done now and then. False: the loop stops, or the token is another's.
 *
 * Before a set is let go that nothing came from, the descriptors are looked at: one who is not in
 * it may have rung meanwhile, and joins it then. Else clients that call in turn would have each
 * other's connections let go, and each turn begin with a ring that waits for a budget to end.
 *
 * Once is enough, and no other look keeps it from going on to age: where the turns between two of
 * these take longer than LOOK_NSEC (a slow machine, work that was left to this thread) one is due
 * each time, and nobody would ever be let go.
 */
static bool
tend(struct loop *loop, struct set *set)
{
	uint64_t now = clock_now();

	forgive(set, now);
	note_found(set, now);
	adopt(set, now);
	if (is_over(set, now)) {
		if (set->looked < set->last)
			return look(loop, set, now);
	} else if (now - set->looked >= LOOK_NSEC && !look(loop, set, now)) {
		return false;
	}
	return age(set, now);
}

/*
 * A piece of what the calls have left to this thread, which does not spin for nothing meanwhile.
 * False: the token is another's.
 */
static bool
run_deferred(struct loop *loop, struct set *set)
{
	set->ran |= loop_run_deferred(loop);
	return take_token(set);
}

/*
 * Of many pages all but one have nothing: so a look costs one line of the page and one of the set.
 * What a data queue has is looked for less often if there are many.
 */
static bool
is_due(struct hot *hot, bool also_queues)
{
	const struct call_page_host *host;

	if (!also_queues && !call_page_has_moved(hot->page, hot->seen))
		return false;
	host = &hot->connection->page;
	hot->seen = call_page_seen(host);
	return call_page_is_due(host);
}

/* In turn, all but the first. */
static unsigned
next_glance(struct set *set)
{
	if (++set->glance < set->count)
		return set->glance;
	set->rounds++;
	return set->glance = 1;
}

static void
make_first(struct set *set, unsigned index)
{
	struct hot hot = set->hot[index];

	set->hot[index] = set->hot[0];
	set->hot[0] = hot;
}

/*
 * Whether what is found now is a call of the only client, which makes one at a time: it is in the
 * slot of the last one, and nothing is in another. A client with several threads that call uses
 * other slots, too, and has one that waits already.
 */
static bool
is_lone_call(const struct set *set, struct hot *hot)
{
	uint64_t slots = call_page_moved(hot->page, hot->seen), before = hot->slots;

	hot->slots = slots;
	return set->count == 1 && slots != 0 && slots == before && (slots & (slots - 1)) == 0;
}

/* Looks at some. False: without the token. *ret_lone: see is_lone_call. */
static bool
take_turn(struct set *set, bool *ret_found, bool *ret_lone)
{
	bool also_queues = set->count <= FEW || set->rounds % QUEUE_ROUNDS == 0;
	unsigned looks = set->count <= GLANCES ? set->count : GLANCES + 1;

	for (unsigned i = 0; i < looks; i++) {
		unsigned index = i == 0 ? 0 : next_glance(set);
		bool lone;

		if (!is_due(&set->hot[index], also_queues))
			continue;
		lone = is_lone_call(set, &set->hot[index]);
		if (!calls_scan_spinning(set->hot[index].connection, false))
			continue;
		*ret_found = set->hot[index].found = true;
		*ret_lone = lone;
		make_first(set, index);
		if (!take_token(set))
			return false;
	}
	return true;
}

/* Until the set is empty. False: without the token. */
static bool
spin_over(struct loop *loop, struct set *set)
{
	for (unsigned turn = 1; set->count > 0; turn++) {
		bool found = false, lone = false;

		if (!take_turn(set, &found, &lone))
			return false;
		if (loop_has_deferred()) {
			if (!run_deferred(loop, set))
				return false;
		} else if (lone) {
			for (unsigned i = 0; i < RETURN_TURNS; i++)
				spin_relax();
		} else if (!found) {
			spin_relax();
		}
		if (turn % SPIN_TURNS == 0 && !tend(loop, set))
			return false;
	}
	return true;
}

static void
spin(struct loop *loop)
{
	bool taken, back;
	struct set set;

	set.stopped = false;
	/* Pairs with the exchange in take_token of another: one of the two sees the offer. */
	while (!set.stopped && atomic_load_explicit(&spinning.offers, memory_order_seq_cst) > 0 &&
	       take_token(&set)) {
		set.count = set.glance = set.rounds = set.aged = 0;
		set.looked = set.tended = clock_now();
		set.forgiven = 0;
		set.ran = set.useful = false;
		adopt(&set, set.looked);
		taken = readopt(&set, set.looked, &back);
		taken = taken && spin_over(loop, &set);
		if (back)
			spin_ended(&spinning.again, set.useful);
		if (taken)
			give_token();
		else
			hand_on(&set);
	}
}

void
spinning_lend(void)
{
	if (!has_token)
		return;
	has_token = false;
	/* In no order with the offers: this thread looks at them when it is back. */
	atomic_store_explicit(&spinning.token, NULL, memory_order_release);
}

/* For a piece of what was left to this thread. Some of the connections, as a turn does. */
static bool
is_wanted(void)
{
	const struct set *set;

	if (!has_token)
		return false;
	/* Relaxed: it is this thread's. */
	set = atomic_load_explicit(&spinning.token, memory_order_relaxed);
	for (unsigned i = 0; i < set->count && i < FEW; i++)
		if (call_page_is_due(&set->hot[i].connection->page))
			return true;
	return false;
}

void
spinning_start(struct loop *loop)
{
	spinning.loop = loop;
	loop_set_spin(loop, spin, spinning_lend, is_wanted);
}

void
spinning_stop(void)
{
	struct former former;
	struct connection *c;

	spinning.loop = NULL;
	while (formers_take(&former))
		connection_release(former.connection);
	while ((c = next_offer()) != NULL)
		connection_release(c);
}
