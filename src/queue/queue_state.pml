/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a dispatch queue, as a model for spin: all of queue_state.h, and who goes on with
 * what waits (queue.c). `make model`.
 *
 * SUBMITTERS bring a piece of work each, as submit_take does; one thread calls, as queue_call
 * does, and waits for its turn if it has to; one suspends the queue and lets it go on. A thread of
 * the loop runs the drain task. How many items an owner does before it leaves the rest to the drain
 * task is left open.
 *
 * BLIND_OWN and BLIND_GIVE_UP write the state that they have seen to be right a moment ago. NO_CLAIM
 * takes the lock without the state. FORGETS_LIST and FORGETS_SUSPENSION give the state away with the
 * lock though something waits, or the queue is suspended. EARLY_GIVE_UP has the work's last step after the queue was given up, as
 * a weaker order would. NO_DRAIN appends without a look at who runs it. Each of these must be found
 * wrong.
 *
 * One runs at a time, and none begins while the queue is suspended (the assertions); all is run, once,
 * and in the end the queue is nobody's and its state says so (an invalid end state).
 */
#define SUBMITTERS 2
#define ALL	   (SUBMITTERS + 1)

#define OWNED  1
#define LOCKED 2

/* What waits: so many, among them the caller, whose place is turn_at; 0: he does not. */
byte waits, turn_at;
byte state, running, done, tasks;
bit mutex, suspended, posted, held, turn_came, resumed;

#define is_idle	  (waits == 0 && (state & OWNED) == 0 && suspended == 0)
#define may_begin (waits > 0 && (state & OWNED) == 0 && suspended == 0)

inline take_first()
{
	d_step {
		waits--;
		if
		:: turn_at > 0 -> turn_at--
		:: else -> skip
		fi
	}
}

inline lock()
{
	atomic { mutex == 0 -> mutex = 1 }
#ifndef NO_CLAIM
	state = state | LOCKED
#endif
}

inline unlock()
{
	if
#ifdef FORGETS_LIST
	:: suspended == 0 -> seen = state; state = seen & OWNED
#else
#ifdef FORGETS_SUSPENSION
	:: waits == 0 -> seen = state; state = seen & OWNED
#else
	:: waits == 0 && suspended == 0 -> seen = state; state = seen & OWNED
#endif
#endif
	:: else -> skip
	fi;
	mutex = 0
}

/* What is first in the list is begun, by the owner that this makes. */
inline begin()
{
	atomic { state = LOCKED | OWNED; assert(held == 0) }
}

inline post_drain()
{
	if
	:: may_begin && turn_at == 1 -> take_first(); begin(); turn_came = 1
	:: else -> skip
	fi;
	if
	:: posted == 0 && may_begin -> posted = 1; tasks++
	:: else -> skip
	fi
}

inline own_at_once()
{
#ifdef BLIND_OWN
	got = (state == 0);
	if
	:: got -> state = OWNED
	:: else -> skip
	fi
#else
	atomic {
		got = (state == 0);
		if
		:: got -> state = OWNED; assert(held == 0)
		:: else -> skip
		fi
	}
#endif
}

inline give_up_at_once()
{
#ifdef BLIND_GIVE_UP
	got = (state == OWNED);
	if
	:: got -> state = 0
	:: else -> skip
	fi
#else
	atomic {
		got = (state == OWNED);
		if
		:: got -> state = 0
		:: else -> skip
		fi
	}
#endif
}

inline run_one()
{
	atomic { running++; assert(running == 1) }
#ifndef EARLY_GIVE_UP
	atomic { running--; done++ }
#endif
}

inline go_on_and_leave()
{
	do
	:: give_up_at_once();
		if
		:: got -> break
		:: else -> skip
		fi;
		lock();
		if
		:: waits > 0 && turn_at != 1 && suspended == 0 ->
			take_first();
			unlock();
#ifdef EARLY_GIVE_UP
			atomic { running--; done++ }
#endif
			run_one()
		:: state = LOCKED; /* nothing that it goes on with, or enough */
			post_drain();
			unlock();
			break
		fi
	od;
#ifdef EARLY_GIVE_UP
	atomic { running--; done++ }
#endif
}

proctype submitter()
{
	byte seen;
	bit got, here;

	if
	:: here = 1; own_at_once()
	:: skip /* it may not run here */
	fi;
	if
	:: got -> skip
	:: else ->
		lock();
		if
		:: here && is_idle -> begin(); got = 1
		:: else ->
			waits++;
#ifndef NO_DRAIN
			post_drain()
#endif
		fi;
		unlock()
	fi;
	if
	:: got -> run_one(); go_on_and_leave()
	:: else -> skip
	fi
}

proctype caller()
{
	byte seen;
	bit got;

	lock();
	if
	:: is_idle -> begin()
	:: else ->
		atomic { waits++; turn_at = waits }
		post_drain();
		do
		:: turn_came -> break
		:: else ->
			mutex = 0; /* the wait for the condition, which the state does not leave */
			turn_came;
			lock()
		od
	fi;
	unlock();
	run_one();
	go_on_and_leave()
}

proctype suspender()
{
	byte seen;

	lock();
	suspended = 1;
	unlock();
	held = 1;
	held = 0;
	lock();
	suspended = 0;
	post_drain();
	unlock();
	resumed = 1
}

proctype loop()
{
	byte seen;
	bit got, first;

end:	do
	:: atomic { tasks > 0 -> tasks-- }
		lock();
		posted = 0;
		if
		:: may_begin && turn_at != 1 -> take_first(); begin(); first = 1
		:: else -> first = 0
		fi;
		post_drain();
		unlock();
		if
		:: first -> run_one(); go_on_and_leave()
		:: else -> skip
		fi
	od
}

init
{
	byte i;

	atomic {
		for (i : 1 .. SUBMITTERS) { run submitter() }
		run caller();
		run suspender();
		run loop()
	}
	resumed && done == ALL && state == 0 && waits == 0 && tasks == 0
}
