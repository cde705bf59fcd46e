/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The full screen; see top.h. One thread: it waits for a key until the next look is due. A look may
 * wait for the registry, so signals do not wait for the loop: their handler gives the terminal back
 * by itself, with what only needs write and tcsetattr, and lets the signal do what it would have
 * done. Ctrl-Z and changes of the size are handled by ncurses.
 */
#include "top.h"

#include "dext.h"

#include "ask.h"
#include "clock.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#define HEAD_LINES 2 /* title and heading; one more at the bottom */

/* --- the terminal, given back --- */

static const int fatal_signals[] = {SIGTERM, SIGINT,  SIGHUP, SIGQUIT, SIGPIPE,
				    SIGABRT, SIGSEGV, SIGBUS, SIGILL,  SIGFPE};

static struct {
	struct termios before;
	char bytes[256]; /* what ends the full screen */
	size_t length;
} terminal;

static int
keep_byte(int byte)
{
	if (terminal.length < sizeof(terminal.bytes))
		terminal.bytes[terminal.length++] = (char)byte;
	return byte;
}

static void
keep_capability(const char *name)
{
	const char *text = tigetstr((char *)(uintptr_t)name);

	if (text != NULL && text != (const char *)-1)
		tputs(text, 1, keep_byte);
}

static void
on_fatal(int number)
{
	ssize_t ignored = write(STDOUT_FILENO, terminal.bytes, terminal.length);

	(void)ignored;
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
	signal(number, SIG_DFL);
	raise(number);
}

static void
catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_fatal, .sa_flags = SA_NODEFER}, before;

	keep_capability("sgr0");
	keep_capability("cnorm");
	keep_capability("rmkx");
	keep_capability("rmcup");
	for (size_t i = 0; i < sizeof(fatal_signals) / sizeof(fatal_signals[0]); i++) {
		/* What was ignored stays so: nohup, a shell's background. */
		if (sigaction(fatal_signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(fatal_signals[i], &action, NULL);
	}
}

static void
leave_signals(void)
{
	for (size_t i = 0; i < sizeof(fatal_signals) / sizeof(fatal_signals[0]); i++)
		signal(fatal_signals[i], SIG_DFL);
}

/* --- what is drawn --- */

struct screen {
	struct top *top;
	double interval;
	enum top_sort sort;
	bool paused, help, color;
	size_t first; /* row at the top */
	attr_t strong;
};

static void
draw_line(int y, attr_t attributes, const char *line)
{
	attrset(attributes);
	mvaddstr(y, 0, line);
	/* To the right edge, where the attribute is seen. */
	for (int x = getcurx(stdscr); (attributes & A_REVERSE) != 0 && x < COLS && x > 0; x++)
		addch(' ');
	attrset(A_NORMAL);
}

static void
draw_rows(struct screen *screen)
{
	size_t count = 0, room = LINES > HEAD_LINES + 1 ? (size_t)(LINES - HEAD_LINES - 1) : 0;
	struct top_row *rows = top_rows(screen->top, screen->sort, &count);
	char line[TOP_LINE_MAX];

	if (rows == NULL)
		return;
	if (screen->first + room > count)
		screen->first = count > room ? count - room : 0;
	for (size_t i = 0; i < room && screen->first + i < count; i++) {
		const struct top_row *row = &rows[screen->first + i];
		bool fails = strcmp(row->driver->state, "running") != 0 ||
			     row->driver->view == TOP_REFUSED;

		top_line(screen->top, row, (unsigned)COLS, line);
		draw_line((int)i + HEAD_LINES,
			  row->place != NULL	   ? A_NORMAL
			  : fails && screen->color ? screen->strong | COLOR_PAIR(1)
						   : screen->strong,
			  line);
	}
	if (count == 0 && room > 0)
		draw_line(HEAD_LINES, A_NORMAL,
			  screen->top->no_registry ? "no registry listens; looking for one"
						   : "no driver runs yet");
	free(rows);
}

static void
draw_foot(const struct screen *screen)
{
	char line[TOP_LINE_MAX];

	if (screen->help)
		snprintf(line, sizeof(line),
			 "q end  p pause  sort: b bytes c calls u cpu "
			 "l latency n name  +/- interval  arrows scroll");
	else
		snprintf(line, sizeof(line), "every %g s, by %s%s   q: end, h: keys",
			 screen->interval, top_sort_names[screen->sort],
			 screen->paused ? ", PAUSED" : "");
	line[COLS > 0 && (size_t)COLS < sizeof(line) ? COLS - 1 : 0] = '\0';
	if (LINES > HEAD_LINES)
		draw_line(LINES - 1, A_NORMAL, line);
}

static void
draw(struct screen *screen)
{
	char line[TOP_LINE_MAX];

	erase();
	top_title(screen->top, (unsigned)COLS, line);
	draw_line(0, screen->strong, line);
	if (LINES > 1) {
		top_heading((unsigned)COLS, line);
		draw_line(1, A_REVERSE, line);
	}
	draw_rows(screen);
	draw_foot(screen);
	refresh();
}

/* --- what is done --- */

static void
look(struct screen *screen)
{
	char where[256];

	if (screen->top->ask == NULL && ask_try(where, sizeof(where)) &&
	    !ask_open("top", &screen->top->ask))
		return;
	top_look(screen->top);
}

/* Of a key; false: it ends. */
static bool
take_key(struct screen *screen, int key)
{
	static const char sort_keys[TOP_SORTS] = {'b', 'c', 'u', 'l', 'n'};

	for (unsigned i = 0; i < TOP_SORTS; i++) {
		if (key == sort_keys[i])
			screen->sort = (enum top_sort)i;
	}
	switch (key) {
	case 'q':
		return false;
	case 'p':
	case ' ':
		screen->paused = !screen->paused;
		break;
	case 'h':
	case '?':
		screen->help = !screen->help;
		break;
	case '+':
		screen->interval *= screen->interval < 1800 ? 2 : 1;
		break;
	case '-':
		screen->interval /= screen->interval >= 0.2 ? 2 : 1;
		break;
	case KEY_RESIZE:
	case 'L' - '@': /* Ctrl-L */
		clearok(curscr, TRUE);
		break;
	case KEY_UP:
		screen->first -= screen->first > 0;
		break;
	case KEY_DOWN:
		screen->first++;
		break;
	case KEY_PPAGE:
		screen->first -= screen->first < (size_t)LINES ? screen->first : (size_t)LINES;
		break;
	case KEY_NPAGE:
		screen->first += (size_t)LINES;
		break;
	default:
		break;
	}
	return true;
}

/* Until a key, another size, or the next look. False: the terminal has gone. */
static bool
wait_for_key(uint64_t until)
{
	struct pollfd poller = {.fd = STDIN_FILENO, .events = POLLIN};
	uint64_t now = clock_now();
	int wait = until > now ? (int)((until - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC) : 0;

	if (poll(&poller, 1, wait) < 0)
		return errno == EINTR;
	return (poller.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

static void
run(struct screen *screen)
{
	uint64_t step = (uint64_t)(screen->interval * 1e9), next = clock_now();
	int key;

	/* The first figures soon: rates need two looks. */
	next += step < NSEC_PER_SEC / 2 ? step : NSEC_PER_SEC / 2;
	for (;;) {
		draw(screen);
		if (!wait_for_key(next))
			return;
		while ((key = getch()) != ERR) {
			if (!take_key(screen, key))
				return;
			step = (uint64_t)(screen->interval * 1e9);
			if (next > clock_now() + step)
				next = clock_now() + step;
		}
		if (clock_now() < next)
			continue;
		if (!screen->paused)
			look(screen);
		next = clock_now() + step;
	}
}

int
top_screen(struct top *top, double interval, enum top_sort sort)
{
	bool plain = getenv("NO_COLOR") != NULL;
	struct screen screen = {.top = top, .interval = interval, .sort = sort};
	SCREEN *made;

	if (tcgetattr(STDIN_FILENO, &terminal.before) < 0)
		return usage_error("top", "this is no terminal; --once and --batch need none");
	made = newterm(NULL, stdout, stdin);
	if (made == NULL)
		return usage_error("top",
				   "the terminal '%s' is not known; --once and --batch need none",
				   getenv("TERM") != NULL ? getenv("TERM") : "");
	catch_signals();
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	curs_set(0);
	screen.strong = plain ? A_NORMAL : A_BOLD;
	if (!plain && has_colors() && start_color() == OK) {
		use_default_colors();
		screen.color = init_pair(1, COLOR_RED, -1) == OK;
	}
	run(&screen);
	endwin();
	leave_signals();
	delscreen(made);
	return DEXT_EXIT_OK;
}
