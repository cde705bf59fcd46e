/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call through the page, as a model for spin: submit, take, arm, answer, the look before the sleep
 * and the futex of call_page.c, and the scan of driver/calls.c with its two kinds of scanner, one
 * that was rung for and one that spins. `make model`.
 *
 * Two threads of a client make one call and CALLS, each in a slot of its own; two threads of a host serve
 * them. The method of slot 0 returns only when the other thread has finished: so the thread that
 * runs it, and may be the one that spun, is of no use to anybody meanwhile. The bell is an eventfd
 * whose edge wakes one thread.
 *
 * A weaker order is one in which the load that follows a store is served before it, as an ARM CPU
 * may do: WEAK_SUBMIT, WEAK_ARM. WEAK_REQUEST and WEAK_ANSWER publish before they write. Others leave
 * a step out: NO_SECOND_LOOK the look after arming, NO_LEFT the look before the sleep, NO_AGAIN the
 * word to a thread that scans; LATE_WAITER reads the waiter bit before the exchange. Each of these
 * must be found wrong.
 *
 * Each call is taken once and with its request, each answer is that of its call (the assertions), and
 * nobody sleeps for ever (an invalid end state).
 */
#ifndef CALLS
#define CALLS	1 /* of slot 1; one of slot 0 */
#endif
#define WAITER	128
#define NOBODY	0
#define ONE	1
#define AGAIN	2

byte submitted, taken; /* a bit for each slot */
byte armed, rung, sequence;
byte request[2], reply[2], answered[2];
bit asleep[2]; /* on the futex */
bit bell;
bit finished; /* the client of slot 1 */

/* The host's own. */
byte scan, seen, heard;
bit busy[2], spinning;
byte copied[2];

inline ring_if_armed()
{
	if
	:: value != 0 ->
		atomic { old = rung != value; rung = value }
		if
		:: old -> bell = 1
		:: else -> skip
		fi
	:: else -> skip
	fi
}

proctype client(byte slot)
{
	byte generation, value;
	bit old;

	do
	:: generation == (slot -> CALLS : 1) -> break
	:: else ->
		generation++;
#ifdef WEAK_REQUEST
		submitted = submitted ^ (1 << slot);
		request[slot] = generation;
		value = armed;
#else
		request[slot] = generation;
#ifdef WEAK_SUBMIT
		value = armed;
		submitted = submitted ^ (1 << slot);
#else
		submitted = submitted ^ (1 << slot);
		value = armed;
#endif
#endif
		ring_if_armed();
#ifndef NO_LEFT
		if
		:: ((submitted ^ taken) >> slot) & 1 ->
			if
			:: armed == 0 -> bell = 1
			:: else -> skip
			fi
		:: else -> skip
		fi;
#endif
		do
		:: value = answered[slot];
			if
			:: (value & 127) == generation -> break
			:: else -> skip
			fi;
			atomic { /* the exchange by which it asks */
				if
				:: answered[slot] == value -> answered[slot] = value | WAITER;
				   value = value | WAITER; old = 1
				:: else -> old = 0
				fi
			}
			atomic { /* what the kernel does: it compares and sleeps */
				if
				:: old && answered[slot] == value -> asleep[slot] = 1
				:: else -> skip
				fi
			}
			!asleep[slot]
		od;
		assert(reply[slot] == generation)
	od;
	if
	:: slot == 1 -> finished = 1
	:: else -> skip
	fi
}

inline take(slot)
{
	if
	:: (bits >> slot) & 1 ->
		assert(!busy[slot]);
		busy[slot] = 1;
		copied[slot] = request[slot];
		mine = mine | (1 << slot);
		/* Each generation once, and complete. */
		assert(copied[slot] == (answered[slot] & 127) + 1)
	:: else -> skip
	fi
}

/* False, in `scanned`: another thread scans. `by_bell` is the caller's. */
inline look(spins)
{
	mine = 0;
	atomic {
		if
		:: scan == NOBODY -> scan = ONE; scanned = 1
#ifdef NO_AGAIN
		:: else -> scanned = 0
#else
		:: else -> scan = AGAIN; scanned = 0
#endif
		fi
	}
	if
	:: scanned && by_bell -> heard = sequence
	:: else -> skip
	fi;
	do
	:: !scanned -> break
	:: else ->
		armed = 0;
		do
		:: d_step {
				bits = submitted ^ seen;
				seen = submitted;
				take(0);
				take(1);
				bits = 0
			}
			taken = seen;
			if
			:: spins || spinning -> break /* does not arm */
			:: else -> skip
			fi;
#ifdef WEAK_ARM
			bits = submitted;
			d_step { sequence++; armed = sequence }
			if
			:: bits == seen -> break
			:: else -> skip
			fi
#else
			d_step { sequence++; armed = sequence }
#ifdef NO_SECOND_LOOK
			break
#else
			if
			:: submitted == seen -> break
			:: else -> skip
			fi
#endif
#endif
		od;
		atomic {
			if
			:: scan == ONE -> scan = NOBODY; break
			:: else -> scan = ONE
			fi
		}
	od
}

/* Before the last answer; who wants this thread to look again gets that with the look after it. */
inline hold()
{
	atomic {
		if
		:: scan == NOBODY && !spinning -> scan = ONE; held = 1
		:: else -> skip
		fi
	}
	if
	:: held -> armed = heard; scan = NOBODY
	:: else -> skip
	fi
}

inline answer(slot)
{
	if
	:: (mine >> slot) & 1 ->
		if
		:: slot == 0 -> finished
		:: else -> skip
		fi;
		if
		:: mine == 1 << slot -> hold()
		:: else -> skip
		fi;
		mine = mine & ~(1 << slot);
		busy[slot] = 0;
#ifdef WEAK_ANSWER
		atomic { bits = answered[slot]; answered[slot] = copied[slot] }
		reply[slot] = copied[slot];
#else
		reply[slot] = copied[slot];
#ifdef LATE_WAITER
		bits = answered[slot];
		answered[slot] = copied[slot];
#else
		atomic { bits = answered[slot]; answered[slot] = copied[slot] }
#endif
#endif
		if
		:: bits & WAITER -> asleep[slot] = 0
		:: else -> skip
		fi;
		bits = 0
	:: else -> skip
	fi
}

/* Of slot 1 first: the scanner has put it into another queue before it runs what blocks. */
inline serve()
{
	do
	:: answer(1);
	   answer(0);
#ifdef NO_LOOK_AFTER_HOLD
	   break
#else
	   if
	   :: held -> held = 0; look(0)
	   :: else -> break
	   fi
#endif
	od;
	held = 0
}

proctype host(bit spins)
{
	byte bits, mine;
	bit scanned, by_bell, held;

	do
	:: !spins -> break
	:: spins && submitted != seen -> look(1); serve()
	:: spins -> /* for the last time */
		spinning = 0;
		look(0);
		spins = 0;
		serve()
	od;
end:	do
	:: atomic { bell -> bell = 0 }
		by_bell = 1;
		look(0);
		by_bell = 0;
		serve();
		scanned = 0
	od
}

init
{
	atomic {
		if
		:: sequence = 1; armed = 1; run host(0)
		:: spinning = 1; run host(1)
		fi;
		run host(0);
		run client(0);
		run client(1)
	}
}
