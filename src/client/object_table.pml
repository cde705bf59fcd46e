/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry of a connection in the table of objects, as a model for spin: object_enter, leave,
 * close_entry, object_release and add_locked of object_table.c. `make model`.
 *
 * CALLERS call by names that they may have known for long: each one tries any name, twice. One
 * thread opens connections in the one entry that there is and closes them, NAMES times; it waits
 * until the entry is free, as it is for it to be given again. The word `calls` is its two halves, and
 * each step on it is one.
 *
 * NO_NAME goes on with whatever connection is there. NO_CLAIM closes the entry without looking
 * whether somebody else has come or does so, too. EARLY gives the entry away when the name goes.
 * SHORT closes without being counted, and leaves the entry to the calls. Each of these must be found
 * wrong.
 *
 * Who has entered has the connection of his name, which stays until he leaves; each connection ends
 * once (the assertions), and each entry is free again (an invalid end state).
 */
#define CALLERS	  2
#define NAMES	  2
#define NOT_NAMED 0
#define CLOSING	  99

byte name, count;	/* `calls` */
byte connection;	/* of the entry: the name that it was opened with; 0: none */
byte ends[NAMES + 1];
bit free = 1;

inline close_entry()
{
	atomic {
#ifdef NO_CLAIM
		claimed = 1;
#else
		claimed = (name == CLOSING && count == 0);
#endif
		if
		:: claimed -> name = NOT_NAMED
		:: else -> skip
		fi
	}
	if
	:: claimed ->
		last = connection;
		connection = 0;
		free = 1;
		assert(last != 0 && ends[last] == 0);
		ends[last]++
	:: else -> skip
	fi
}

inline leave()
{
	atomic { count--; claimed = (name == CLOSING && count == 0) }
	if
	:: claimed -> close_entry()
	:: else -> skip
	fi
}

proctype caller()
{
	byte mine, got, last, turn;
	bit claimed, found;

	do
	:: turn == 2 -> break
	:: else ->
		turn++;
		if
		:: mine = 1
		:: mine = 2
		fi;
#ifdef NO_NAME
		atomic { found = (name != NOT_NAMED); count++ }
#else
		atomic { found = (name == mine); count++ }
#endif
		if
		:: found ->
			got = connection;
			assert(got == mine);
			assert(ends[got] == 0)
		:: else -> skip
		fi;
		leave()
	od
}

proctype owner()
{
	byte next = 1, last;
	bit claimed;

	do
	:: next > NAMES -> break
	:: else ->
		free == 1;
		free = 0;
		assert(connection == 0);
		connection = next;
		name = name + next; /* where NOT_NAMED was */
#ifdef SHORT
		name = CLOSING;
#else
		atomic { name = CLOSING; count++ }
#ifdef EARLY
		connection = 0;
		free = 1;
#endif
		leave();
#endif
		next++
	od;
	free && ends[1] == 1 && ends[2] == 1
}

init
{
	atomic {
		byte i;
		for (i : 1 .. CALLERS) { run caller() }
		run owner()
	}
}
