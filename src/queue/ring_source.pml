/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who looks at a ring, as a model for spin: `hungry`, `told`, `look_left` and all that changes them in
 * ring_source.c, with what a handler's call is (source.c) and a thread of the loop. `make model`.
 *
 * The app puts ENTRIES, tells if it was asked, and may sleep after each until all are taken; before
 * that it tells if some are left, asked or not, and once. In the end it sleeps, or is quiet: it tells
 * nothing more unasked. Each of THREADS calls the handler, looks since the app has told, and does
 * what it was left. The handler may leave its thread work, WORKS times; that may go on, PIECES times.
 * In a piece its thread may be held up, HOLDS of them, until all that the app has put is taken, or
 * it is quiet. Left out: that who waits by means of its own gives what it was left to others, the
 * waits for room, and when completions are told of, on which no look depends: an app that waits for
 * them may come back at any time. The order of memory is that of shared_ring.pml: all accesses here
 * are seq_cst.
 *
 * FORGETS_TOLD does not keep what is told while nobody waits; NO_LOOK_AFTER_TOLD does not look once
 * more after that; EARLY_TOLD asks for it before the look is left. NO_TAKE_OVER leaves each look to
 * its thread, and NOT_OWN one's own. BLIND_TAKE, BLIND_RETURN, BLIND_KEEP and BLIND_LEAVE
 * write the state that they have seen to be right a moment ago. NO_SECOND_LOOK and LATE_HUNGRY have none after
 * `hungry` is set. LATE_SEEN has seen what came during the handler. TWICE posts a call that is on its
 * way, LATE_WANTED drops what fires during one. NO_ARMING ends the last look without. Each of these
 * must be found wrong.
 *
 * The handler runs once at a time, and the look is in one list (the assertions); all is taken,
 * whoever is held up, and in the end nobody has the look and the app is asked (an invalid end state).
 */
#define THREADS 2
#ifdef BLIND_LEAVE /* takes more; but all orders of that are too many */
#define ENTRIES 3
#define WORKS	2
#else
#define ENTRIES 2
#define WORKS	1
#endif
#define PIECES	1
#define HOLDS	(THREADS - 1)

#define LEFT	 0
#define TAKEN	 1
#define RETURNED 2
#define HELD	 3

#define NOBODY 0

#define STATE(left)    ((left) % 4)
#define THREAD(left)   ((left) / 4)
#define IS_TAKEN(left) (STATE(left) == TAKEN || STATE(left) == HELD)
#define ME	       (me * 4)

#ifdef NO_TAKE_OVER
#define IS_TO_TAKE(left) false
#elif defined(NOT_OWN)
#define IS_TO_TAKE(left) ((left) != 0 && !IS_TAKEN(left) && THREAD(left) != me)
#else
#define IS_TO_TAKE(left) ((left) != 0 && !IS_TAKEN(left))
#endif
#ifndef BLIND_TAKE
#define BLIND_TAKE 0
#endif
#ifndef BLIND_LEAVE
#define BLIND_LEAVE 0
#endif
#ifndef BLIND_RETURN
#define BLIND_RETURN 0
#endif
#ifndef BLIND_KEEP
#define BLIND_KEEP 0
#endif

byte tail, head, seen;
byte armed_at; /* the ring's word: the position, and whether the app has told for this number */
bit asks;
bit hungry, told;
byte look_left; /* 0, or a thread and a state */
byte task;	/* in whose list it is */

bit wanted, posted, due; /* the handler's call; due: no thread has begun it */
bit running;
bit rung;		/* the app has told, and no thread has heard */
bit work[THREADS + 1];	/* in that thread's list */
byte works, pieces, holds;
bit quiet, done;

/* --- source.c --- */

inline fire()
{
	atomic {
		wanted = 1;
		if
#ifdef TWICE
		:: due = 1
#else
		:: !posted -> posted = 1; due = 1
#endif
		:: else -> skip
		fi
	}
}

/* --- ring_source.c --- */

inline has_come()
{
	comes = (tail != seen)
}

inline take_back(flag)
{
	atomic { got = flag; flag = 0 }
}

inline change_look(to, blind)
{
	atomic {
		got = (blind || look_left == left);
		if
		:: got -> look_left = to
		:: else -> skip
		fi
	}
}

inline take_look_over()
{
	atomic { left = look_left; got = 0 }
	if
	:: IS_TO_TAKE(left) -> change_look(left + 1, BLIND_TAKE)
	:: else -> skip
	fi;
	left = 0
}

/* got: whether it has fired. */
inline look()
{
	has_come();
	if
	:: comes ->
		take_back(hungry);
		if
		:: got -> skip
		:: else -> take_look_over()
		fi;
		if
		:: got -> fire()
		:: else -> skip
		fi
	:: else -> got = 0
	fi
}

inline look_since_told()
{
	look();
#ifndef FORGETS_TOLD
	if
	:: got -> skip
	:: else ->
		has_come();
		if
		:: comes ->
			told = 1;
#ifndef NO_LOOK_AFTER_TOLD
			look()
#endif
		:: else -> skip
		fi
	fi;
#endif
	atomic { got = 0; comes = 0 }
}

/* One at a time, by a lock; but `seen` may change. */
inline wait_for_entries()
{
	position = seen;
	atomic { asks = 1; armed_at = position; position = 0 }
#ifdef LATE_HUNGRY
	look();
#endif
	hungry = 1;
#if !defined(LATE_HUNGRY) && !defined(NO_SECOND_LOOK)
	look();
#endif
	got = 0
}

inline defer_look()
{
	atomic { assert(task == NOBODY && work[me]); task = me }
}

inline ask_told()
{
	take_back(told);
	if
	:: got ->
		has_come();
		if
		:: comes -> fire()
		:: else -> skip
		fi
	:: else -> skip
	fi
}

/* got: whether one is. */
inline leave_look()
{
#ifdef EARLY_TOLD
	ask_told();
#endif
	atomic { left = look_left; got = 0 }
	if
	:: left == 0 && work[me] ->
		change_look(ME, BLIND_LEAVE);
		if
		:: got -> defer_look()
		:: else -> skip
		fi
	:: left != 0 && THREAD(left) == me && STATE(left) != LEFT -> change_look(ME, 0)
	:: left != 0 && THREAD(left) != me && STATE(left) == TAKEN ->
		change_look(left + 1, BLIND_RETURN)
	:: else -> got = (left != 0 && STATE(left) != HELD)
	fi;
	left = 0
}

inline was_told()
{
#ifndef EARLY_TOLD
	ask_told()
#else
	skip
#endif
}

inline look_again()
{
	atomic { left = look_left; got = 0 }
	if
	:: IS_TAKEN(left) && work[me] -> change_look(ME + TAKEN, BLIND_KEEP)
	:: else -> skip
	fi;
	if
	:: got -> defer_look()
	:: else ->
		atomic { left = look_left; look_left = 0 }
		if
		:: IS_TAKEN(left) -> skip
		:: else ->
			has_come();
			if
			:: comes -> fire()
			:: else ->
				leave_look();
				if
				:: got -> was_told()
#ifdef NO_ARMING
				:: else -> skip
#else
				:: else -> wait_for_entries()
#endif
				fi
			fi
		fi
	fi;
	atomic { left = 0; got = 0; comes = 0 }
}

inline call_ready()
{
	position = tail;
	atomic {
#ifndef LATE_SEEN
		seen = position;
#endif
		assert(!running);
		running = 1
	}
	if
	:: atomic { works < WORKS -> works++; work[me] = 1 }
	:: skip
	fi;
	atomic { head = position; position = 0; running = 0 }
#ifdef LATE_SEEN
	seen = tail;
#endif
	leave_look();
	if
	:: got -> was_told()
	:: else ->
		has_come();
		if
		:: comes -> fire()
		:: else -> wait_for_entries()
		fi
	fi;
	atomic { got = 0; comes = 0 }
}

/* --- a thread of the loop --- */

inline begin_piece()
{
	piece = 1;
	if
	:: pieces < PIECES && !work[me] -> pieces++; work[me] = 1
	:: skip
	fi
}

proctype thread(byte me)
{
	byte left, position;
	bit got, comes, piece;

end:	do
	:: atomic { due ->
			due = 0;
#ifndef LATE_WANTED
			wanted = 0
#endif
		}
		call_ready();
		atomic {
			posted = 0;
#ifdef LATE_WANTED
			wanted = 0;
#endif
			if
			:: wanted -> posted = 1; due = 1
			:: else -> skip
			fi
		}
	:: !piece && rung ->
		rung = 0;
		look_since_told()
	:: atomic { !piece && work[me] -> work[me] = 0; begin_piece() }
	:: piece -> /* the driver's callbacks */
		if
		:: skip
		:: atomic { holds < HOLDS -> holds++ }
			head == tail || quiet
		fi;
		piece = 0;
		if
		:: task == me ->
			task = NOBODY;
			look_again()
		:: else -> skip
		fi
	od
}

proctype app()
{
	do
	:: tail == ENTRIES -> break
	:: else ->
		tail++;
		if
		:: atomic { asks && tail > armed_at -> asks = 0; rung = 1 }
		:: else -> skip
		fi;
		if
		:: skip
		:: atomic { head != tail -> rung = 1 }
			head == tail
		fi
	od;
	if
	:: quiet = 1
	:: atomic { head != tail -> rung = 1 }
	:: head == tail
	fi;
	head == tail;
	quiet = 1;
	done = 1
}

init
{
	byte i;

	atomic {
		asks = 1;
		hungry = 1;
		for (i : 1 .. THREADS) { run thread(i) }
		run app()
	}
	done && !posted && !rung && task == NOBODY && look_left == 0 && hungry && asks
}
