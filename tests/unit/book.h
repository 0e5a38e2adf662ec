/* book.h: for the tests of the store: each has a folder of its own with a new
 * book of five WATs in it, and short names for the calls. Where
 * CAH_TEST_POSTGRES is the URI of a database (tests/system/postgres.py), the
 * book is a schema in that. */
#ifndef BOOK_H
#define BOOK_H

#include "store/store.h"

enum {
	WATS = 5,
};

struct book {
	char dir[64];
	char schema[16]; /* "": SQLite */
	char server[128];
	char uri[256]; /* sqlite:PATH or postgresql://... */
	struct store *store;
};

#define OK(call) assert_int_equal((call), CAH_OK)

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, book_setup, book_teardown)

/* For what is true of files only. */
#define TEST_SQLITE(name) \
	cmocka_unit_test_setup_teardown(name, book_setup_sqlite, book_teardown)

int book_setup(void **state);
int book_setup_sqlite(void **state);
int book_teardown(void **state);
void book_reopen(struct book *b);
const char *book_path_of(const struct book *b);

/* Imports https://x/K.wat.gz for K from 0; returns how many were new. */
int book_add_wats(struct store *store, int count);

/* At 100 s, or 1000 s of the wall's clock: */
struct worker book_worker(struct book *b, enum worker_type type,
			  const char *nickname);
int book_take(struct book *b, const struct worker *w, int64_t *number);
void book_take_job(struct book *b, const struct worker *w, int64_t expected);
int book_finish(struct book *b, const struct worker *w, int64_t pairs,
		const char *url);
struct job book_job(struct book *b, int64_t number);
struct store_counts book_counts(struct book *b);

/* The job counts are these. */
void book_states(struct book *b, int open, int leased, int gpu_open,
		 int gpu_leased, int done);

/* The leaderboard as text: "name jobs pairs, ..."; until the next call. */
const char *book_board(struct book *b, bool is_cpu);

/* The file, or the URI of a database. */
bool book_is_pg(const char *path);

/* Waits until whoever was killed is gone from the database, too, and @count are
 * left. */
void book_wait_alone(const struct book *b, int count);

/* What another program does to it. */
void book_run_sql(const char *path, const char *sql);
int64_t book_ask_sql(const char *path, const char *sql);

/* Fails where what the book keeps is not what SQL counts. */
void book_recount(const char *path);

#endif
