/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wake-ups of a data queue, as a model for spin: publish, peek, consume and reserve of
 * data_queue.c, and sides that sleep until they are told. `make model`.
 *
 * An entry is its number, a position a count, and there is room for ROOM of them. Each side has a
 * store buffer of one word, as a CPU of the kind that we run on: what it stores is its own at once
 * and the other's some time later. A seq_cst store waits until the buffer is empty, a release store
 * does not: WEAK_TAIL, WEAK_HEAD and WEAK_ASK make one of them a release store. Each of these must
 * be found wrong.
 *
 * Entries come in order, none twice, none is lost (the assertions), and nobody sleeps for ever while
 * there is something for it (an invalid end state).
 */
#define ENTRIES 4
#define ROOM	2

byte head, tail; /* as the other side sees them */
bit asked;	 /* the byte by which the producer asks for room */
byte ring[ROOM];
bit data_told, room_told; /* what the sleepers sleep on */

/* Of the producer, then of the consumer: the buffers. */
bit tail_held, ask_held, head_held;
byte tail_new, head_new;

active proctype buffers()
{
end:	do
	:: atomic { tail_held -> tail = tail_new; tail_held = 0 }
	:: atomic { ask_held -> asked = 1; ask_held = 0 }
	:: atomic { head_held -> head = head_new; head_held = 0 }
	od
}

active proctype producer()
{
	byte mine, from, seen;

	do
	:: mine == ENTRIES -> break
	:: else ->
		seen = head;
		if
		:: mine - seen < ROOM -> skip
		:: else ->
#ifdef WEAK_ASK
			ask_held = 1;
#else
			asked = 1;
#endif
			seen = head;
			if
			:: mine - seen < ROOM ->
				atomic { ask_held = 0; asked = 0 }
			:: else ->
				atomic { room_told -> room_told = 0 } /* sleeps */
				goto again
			fi
		fi;
		ring[mine % ROOM] = mine;
		from = mine;
		mine++;
#ifdef WEAK_TAIL
		atomic { !tail_held -> tail_new = mine; tail_held = 1 }
#else
		tail = mine;
#endif
		seen = head;
		if
		:: seen == from -> data_told = 1
		:: else -> skip
		fi;
again:		skip
	od
}

active proctype consumer()
{
	byte mine, seen;
	bit answer;

	do
	:: mine == ENTRIES -> break
	:: else ->
		seen = tail;
		if
		:: seen == mine ->
			atomic { data_told -> data_told = 0 } /* sleeps */
		:: else ->
			assert(seen > mine && seen - mine <= ROOM);
			assert(ring[mine % ROOM] == mine);
			mine++;
#ifdef WEAK_HEAD
			atomic { !head_held -> head_new = mine; head_held = 1 }
#else
			head = mine;
#endif
			atomic { answer = asked; asked = 0 }
			if
			:: answer -> room_told = 1
			:: else -> skip
			fi
		fi
	od
}
