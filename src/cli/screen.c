/* Sources: ECMA-48 (cursor, erasing), xterm's "ctlseqs" (private modes 25 and
 * 1049), termios(3). Every terminal since the nineties knows these few, so no
 * terminal database is asked. */
#include "cli/screen.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum {
	COLUMNS_DEFAULT = 80,
	ROWS_DEFAULT = 24,
};

#define ENTER "\x1b[?1049h\x1b[?25l\x1b[2J"
#define LEAVE "\x1b[?25h\x1b[?1049l"
#define HOME "\x1b[H"
#define ERASE_LINE "\x1b[K"
#define ERASE_BELOW "\x1b[J"

/* A signal handler has no argument, and there is but one terminal. */
static struct {
	struct cancel *cancel;
	bool has_keys; /* standard input is a terminal */
	struct termios old;
	volatile sig_atomic_t is_resized;
	volatile sig_atomic_t is_stopping;
	struct sigaction old_int, old_term, old_hup, old_winch, old_stop;
} screen;

/* False where the terminal has gone. Async-signal-safe. */
static bool put(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static void enter(void)
{
	screen.has_keys = isatty(STDIN_FILENO) != 0 &&
			  tcgetattr(STDIN_FILENO, &screen.old) == 0;
	if (screen.has_keys) {
		struct termios quiet = screen.old;
		quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
	}
	(void)put(ENTER, sizeof(ENTER) - 1);
}

/* Async-signal-safe. */
static void leave(void)
{
	(void)put(LEAVE, sizeof(LEAVE) - 1);
	if (screen.has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &screen.old);
}

static void on_end(int number)
{
	if (cancel_is_set(screen.cancel)) {
		leave();
		_exit(128 + number);
	}
	cancel_set(screen.cancel);
}

static void on_resize(int number)
{
	(void)number;
	screen.is_resized = 1;
}

static void on_stop(int number)
{
	(void)number;
	screen.is_stopping = 1;
}

void screen_open(struct cancel *cancel)
{
	screen.cancel = cancel;
	screen.is_resized = 0;
	screen.is_stopping = 0;
	/* Without SA_RESTART: each ends the wait for keys. */
	struct sigaction action = {.sa_handler = on_end};
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, &screen.old_int);
	sigaction(SIGTERM, &action, &screen.old_term);
	sigaction(SIGHUP, &action, &screen.old_hup);
	action.sa_handler = on_resize;
	sigaction(SIGWINCH, &action, &screen.old_winch);
	action.sa_handler = on_stop;
	sigaction(SIGTSTP, &action, &screen.old_stop);
	enter();
}

void screen_close(void)
{
	leave();
	sigaction(SIGINT, &screen.old_int, NULL);
	sigaction(SIGTERM, &screen.old_term, NULL);
	sigaction(SIGHUP, &screen.old_hup, NULL);
	sigaction(SIGWINCH, &screen.old_winch, NULL);
	sigaction(SIGTSTP, &screen.old_stop, NULL);
}

void screen_size(int *columns, int *rows)
{
	struct winsize size;
	*columns = COLUMNS_DEFAULT;
	*rows = ROWS_DEFAULT;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return;
	if (size.ws_col > 0)
		*columns = size.ws_col;
	if (size.ws_row > 0)
		*rows = size.ws_row;
}

bool screen_draw(struct slice lines)
{
	int columns, rows;
	screen_size(&columns, &rows);
	bool is_there = put(HOME, sizeof(HOME) - 1);
	for (int i = 0; i < rows && lines.len > 0 && is_there; i++) {
		const char *end = memchr(lines.data, '\n', lines.len);
		size_t len =
			end != NULL ? (size_t)(end - lines.data) : lines.len;
		/* What went before is erased first: after the last column of a
		 * line it would take that column along. */
		is_there = (i == 0 || put("\r\n", 2)) &&
			   put(ERASE_LINE, sizeof(ERASE_LINE) - 1) &&
			   put(lines.data, len);
		lines = slice_from(lines, end != NULL ? len + 1 : len);
		/* After the last row there is none to erase. */
		if (lines.len == 0 && i + 1 < rows)
			is_there = is_there && put("\r\n", 2) &&
				   put(ERASE_BELOW, sizeof(ERASE_BELOW) - 1);
	}
	return is_there;
}

/* The process stops as if it had never caught the signal. */
static void stop_and_go_on(void)
{
	screen.is_stopping = 0;
	leave();
	(void)raise(SIGSTOP);
	enter();
}

/* True for q, and where nothing more will come. */
static bool is_quit_typed(void)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
	if (n <= 0)
		return n == 0 || (errno != EINTR && errno != EAGAIN);
	return memchr(keys, 'q', (size_t)n) != NULL ||
	       memchr(keys, 'Q', (size_t)n) != NULL;
}

enum screen_event screen_wait(long ms)
{
	struct pollfd fds[] = {
		{.fd = cancel_fd(screen.cancel), .events = POLLIN},
		{.fd = screen.has_keys ? STDIN_FILENO : -1, .events = POLLIN},
	};
	int n = screen.is_resized || screen.is_stopping
			? 0
			: poll(fds, 2, ms < INT_MAX ? (int)ms : INT_MAX);
	if (cancel_is_set(screen.cancel))
		return SCREEN_QUIT;
	if (screen.is_stopping) {
		stop_and_go_on();
		return SCREEN_DRAW;
	}
	if (screen.is_resized) {
		screen.is_resized = 0;
		return SCREEN_DRAW;
	}
	if (n > 0 && fds[1].revents != 0)
		return is_quit_typed() ? SCREEN_QUIT : SCREEN_DRAW;
	return SCREEN_TIME;
}
