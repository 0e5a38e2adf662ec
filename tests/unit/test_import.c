/* Imports of more than one batch: what happens between them. */
#include "cli/import.h"

#include "book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>

enum {
	PATHS = 2 * IMPORT_BATCH + 7,
};

struct scene {
	struct book *book;
	struct cancel *cancel;
	struct paths paths;
	size_t cancel_at; /* WATs; 0: never */
	size_t last_done;
	int calls;
};

static void add_path(struct paths *paths, const char *url)
{
	OK(paths_add(paths, slice_of(url), NULL));
}

static void begin_scene(struct scene *s, struct book *book)
{
	*s = (struct scene){.book = book};
	OK(cancel_new(&s->cancel, NULL));
	paths_init(&s->paths);
	for (int k = 0; k < PATHS; k++) {
		char url[64];
		/* The book has the first ones. */
		(void)snprintf(url, sizeof(url), "https://x/%d.wat.gz", k);
		add_path(&s->paths, url);
	}
}

static void end_scene(struct scene *s)
{
	paths_fini(&s->paths);
	cancel_free(s->cancel);
}

/* Another process's turn. */
static void on_progress(void *arg, size_t done, size_t total)
{
	struct scene *s = arg;
	struct store *other;
	struct worker w;
	assert_int_equal(total, s->paths.count);
	assert_true(done > s->last_done && done <= total);
	OK(store_open(&other, s->book->uri, NULL));
	OK(store_worker_new(other, &w, SLICE("ann"), WORKER_HYBRID, 1, 1,
			    NULL));
	store_close(other);
	s->last_done = done;
	s->calls++;
	if (done == s->cancel_at)
		cancel_set(s->cancel);
}

static int run(struct scene *s, struct import *im, struct cah_error *err)
{
	*im = (struct import){.store = s->book->store,
			      .paths = &s->paths,
			      .cancel = s->cancel,
			      .progress = on_progress,
			      .arg = s};
	return import_run(im, err);
}

static void import__lets_others_in_between_batches(void **state)
{
	struct scene s;
	struct import im;
	begin_scene(&s, *state);
	OK(run(&s, &im, NULL));
	assert_int_equal(s.calls, 3);
	assert_int_equal(s.last_done, PATHS);
	assert_int_equal(im.there, 2 * WATS);
	assert_int_equal(im.added, 2 * (PATHS - WATS));
	book_states(s.book, 2 * PATHS, 0, 0, 0, 0);
	end_scene(&s);
}

static void import__that_was_stopped_goes_on(void **state)
{
	struct scene s;
	struct import im;
	struct cah_error err;
	begin_scene(&s, *state);
	s.cancel_at = IMPORT_BATCH;
	assert_int_equal(run(&s, &im, &err), CAH_ECANCELLED);
	assert_string_equal(err.text,
			    "stopped with 10000 of 20007 WATs in the book");
	book_states(s.book, 2 * IMPORT_BATCH, 0, 0, 0, 0);

	end_scene(&s);
	begin_scene(&s, *state);
	OK(run(&s, &im, NULL));
	assert_int_equal(im.there, 2 * IMPORT_BATCH);
	book_states(s.book, 2 * PATHS, 0, 0, 0, 0);
	struct job last = book_job(s.book, 2 * PATHS);
	assert_string_equal(last.url, "https://x/20006.wat.gz");
	end_scene(&s);
}

static void import__leaves_no_part_of_a_batch(void **state)
{
	struct scene s;
	struct import im;
	struct cah_error err;
	begin_scene(&s, *state);
	add_path(&s.paths, "\xff");
	assert_int_equal(run(&s, &im, &err), CAH_EINVALID);
	assert_non_null(strstr(err.text, "20000 of 20008 WATs"));
	assert_int_equal(im.added, 2 * (2 * IMPORT_BATCH - WATS));
	book_states(s.book, 4 * IMPORT_BATCH, 0, 0, 0, 0);
	end_scene(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(import__lets_others_in_between_batches),
		TEST(import__that_was_stopped_goes_on),
		TEST(import__leaves_no_part_of_a_batch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
