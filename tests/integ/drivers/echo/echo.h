/* SPDX-License-Identifier: Apache-2.0 */
/* The test driver Echo: what its methods are. */
#ifndef TESTS_INTEG_ECHO_H
#define TESTS_INTEG_ECHO_H

enum echo_method {
	ECHO_ECHO = 0,	   /* scalars and structure come back as they are */
	ECHO_COMPLETE = 1, /* async: one completion with the scalars as arguments */
	ECHO_HANG = 2,	   /* never returns; async: completes first */
	ECHO_CLIENTS = 3,  /* scalar 0 out: user clients that are started and not stopped */
	ECHO_FILL = 4,	   /* scalar 0 in: a byte that the memory of type 0 is filled with */
	ECHO_CRASH = 5,	   /* the driver aborts */
	ECHO_KEEP = 6, /* keeps the large output structure, else the large input, mapped; scalar 0
			  out: its length */
	ECHO_POKE = 7, /* scalars in: offset, byte; writes it into what was kept */
	ECHO_PEEK = 8, /* scalar in: offset; out: the byte there */
	ECHO_BACK = 9, /* a large structure comes back as one of its length */
	ECHO_CHILDREN = 10, /* scalar in: how many services EchoChild there are from now on */
	ECHO_SET = 11,	    /* scalar in: sets the service's property EchoNumber */
	ECHO_END = 12, /* async: the service terminates itself. scalar in: completions that the user
			 client's Stop sends, once the memory's first byte is ECHO_GO */
	/* Structure in: {address, length} each; scalar in: options. Keeps the app's memory there,
	 * mapped; scalar 0 out: its length. */
	ECHO_CLIENT_MEMORY = 13,
	/* The same with one segment: scalars in: options, address, length; with
	 * ECHO_CLIENT_BESIDE in the options it begins a byte later. */
	ECHO_CLIENT_RANGE = 14,
	ECHO_SET_KINDS = 15, /* sets properties of the service of every kind that there is */
	/* Scalars in: how many lines it writes to its standard error, and of enum echo_talk. */
	ECHO_TALK = 16,
	ECHO_WAIT = 17,	    /* returns once the memory's first byte is ECHO_GO */
	ECHO_NONSENSE = 18, /* to each app that has opened it: what is no packet */
};

/* Of ECHO_TALK. */
enum echo_talk {
	ECHO_TALK_ENDS = 0, /* the method returns */
	ECHO_TALK_SEGV = 1, /* by a null pointer, in echo_fall, called by echo_stumble */
	ECHO_TALK_ABORT = 2,
	ECHO_TALK_ILL = 3,
	ECHO_TALK_FPE = 4,
	ECHO_TALK_BUS = 5,
	ECHO_TALK_RECURSE = 6, /* until the stack is used up, in echo_recurse */
	ECHO_TALK_EXIT = 7,    /* with status 0, as if all were well */
};

/* The personality's number EchoStart: what Start does. */
enum echo_start {
	ECHO_START_REGISTERS = 0,
	ECHO_START_FAILS = 1,
	ECHO_START_SILENT = 2,	    /* success without RegisterService */
	ECHO_START_HANGS_LATER = 3, /* registers; its Stop never returns */
	ECHO_START_CRASHES = 4,
};

/* Memory: type 0 is ECHO_MEMORY_SIZE bytes for reading and writing. */
#define ECHO_TYPE_READ_ONLY 1 /* ECHO_READ_ONLY_SIZE times ECHO_READ_ONLY_BYTE */
#define ECHO_TYPE_NEW	    2 /* a byte, another one each time */
#define ECHO_READ_ONLY_SIZE 65536u
#define ECHO_READ_ONLY_BYTE 0x5a

/* Keys that its SetProperties knows; the service merges all others. */
#define ECHO_SET_REFUSE "EchoRefuse" /* of the service: kIOReturnNotPermitted */
#define ECHO_SET_HANG	"EchoHang"   /* of the service: never returns */
#define ECHO_SET_FILL	"EchoFill"   /* of the user client: as ECHO_FILL; it knows no other */

#define ECHO_CHILDREN_MAX  16
#define ECHO_GO		   0x47
#define ECHO_MEMORY_SIZE   10000 /* of type 0 */
#define ECHO_CLIENT_BESIDE 0x100000

#endif
