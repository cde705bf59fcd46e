/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wake-ups of a ring, as a model for spin: push, pop, await_entries, await_room and the bell of
 * shared_ring.c, and sides that sleep until they are told. `make model`.
 *
 * An entry is its number, a position a count, and there is room for ROOM of them. The producer puts
 * one or two at a time. Each side has a
 * store buffer for each of its words, as a CPU of the kind that we run on: what it stores is its
 * own at once and the other's some time later. A seq_cst store is there before the side goes on, a
 * release store is not: WEAK_TAIL, WEAK_HEAD, WEAK_ARMED and WEAK_ROOM make one of them a release
 * store. NO_SECOND_LOOK leaves out the look between arming and sleeping. LATE_BELL reads the bell
 * after arming and looking. NO_POSITION tells also of a position that the waiter knew when it
 * asked. Each of these must be found wrong.
 *
 * The consumer may take the fences after any entry, and after arming, as another thread of the driver
 * does. The producer's tail is then held, and a consumer that arms waits until it is not. NO_FENCE
 * leaves that out, FENCE_FIRST does it before arming, and LATE_CLEAR gives the fences back only after
 * it. A push that began before may still be underway at the next arming, without a fence, and have
 * seen only this one: so an arming for a nearer position waits, too, unless NEARER_WITHOUT leaves
 * that out. EARLY_TELL tells while the tail is held, which no way of telling does.
 *
 * A waiter that is told and finds nothing goes on waiting without asking anew, as the driver's side
 * does. It asks to be told of the first entry, or room for one, or of the second; of the second only
 * for a time, after which one is enough. That time ends here only while there is not yet what was
 * asked for, so that it hides no wake-up that is lost. NO_STEP lets it never end, and EXACT tells
 * only at the position that was asked for, and not past it: both must be found wrong, too.
 *
 * The consumer writes into a place that it has read, before it gives it up; LATE_HAND does it after.
 *
 * Entries come in order, none twice, none is lost (the assertions), and nobody sleeps for ever while
 * there is something for it (an invalid end state).
 */
#define ENTRIES 4
#define ROOM	2
#define GONE	255 /* no entry's number */

byte head, tail, armed, room; /* as the other side sees them */
byte armed_at, room_at;	      /* in the same words */
byte ring[ROOM];
byte data_bell, room_bell; /* what the sleepers sleep on */
bit fences;		   /* the consumer has them */

bit tail_held, head_held, armed_held, room_held;
byte tail_new, head_new, armed_new, room_new, armed_at_new, room_at_new;

active proctype buffers()
{
end:	do
	:: atomic { tail_held -> tail = tail_new; tail_held = 0 }
	:: atomic { head_held -> head = head_new; head_held = 0 }
	:: atomic { armed_held -> armed = armed_new; armed_at = armed_at_new; armed_held = 0 }
	:: atomic { room_held -> room = room_new; room_at = room_at_new; room_held = 0 }
	od
}

/* Whether who asked for a position is told at this one. */
#ifdef NO_POSITION
#define IS_PAST(mine, at) true
#elif defined(EXACT)
#define IS_PAST(mine, at) ((mine) == (at) + 1)
#else
#define IS_PAST(mine, at) ((mine) > (at))
#endif

/* The first time. */
inline choose(wish)
{
	if
	:: wish == 0 -> wish = 1
	:: wish == 0 -> wish = 2
	:: else -> skip
	fi
}

active proctype producer()
{
	byte mine, seen, at, number, told, bell, wish;

	do
	:: mine == ENTRIES -> break
	:: else ->
again:		seen = head;
		if
		:: mine - seen < ROOM ->
			ring[mine % ROOM] = mine;
			mine++;
			if
			:: mine - seen < ROOM && mine < ENTRIES ->
				ring[mine % ROOM] = mine;
				mine++
			:: skip
			fi;
#ifdef WEAK_TAIL
			atomic { !tail_held -> tail_new = mine; tail_held = 1 }
#else
			if
			:: fences -> atomic { !tail_held -> tail_new = mine; tail_held = 1 }
			:: else -> atomic { !tail_held -> tail = mine }
			fi;
#endif
			atomic { seen = armed; at = armed_at }
			if
			:: seen != 0 && seen != told && IS_PAST(mine, at) -> told = seen;
#ifndef EARLY_TELL
			   !tail_held;
#endif
			   data_bell++
			:: else -> skip
			fi
		:: else ->
#ifndef LATE_BELL
			bell = room_bell;
#endif
			choose(wish);
			number++;
#ifdef WEAK_ROOM
			atomic { !room_held -> room_new = number; room_at_new = seen + wish - 1; room_held = 1 }
#else
			atomic { room = number; room_at = seen + wish - 1 }
#endif
#ifndef NO_SECOND_LOOK
			seen = head;
			if
			:: mine - seen < ROOM -> goto next
			:: else -> skip
			fi;
#endif
#ifdef LATE_BELL
			bell = room_bell;
#endif
			do
			:: room_bell != bell -> /* sleeps */
				bell = room_bell;
				at = head;
				if
				:: at != seen -> break
				:: else -> skip
				fi
#ifndef NO_STEP
			:: wish == 2 && head - seen < wish -> wish = 1; goto again
#endif
			od
		fi;
next:		atomic { seen = 0; at = 0; bell = 0; wish = 0 }
	od
}

/* Another thread may do this between arming and looking. */
inline take_fences()
{
	if
	:: fences = 1
	:: skip
	fi
}

/* fence_everywhere: what the producer has stored is there. */
inline fence()
{
	if
	:: had -> !tail_held
	:: else -> skip
	fi;
}

active proctype consumer()
{
	byte mine, seen, at, number, told, bell, wish, last;
	bit had;

	do
	:: mine == ENTRIES -> break
	:: else ->
again:		seen = tail;
		if
		:: seen != mine ->
			assert(seen > mine && seen - mine <= ROOM);
			assert(ring[mine % ROOM] == mine);
#ifndef LATE_HAND
			ring[mine % ROOM] = GONE;
#endif
			mine++;
#ifdef WEAK_HEAD
			atomic { !head_held -> head_new = mine; head_held = 1 }
#else
			head = mine;
#endif
#ifdef LATE_HAND
			ring[(mine - 1) % ROOM] = GONE;
#endif
			atomic { seen = room; at = room_at }
			if
			:: seen != 0 && seen != told && IS_PAST(mine, at) -> told = seen;
			   room_bell++
			:: else -> skip
			fi;
			take_fences()
		:: else ->
#ifndef LATE_BELL
			bell = data_bell;
#endif
			choose(wish);
			number++;
			had = fences;
#ifndef NEARER_WITHOUT
			if
			:: seen + wish - 1 < last -> had = 1
			:: else -> skip
			fi;
#endif
			last = seen + wish - 1;
#ifdef FENCE_FIRST
			fence()
#endif
#ifndef LATE_CLEAR
			fences = 0;
#endif
#ifdef WEAK_ARMED
			atomic { !armed_held -> armed_new = number; armed_at_new = seen + wish - 1; armed_held = 1 }
#else
			atomic { armed = number; armed_at = seen + wish - 1 }
#endif
#if !defined(NO_FENCE) && !defined(FENCE_FIRST)
			fence()
#endif
#ifdef LATE_CLEAR
			fences = 0;
#endif
			take_fences();
#ifndef NO_SECOND_LOOK
			seen = tail;
			if
			:: seen != mine -> goto next
			:: else -> skip
			fi;
#endif
#ifdef LATE_BELL
			bell = data_bell;
#endif
			do
			:: data_bell != bell -> /* sleeps */
				bell = data_bell;
				at = tail;
				if
				:: at != seen -> break
				:: else -> skip
				fi
#ifndef NO_STEP
			:: wish == 2 && tail - seen < wish -> wish = 1; goto again
#endif
			od
		fi;
next:		atomic { seen = 0; at = 0; bell = 0; wish = 0 }
	od
}
