/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two bells of a connection, as a model for spin: push, pop, arm and the wait for room of the
 * completion ring in call_page.c, the order in which the client drains (client/port.c), and the host
 * that keeps what finds no room until the doorbell rings (driver/completions.c). `make model`.
 *
 * An entry is its number, a position a count, and there is room for ROOM of them. The bell pipe and
 * the doorbell hold one ring each: a full one has been rung. Each side sleeps on its own and looks at
 * nothing else meanwhile.
 *
 * A weaker order is one in which the load that follows a store is served before it: WEAK_TAIL,
 * WEAK_ARMED, WEAK_HEAD and WEAK_OVERFLOW. NO_SECOND_LOOK and NO_SECOND_ROOM leave out the look
 * between asking and sleeping. LATE_BELL empties the bell after that look. ONE_NUMBER asks with the
 * same number each time. WEAK_HEAD can be seen only where the last entry is the half of the ring: a
 * larger ring has one more entry then, whose pop rings. EARLY_ROOM gives the place of an entry back before it was copied. Each of
 * these must be found wrong.
 *
 * Entries come in order, none twice, none is lost (the assertions), and nobody sleeps for ever while
 * there is something for it (an invalid end state).
 */
#define ENTRIES 5
#ifdef WEAK_HEAD
#define ROOM 1
#else
#define ROOM 2
#endif

byte head, tail, armed, overflow;
byte ring[ROOM];
bit bell, doorbell;

active proctype host()
{
	byte mine, seen, value, told, number;

	do
	:: mine == ENTRIES -> break
	:: else ->
		seen = head;
		if
		:: mine - seen < ROOM ->
			ring[mine % ROOM] = mine;
			mine++;
#ifdef WEAK_TAIL
			value = armed;
			tail = mine;
#else
			tail = mine;
			value = armed;
#endif
			if
			:: value != 0 && value != told -> told = value; bell = 1
			:: else -> skip
			fi
		:: else ->
#ifdef ONE_NUMBER
			number = 1;
#else
			number++;
#endif
#ifdef WEAK_OVERFLOW
			seen = head;
			overflow = number;
#else
			overflow = number;
			seen = head;
#endif
#ifndef NO_SECOND_ROOM
			if
			:: mine - seen <= ROOM / 2 -> overflow = 0; goto again
			:: else -> skip
			fi;
#endif
			atomic { doorbell -> doorbell = 0 } /* sleeps */
			overflow = 0
		fi;
again:		skip
	od
}

active proctype client()
{
	byte mine, seen, value, told, number;

	do
	:: mine == ENTRIES -> break
	:: else ->
		armed = 0;
		do
		:: seen = tail;
			if
			:: seen == mine -> break
			:: else -> skip
			fi;
			assert(seen > mine && seen - mine <= ROOM);
#ifdef EARLY_ROOM
			head = mine + 1;
			assert(ring[mine % ROOM] == mine);
			mine++;
			value = overflow;
#else
			assert(ring[mine % ROOM] == mine);
			mine++;
#ifdef WEAK_HEAD
			value = overflow;
			head = mine;
#else
			head = mine;
			value = overflow;
#endif
#endif
			if
			:: value != 0 && value != told && seen - mine <= ROOM / 2 ->
				told = value;
				doorbell = 1
			:: else -> skip
			fi
		od;
#ifdef ONE_NUMBER
		number = 1;
#else
		number++;
#endif
#ifdef WEAK_ARMED
		seen = tail;
		armed = number;
#else
		armed = number;
		seen = tail;
#endif
#ifdef LATE_BELL
		bell = 0;
#endif
#ifndef NO_SECOND_LOOK
		if
		:: seen != mine -> goto again
		:: mine == ENTRIES -> break
		:: else -> skip
		fi;
#endif
		bell; /* sleeps */
#ifndef LATE_BELL
		bell = 0;
#endif
again:		skip
	od
}
