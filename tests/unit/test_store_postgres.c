/* What is true of books in PostgreSQL only: two trackers, their clock, and a
 * connection that is lost. */
#include "store/pg.h"

#include "book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct store *other_of(struct book *b)
{
	struct store *other;
	OK(store_open(&other, b->uri, NULL));
	OK(store_claim(other, NULL));
	return other;
}

/* ---- slots and the clock ---- */

static void claim__gives_each_tracker_a_slot(void **state)
{
	struct book *b = *state;
	OK(store_claim(b->store, NULL));
	struct store *other = other_of(b);
	assert_int_equal(pg_of(b->store)->slot, 1);
	assert_int_equal(pg_of(other)->slot, 2);
	struct worker ann;
	OK(store_worker_new(other, &ann, SLICE("ann"), WORKER_HYBRID, 1, 1,
			    NULL));
	assert_int_equal(book_counts(b).workers[WORKER_HYBRID], 1);
	store_close(other);
	book_wait_alone(b, 1);
	/* Its slot is free, and what it counted stays. */
	other = other_of(b);
	assert_int_equal(pg_of(other)->slot, 2);
	assert_int_equal(book_counts(b).workers[WORKER_HYBRID], 1);
	store_close(other);
}

static int64_t clock_of(struct store *store)
{
	OK(store_begin_write(store, NULL));
	int64_t now_s = store_now(store, -7);
	OK(store_end(store, CAH_OK, NULL));
	return now_s;
}

/* As if it had last moved the clock so long ago. */
static void age(struct store *store, int64_t seconds)
{
	pg_of(store)->driven_ms -= seconds * 1000;
}

static void clock__is_driven_by_one_and_taken_over(void **state)
{
	struct book *b = *state;
	assert_int_equal(clock_of(b->store), -7);
	OK(store_claim(b->store, NULL));
	struct store *other = other_of(b);
	int64_t begin_s = clock_of(b->store);
	assert_int_equal(clock_of(other), begin_s);
	assert_true(pg_of(b->store)->drives);
	assert_false(pg_of(other)->drives);
	age(b->store, 50);
	assert_int_equal(clock_of(b->store), begin_s + 50);
	assert_int_equal(clock_of(other), begin_s + 50);
	/* A long pause is not one of the workers. */
	age(b->store, 100000);
	assert_int_equal(clock_of(b->store), begin_s + 50 + PG_CLOCK_STEP_S);
	store_close(b->store);
	b->store = NULL;
	book_wait_alone(b, 1);
	pg_of(other)->tried_ms = 0;
	(void)clock_of(other);
	assert_true(pg_of(other)->drives);
	age(other, 5);
	assert_int_equal(clock_of(other), begin_s + 55 + PG_CLOCK_STEP_S);
	store_close(other);
}

static void leases__count_in_the_clock_of_the_book(void **state)
{
	struct book *b = *state;
	int64_t count;
	OK(store_claim(b->store, NULL));
	(void)clock_of(b->store);
	struct worker ann = book_worker(b, WORKER_HYBRID, "ann");
	OK(store_sweep(b->store, 1000000, 60, &count, NULL));
	assert_int_equal(count, 0);
	age(b->store, 61);
	bool alive;
	OK(store_worker_alive(b->store, &alive, slice_of(ann.token),
			      WORKER_HYBRID, 0, 0, NULL));
	assert_true(alive);
	OK(store_renew_leases(b->store, 5, NULL));
	age(b->store, 61);
	OK(store_sweep(b->store, 0, 60, &count, NULL));
	assert_int_equal(count, 1);
}

/* ---- two trackers ---- */

static void trackers__never_give_one_job_to_two(void **state)
{
	struct book *b = *state;
	struct store *other = other_of(b);
	struct worker ann = book_worker(b, WORKER_HYBRID, "ann");
	struct worker bob = book_worker(b, WORKER_HYBRID, "bob");
	struct job job;
	OK(store_begin_write(b->store, NULL));
	OK(store_end(b->store, CAH_OK, NULL));
	/* One has picked, and not said so yet. */
	OK(b->store->backend->begin(b->store, true, NULL));
	assert_int_equal(store_start(b->store, STMT_JOB_PICK,
				     STORE_ARGS(arg_int(0), arg_int(3)), NULL),
			 1);
	OK(store_job_take(other, &job, slice_of(bob.token), WORKER_HYBRID, 1, 1,
			  NULL));
	assert_int_equal(job.number, 4);
	b->store->backend->rollback(b->store);
	book_take_job(b, &ann, 1);
	store_close(other);
}

struct clash {
	struct book *b;
	int runs;
};

/* The first time the database says that another was in the way. */
static void run_clash(void *arg)
{
	struct clash *c = arg;
	(void)book_worker(c->b, WORKER_HYBRID, "ann");
	if (++c->runs == 1)
		assert_int_equal(pg_send_text(pg_of(c->b->store), PG_EXECUTE,
					      "DO $$ BEGIN RAISE EXCEPTION 'x' "
					      "USING errcode = '40P01'; END $$",
					      NULL),
				 CAH_OK);
}

static void group__is_run_again_after_a_conflict(void **state)
{
	struct book *b = *state;
	struct clash clash = {b, 0};
	OK(store_group(b->store, true, run_clash, &clash, NULL));
	assert_int_equal(clash.runs, 2);
	assert_int_equal(book_counts(b).workers[WORKER_HYBRID], 1);
}

/* ---- the connection ---- */

static void cut(struct book *b)
{
	book_run_sql(b->server,
		     "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
		     "WHERE application_name = 'cah'");
	book_wait_alone(b, 0);
	/* It is out of the list a moment before its end of the connection is
	 * closed. */
	struct pollfd p = {.fd = PQsocket(pg_of(b->store)->db),
			   .events = POLLRDHUP};
	while (poll(&p, 1, 1000) == 0)
		;
}

static void connection__is_made_again(void **state)
{
	struct book *b = *state;
	OK(store_claim(b->store, NULL));
	struct worker ann = book_worker(b, WORKER_HYBRID, "ann");
	cut(b);
	book_take_job(b, &ann, 1);
	assert_int_equal(pg_of(b->store)->slot, 1);
}

/* The server would end the connection of a tracker that stands in one. */
static void read__leaves_no_transaction_open(void **state)
{
	struct book *b = *state;
	int64_t open = 1;
	OK(store_claim(b->store, NULL));
	(void)book_job(b, 1);
	for (int i = 0; i < 1000 && open > 0; i++) {
		open = book_ask_sql(b->server,
				    "SELECT count(*) FROM pg_stat_activity "
				    "WHERE application_name = 'cah' "
				    "AND state <> 'idle'");
		usleep(5000);
	}
	assert_int_equal(open, 0);
	(void)book_job(b, 1);
}

/* The 65th gets no slot, asked twice or not. */
static void claim__that_failed_fails_again(void **state)
{
	struct book *b = *state;
	PGconn *db = PQconnectdb(b->uri);
	PQclear(PQexec(db, "SELECT pg_advisory_lock(current_schema()"
			   "::regnamespace::oid::int4, 1667301376 + 16 + slot) "
			   "FROM generate_series(1, 64) AS slot"));
	for (int i = 0; i < 2; i++)
		assert_int_equal(store_claim(b->store, NULL), CAH_EUNAVAILABLE);
	PQfinish(db);
}

static void run_cut(void *arg)
{
	struct book *b = arg;
	(void)book_worker(b, WORKER_HYBRID, "ann");
	cut(b);
}

static void connection__that_is_lost_half_way_is_no_success(void **state)
{
	struct book *b = *state;
	assert_int_equal(store_group(b->store, true, run_cut, b, NULL),
			 CAH_EUNAVAILABLE);
	assert_int_equal(book_counts(b).workers[WORKER_HYBRID], 0);
}

static const char *setting_of(struct store *store, const char *name)
{
	static char value[32];
	char sql[64];
	(void)snprintf(sql, sizeof(sql), "SHOW %s", name);
	struct pg *pg = pg_of(store);
	assert_int_equal(PQexitPipelineMode(pg->db), 1);
	PGresult *result = PQexec(pg->db, sql);
	(void)snprintf(value, sizeof(value), "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	assert_int_equal(PQenterPipelineMode(pg->db), 1);
	return value;
}

static void commit__waits_for_the_disk(void **state)
{
	static const char *const set[][2] = {
		{"off", "on"},
		{"local", "on"},
		{"on", "on"},
		{"remote_apply", "remote_apply"},
	};
	struct book *b = *state;
	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
		char uri[512];
		struct store *store;
		(void)snprintf(uri, sizeof(uri),
			       "%s%%20-csynchronous_commit%%3D%s", b->uri,
			       set[i][0]);
		OK(store_open(&store, uri, NULL));
		assert_string_equal(setting_of(store, "synchronous_commit"),
				    set[i][1]);
		assert_string_equal(setting_of(store, "client_encoding"),
				    "UTF8");
		store_close(store);
	}
}

/* ---- statements ---- */

static void statements__are_all_known_to_the_database(void **state)
{
	struct book *b = *state;
	struct pg *pg = pg_of(b->store);
	assert_int_equal(PQexitPipelineMode(pg->db), 1);
	for (int i = 0; i < 2 * PG_STMT_COUNT; i++) {
		struct buf text;
		buf_init(&text, PG_TEXT_MAX);
		pg_text(&text, i / 2, i % 2 == 1, 0);
		assert_int_equal(buf_check(&text, "text", NULL), CAH_OK);
		if (text.len > 0) {
			PGresult *r = PQprepare(pg->db, "", text.data, 0, NULL);
			if (PQresultStatus(r) != PGRES_COMMAND_OK)
				fail_msg("%s: %s", text.data,
					 PQresultErrorMessage(r));
			PQclear(r);
		}
		buf_fini(&text);
	}
	assert_int_equal(PQenterPipelineMode(pg->db), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(claim__gives_each_tracker_a_slot),
		TEST(clock__is_driven_by_one_and_taken_over),
		TEST(leases__count_in_the_clock_of_the_book),
		TEST(trackers__never_give_one_job_to_two),
		TEST(group__is_run_again_after_a_conflict),
		TEST(read__leaves_no_transaction_open),
		TEST(claim__that_failed_fails_again),
		TEST(connection__is_made_again),
		TEST(connection__that_is_lost_half_way_is_no_success),
		TEST(commit__waits_for_the_disk),
		TEST(statements__are_all_known_to_the_database),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
