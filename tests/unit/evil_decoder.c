/* A decoder that somebody has taken over: a file that begins with "evil:" has
 * it do what stands behind, where the lock is on. What it may not do ends it;
 * what it may do, and should not, is told by an answer that is made up: the
 * file "evil:open" that could be opened comes back as a picture. */
#include "decode/message.h"
#include "decode/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	WHITE = 255,
	SIDE = 8,
	OLD = 4, /* pictures */
	FAR = 1 << 30,
	MADE = 16 * 16 * 3, /* bytes that the test asks for */
	FILE_MAX = 1 << 20, /* bytes of memory before them */
};

/* The questions come one by one from 1 on; the files carry no number. */
static uint64_t asked;
static char *memory; /* that is shared */

static void answer(struct message_answer answer)
{
	(void)!write(MESSAGE_SOCKET, &answer, sizeof(answer));
}

static struct message_answer good(void)
{
	return (struct message_answer){.number = asked,
				       .fate = CAH_FATE_KEPT,
				       .format = IMAGE_PNG,
				       .original_width = SIDE,
				       .original_height = SIDE,
				       .made_len = MADE};
}

/* Tells of a way out that was open. */
static void tell_if(bool is_out)
{
	if (is_out)
		answer(good());
}

static void open_file(void)
{
	tell_if(open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0);
}

static void make_file(void)
{
	tell_if(open("/tmp/cah-evil", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >=
		0);
}

static void make_socket(void)
{
	tell_if(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
}

static void run_program(void)
{
	char *argv[] = {(char *)"true", NULL};
	(void)execve("/bin/true", argv, environ);
	_exit(1);
}

static void make_process(void)
{
	tell_if(fork() >= 0);
}

static void kill_parent(void)
{
	tell_if(kill(getppid(), 0) == 0);
}

static void run_code(void)
{
	tell_if(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void stay_alive(void)
{
	tell_if(prctl(PR_SET_PDEATHSIG, 0) == 0);
}

/* Memory without end is refused, not given by taking others'. */
static void eat_memory(void)
{
	size_t eaten = 0;
	/* Volatile, so that no compiler leaves out what nobody reads. */
	char *volatile piece;
	while ((piece = malloc(FAR / 4)) != NULL) {
		memset(piece, WHITE, FAR / 64);
		eaten += FAR / 4;
		tell_if(eaten > 4UL * FAR);
	}
	_exit(1);
}

static void sleep_for_ever(void)
{
	for (;;)
		;
}

static void crash(void)
{
	(void)raise(SIGSEGV);
}

/* Volatile, so that no compiler sees it coming. */
static int *volatile nowhere;

static void crash_at_null(void)
{
	*nowhere = 1;
}

static void end(void)
{
	_exit(0);
}

static void lie_about_fate(void)
{
	struct message_answer a = good();
	a.fate = CAH_FATE_COUNT;
	answer(a);
}

static void lie_about_less(void)
{
	struct message_answer a = good();
	a.fate = -1;
	answer(a);
}

static void lie_about_format(void)
{
	struct message_answer a = good();
	a.format = FAR;
	answer(a);
}

static void lie_about_size(void)
{
	struct message_answer a = good();
	a.original_width = FAR;
	answer(a);
}

static void lie_about_nothing(void)
{
	struct message_answer a = good();
	a.original_height = 0;
	answer(a);
}

static void lie_about_length(void)
{
	struct message_answer a = good();
	a.made_len = (uint64_t)FAR * FAR;
	answer(a);
}

static void lie_about_less_length(void)
{
	struct message_answer a = good();
	a.made_len--;
	answer(a);
}

static void lie_about_exif(void)
{
	struct message_answer a = good();
	a.exif_len = a.made_len + 1;
	answer(a);
}

static void lie_about_long_exif(void)
{
	struct message_answer a = good();
	a.made_len = 2 * (uint64_t)IMAGE_EXIF_MAX;
	a.exif_len = (uint64_t)IMAGE_EXIF_MAX + 1;
	answer(a);
}

/* Such as ends a line of the log, or a text of JSON. */
static void lie_in_exif(void)
{
	struct message_answer a = good();
	a.exif_len = 3;
	memcpy(memory + FILE_MAX + MADE - a.exif_len, "{\n}", a.exif_len);
	answer(a);
}

/* An answer to the question that nobody has asked yet. */
static void answer_before(void)
{
	struct message_answer a = good();
	a.number++;
	answer(a);
}

static void answer_short(void)
{
	(void)!write(MESSAGE_SOCKET, "x", 1);
}

static void answer_long(void)
{
	char much[4096] = {0};
	(void)!write(MESSAGE_SOCKET, much, sizeof(much));
}

/* The second is found as the answer to what is asked next. */
static void answer_twice(void)
{
	answer(good());
	answer(good());
}

static void be_old(void)
{
	if (asked > OLD)
		_exit(1);
}

static const struct {
	const char *name;
	void (*run)(void);
} deeds[] = {
	{"open", open_file},
	{"create", make_file},
	{"socket", make_socket},
	{"exec", run_program},
	{"fork", make_process},
	{"kill", kill_parent},
	{"code", run_code},
	{"stay", stay_alive},
	{"memory", eat_memory},
	{"hang", sleep_for_ever},
	{"signal", crash},
	{"crash", crash_at_null},
	{"end", end},
	{"fate", lie_about_fate},
	{"less", lie_about_less},
	{"format", lie_about_format},
	{"size", lie_about_size},
	{"nothing", lie_about_nothing},
	{"length", lie_about_length},
	{"cut", lie_about_less_length},
	{"exif", lie_about_exif},
	{"much exif", lie_about_long_exif},
	{"exif lines", lie_in_exif},
	{"before", answer_before},
	{"short", answer_short},
	{"long", answer_long},
	{"twice", answer_twice},
	{"old", be_old},
};

static void on_file(struct slice file)
{
	struct slice mark = SLICE("evil:");
	asked++;
	memory = (char *)(uintptr_t)file.data;
	if (!slice_starts(file, mark))
		return;
	struct slice name = slice_from(file, mark.len);
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (slice_equal(name, slice_of(deeds[i].name)))
			deeds[i].run();
}

int main(int argc, char **argv)
{
	return serve(argc, argv, on_file);
}
