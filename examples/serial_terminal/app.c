/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal on an FTDI adapter: what is typed goes out, what comes in is shown. See README.md.
 *
 *	dext run drivers/ftdi/ftdi.dext --virtual ftdi -- \
 *		examples/serial_terminal/serial_terminal --baud 115200
 *
 * The main thread runs the run loop, on which received bytes and the ends of sends arrive. A second
 * one reads standard input, because read blocks.
 */
#include <CoreFoundation/CoreFoundation.h>

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "port.h"

#define QUIT	 0x1d /* Ctrl-] */
#define STEP	 0.02 /* s */
#define EMPTY_IN 2.0  /* s: not every adapter says when it is empty */

static struct termios before; /* of the terminal */
static bool is_terminal;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool input_ended;

static void
restore_terminal(void)
{
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* Each key by itself, without an echo: that is the other end's. */
static void
make_raw(void)
{
	struct termios raw;

	is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	if (!is_terminal)
		return;
	raw = before;
	raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
	raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	atexit(restore_terminal);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fprintf(stderr, "Ctrl-] ends this.\n");
}

static void
end_input(void)
{
	pthread_mutex_lock(&lock);
	input_ended = true;
	pthread_mutex_unlock(&lock);
}

static bool
has_input_ended(void)
{
	bool result;

	pthread_mutex_lock(&lock);
	result = input_ended;
	pthread_mutex_unlock(&lock);
	return result;
}

static void *
read_input(void *context)
{
	uint8_t *buffer, *quit = NULL;

	while (quit == NULL && (buffer = port_get_buffer()) != NULL) {
		ssize_t length = read(STDIN_FILENO, buffer, FTDI_SEND_BYTES);

		if (length > 0 && is_terminal)
			quit = memchr(buffer, QUIT, (size_t)length);
		if (quit != NULL)
			length = quit - buffer;
		port_send(buffer, length > 0 ? (uint64_t)length : 0);
		if (length <= 0)
			break;
	}
	end_input();
	return context;
}

static void
run_for(double seconds)
{
	CFRunLoopRunInMode(kCFRunLoopDefaultMode, seconds, true);
}

/* All has been sent, and nothing has come for a while. */
static void
drain(double linger)
{
	CFAbsoluteTime end = CFAbsoluteTimeGetCurrent() + EMPTY_IN, quiet;
	uint64_t seen;

	while (!port_is_idle() && !port_has_failed())
		run_for(STEP);
	while (!port_is_empty() && CFAbsoluteTimeGetCurrent() < end && !port_has_failed())
		run_for(STEP);
	seen = port_received();
	quiet = CFAbsoluteTimeGetCurrent() + linger;
	while (CFAbsoluteTimeGetCurrent() < quiet && !port_has_failed()) {
		run_for(STEP);
		if (port_received() == seen)
			continue;
		seen = port_received();
		quiet = CFAbsoluteTimeGetCurrent() + linger;
	}
}

/* The place of `word` in a list that ends with NULL; ends the program if it is none of them. */
static unsigned
choose(const char *option, const char *word, const char *const *words)
{
	for (unsigned i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	fprintf(stderr, "serial_terminal: --%s is one of", option);
	for (unsigned i = 0; words[i] != NULL; i++)
		fprintf(stderr, " %s", words[i]);
	fprintf(stderr, "\n");
	exit(2);
}

static unsigned long
number(const char *option, const char *word)
{
	char *end;
	unsigned long value = strtoul(word, &end, 10);

	if (word[0] >= '0' && word[0] <= '9' && *end == '\0')
		return value;
	fprintf(stderr, "serial_terminal: --%s is a number\n", option);
	exit(2);
}

static const char help[] =
	"usage: serial_terminal [--baud N] [--data 7|8] [--parity none|odd|even|mark|space]\n"
	"                       [--stop 1|1.5|2] [--flow none|rtscts|dtrdsr|xonxoff]\n"
	"                       [--linger MS]\n";

static void
parse(int argc, char **argv, struct line *line, double *linger)
{
	static const char *const data[] = {"7", "8", NULL};
	static const char *const parities[] = {"none", "odd", "even", "mark", "space", NULL};
	static const char *const stops[] = {"1", "1.5", "2", NULL};
	static const char *const flows[] = {"none", "rtscts", "dtrdsr", "xonxoff", NULL};
	static const struct option options[] = {
		{"baud", required_argument, NULL, 'b'},	  {"data", required_argument, NULL, 'd'},
		{"parity", required_argument, NULL, 'p'}, {"stop", required_argument, NULL, 's'},
		{"flow", required_argument, NULL, 'f'},	  {"linger", required_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'b')
			line->baud = number("baud", optarg);
		else if (option == 'd')
			line->data_bits = 7 + choose("data", optarg, data);
		else if (option == 'p')
			line->parity = (enum ftdi_parity)choose("parity", optarg, parities);
		else if (option == 's')
			line->stop = (enum ftdi_stop)choose("stop", optarg, stops);
		else if (option == 'f')
			line->flow = (enum ftdi_flow)choose("flow", optarg, flows);
		else if (option == 'l')
			*linger = (double)number("linger", optarg) / 1000;
		else
			break;
	}
	if (option == -1 && optind == argc)
		return;
	fputs(help, option == 'h' ? stdout : stderr);
	exit(option == 'h' ? 0 : 2);
}

int
main(int argc, char **argv)
{
	struct line line = {.baud = 115200, .data_bits = 8};
	double linger = 0.2;
	pthread_t reader;

	parse(argc, argv, &line, &linger);
	if (!port_open(&line))
		return 1;
	make_raw();
	if (pthread_create(&reader, NULL, read_input, NULL) != 0)
		return 1;
	while (!has_input_ended() && !port_has_failed())
		run_for(STEP);
	drain(is_terminal ? 0 : linger);
	if (port_has_failed())
		exit(1); /* the reader may wait for a key */
	pthread_join(reader, NULL);
	port_close();
	return 0;
}
