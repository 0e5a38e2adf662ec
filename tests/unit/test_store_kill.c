/* The store against kill -9: what was acknowledged must be there. */
#include "store/sqlite.h"

#include "book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	KILLS = 8,
};

/* Says through @fd what was acknowledged: a number is a job taken, the same
 * negative is the job finished. */
static void work_for_ever(const char *uri, int fd)
{
	struct store *store;
	struct worker w;
	struct job job;
	if (store_open(&store, uri, NULL) != CAH_OK ||
	    store_worker_new(store, &w, SLICE("k"), WORKER_HYBRID, 1, 1,
			     NULL) != CAH_OK)
		_exit(1);
	for (;;) {
		if (store_job_take(store, &job, slice_of(w.token), w.type, 1, 1,
				   NULL) != CAH_OK)
			_exit(2);
		int64_t said = job.number;
		if (write(fd, &said, sizeof(said)) != sizeof(said))
			_exit(3);
		if (store_job_finish(store, slice_of(w.token), w.type,
				     job.number, SLICE(""), 1, 1,
				     NULL) != CAH_OK)
			_exit(4);
		said = -said;
		if (write(fd, &said, sizeof(said)) != sizeof(said))
			_exit(3);
	}
}

/* Reads what the child said, kills it after @count words; what it said until
 * it was dead counts too. */
static int64_t listen_and_kill(struct book *b, int count, int64_t *last)
{
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(pipes[0]);
		work_for_ever(b->uri, pipes[1]);
	}
	close(pipes[1]);
	int64_t said, finished = 0;
	*last = 0;
	for (int i = 0; read(pipes[0], &said, sizeof(said)) == sizeof(said);
	     i++) {
		if (i == count)
			kill(pid, SIGKILL);
		*last = said;
		finished += said < 0;
	}
	int status;
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return finished;
}

static void store__keeps_what_it_acknowledged_over_kill_9(void **state)
{
	struct book *b = *state;
	int64_t finished = 0, last;
	book_add_wats(b->store, 4000);
	store_close(b->store);
	b->store = NULL;
	for (int i = 0; i < KILLS; i++) {
		finished += listen_and_kill(b, 10 + 37 * i, &last);
		book_wait_alone(b, 0);
		OK(store_open(&b->store, b->uri, NULL));
		struct store_counts c = book_counts(b);
		/* What was in flight may have happened, or not. */
		int64_t more = c.jobs[JOB_DONE] - finished;
		assert_in_range(more, 0, 1);
		finished = c.jobs[JOB_DONE];
		struct job job = book_job(b, last < 0 ? -last : last);
		assert_int_equal(job.pairs == job.number,
				 job.state == JOB_DONE);
		assert_true(job.state == JOB_DONE ||
			    (last > 0 && job.state == JOB_LEASED));
		/* The dead one's lease goes with it. */
		int64_t count;
		OK(store_sweep(b->store, 10, 1, &count, NULL));
		assert_int_equal(count, 1);
		assert_int_equal(book_counts(b).jobs[JOB_LEASED], 0);
		store_close(b->store);
		b->store = NULL;
	}
	assert_true(finished > KILLS * 5);
	book_recount(book_path_of(b));
}

static void import_half(const char *uri, int fd)
{
	struct store *store;
	bool is_added;
	if (store_open(&store, uri, NULL) != CAH_OK)
		_exit(1);
	/* More than the page cache holds, so that some is in the file. */
	if (!book_is_pg(uri))
		(void)sqlite3_exec(sqlite_of(store)->db,
				   "PRAGMA cache_size = 10", NULL, NULL, NULL);
	if (store_import_begin(store, NULL) != CAH_OK)
		_exit(1);
	for (int k = 0; k < 1000; k++) {
		char url[STORE_URL_MAX];
		int len = snprintf(url, sizeof(url), "https://y/%1000d", k);
		memset(url + 10, '0', 980);
		if (store_import_add(store, (struct slice){url, (size_t)len},
				     &is_added, NULL) != CAH_OK)
			_exit(2);
	}
	if (write(fd, "i", 1) != 1)
		_exit(3);
	pause();
}

static void import__that_is_killed_leaves_nothing(void **state)
{
	struct book *b = *state;
	int pipes[2];
	char byte;
	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0)
		import_half(b->uri, pipes[1]);
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	book_reopen(b);
	book_states(b, 2 * WATS, 0, 0, 0, 0);
	book_recount(book_path_of(b));
	assert_int_equal(book_add_wats(b->store, WATS + 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(store__keeps_what_it_acknowledged_over_kill_9),
		TEST(import__that_is_killed_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
