/* The store against a plain model of it: arrays and loops, so simple that it
 * is right. */
#include "book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	OPERATIONS = 8000,
	COMPARE_EVERY = 50, /* operations */
	GROUP_MAX = 20,     /* operations of one group */
	VERIFY_EVERY = 400, /* operations, then it is turned on or off */
	TOLERANCE = 5,
	WORKERS = 12, /* at most, the dead ones not counted */
	WATS_MAX = 60,
	JOBS_MAX = 2 * WATS_MAX,
	NICKNAMES = 5,
	IDLE_S = 900,
	SEED = 20210901,
};

/* ---- the model ---- */

struct model_job {
	enum job_state state;
	int64_t pairs;
	int holder; /* index, -1: none */
	int maker;  /* nickname, -1: nobody */
	int closer;
	int url; /* its gpu_url is https://t/URL, 0: none */
	int64_t minute;
};

struct model_worker {
	bool is_alive;
	enum worker_type type;
	int nickname;
	int job; /* number, 0: none */
	int64_t jobs_completed;
	int64_t heard_s;
	char token[STORE_TOKEN_LEN + 1];
	char name[STORE_NAME_MAX + 1];
};

struct model {
	struct store *store;
	struct model_job jobs[JOBS_MAX + 1]; /* from 1 */
	int job_count;
	struct model_worker workers[WORKERS];
	int64_t now_s;
	int64_t wall_s;
	unsigned random;
	int url; /* the last one made up */
	bool is_verified;
	int64_t checked[NICKNAMES];
	int64_t disagreed[NICKNAMES];
};

/* Numerical Recipes' LCG; the low bits are poor. */
static int draw(struct model *m, int below)
{
	m->random = m->random * 1664525 + 1013904223;
	return (int)((m->random >> 8) % (unsigned)below);
}

static struct slice nickname_of(int i)
{
	static const char *const names[NICKNAMES] = {"ann", "ben", "\xc3\xa9va",
						     "a b", "zoe"};
	return slice_of(names[i]);
}

static struct slice url_of(char out[64], int url)
{
	(void)snprintf(out, 64, "https://t/%d", url);
	return slice_of(out);
}

static void set_open(struct model_job *j)
{
	*j = (struct model_job){.holder = -1, .maker = -1, .closer = -1};
}

static void give_back(struct model *m, struct model_worker *w)
{
	if (w->job == 0)
		return;
	struct model_job *j = &m->jobs[w->job];
	j->state--;
	j->holder = -1;
	w->job = 0;
}

static void drop_holder(struct model *m, struct model_job *j)
{
	if (j->holder >= 0)
		m->workers[j->holder].job = 0;
	j->holder = -1;
}

static void close_job(struct model *m, struct model_job *j, int nickname,
		      int64_t pairs)
{
	drop_holder(m, j);
	j->state = JOB_DONE;
	j->pairs = pairs;
	j->closer = nickname;
	j->minute = m->wall_s / 60;
}

/* ---- operations: each does it to both and compares what is said ---- */

static int draw_worker(struct model *m)
{
	return draw(m, WORKERS);
}

static int op_new(struct model *m)
{
	struct model_worker *w = &m->workers[draw_worker(m)];
	if (w->is_alive)
		return CAH_ENOTFOUND;
	struct worker got;
	*w = (struct model_worker){.is_alive = true,
				   .type = draw(m, 4) % WORKER_TYPE_COUNT,
				   .nickname = draw(m, NICKNAMES),
				   .heard_s = m->now_s};
	OK(store_worker_new(m->store, &got, nickname_of(w->nickname), w->type,
			    m->now_s, m->wall_s, NULL));
	memcpy(w->token, got.token, sizeof(w->token));
	memcpy(w->name, got.display_name, sizeof(w->name));
	return CAH_OK;
}

/* Unused places have the token "", which nobody has. */
static struct slice token_of(const struct model_worker *w)
{
	return slice_of(w->token);
}

/* Whether the job waits to be checked by somebody other than @nickname. */
static bool is_check(const struct model *m, int number, int nickname)
{
	const struct model_job *j = &m->jobs[number];
	return m->is_verified && j->state == JOB_CHECK_OPEN &&
	       j->closer != nickname;
}

static bool has_check(const struct model *m, const struct model_worker *w)
{
	for (int n = 1; n <= m->job_count && w->type == WORKER_HYBRID; n++)
		if (is_check(m, n, w->nickname))
			return true;
	return false;
}

/* The open job with the lowest number behind @had, else the lowest of all but
 * @had, else 0. */
static int next_open(const struct model *m, const struct model_worker *w,
		     int had)
{
	enum job_state from = w->type == WORKER_GPU ? JOB_GPU_OPEN : JOB_OPEN;
	for (int i = 1; i < m->job_count; i++) {
		int n = 1 + (had + i - 1) % m->job_count;
		if (had == 0)
			n = i;
		if (m->jobs[n].state == from)
			return n;
	}
	if (had == 0 && m->jobs[m->job_count].state == from)
		return m->job_count;
	return 0;
}

static int op_take(struct model *m)
{
	int index = draw_worker(m);
	struct model_worker *w = &m->workers[index];
	struct job got;
	int rc = store_job_take(m->store, &got, token_of(w), w->type, m->now_s,
				m->wall_s, NULL);
	if (!w->is_alive) {
		assert_int_equal(rc, CAH_ETIMEDOUT);
		return rc;
	}
	int had = w->job;
	int number = next_open(m, w, had);
	bool may_check = has_check(m, w) && (had == 0 || number == 0);
	if (number == 0 && had == 0 && !may_check) {
		assert_int_equal(rc, CAH_ENOJOB);
		return rc;
	}
	OK(rc);
	give_back(m, w);
	if (may_check)
		assert_true(is_check(m, (int)got.number, w->nickname));
	else
		assert_int_equal(got.number, number != 0 ? number : had);
	w->heard_s = m->now_s;
	w->job = (int)got.number;
	m->jobs[w->job].state++;
	m->jobs[w->job].holder = index;
	return CAH_OK;
}

/* The second count of a job is there. */
static void finish_check(struct model *m, struct model_job *j, int nickname,
			 int64_t pairs)
{
	int64_t gap = pairs > j->pairs ? pairs - j->pairs : j->pairs - pairs;
	int64_t most = pairs > j->pairs ? pairs : j->pairs;
	bool agrees = gap <= TOLERANCE || gap * 100 <= most;
	m->checked[nickname]++;
	m->checked[j->closer]++;
	m->disagreed[nickname] += !agrees;
	m->disagreed[j->closer] += !agrees;
	if (agrees)
		close_job(m, j, j->closer, j->pairs);
	else
		set_open(j);
}

static int op_finish(struct model *m)
{
	struct model_worker *w = &m->workers[draw_worker(m)];
	int64_t pairs = draw(m, 4) == 0 ? 0 : draw(m, 100000);
	/* Near to what another counted, else they would never agree. */
	if (w->job != 0 && draw(m, 2) == 0)
		pairs = m->jobs[w->job].pairs + draw(m, 2 * TOLERANCE);
	char text[64];
	struct slice url = url_of(text, ++m->url);
	int rc = store_job_finish(m->store, token_of(w), w->type, pairs, url,
				  m->now_s, m->wall_s, NULL);
	int expected = !w->is_alive  ? CAH_ETIMEDOUT
		       : w->job == 0 ? CAH_ENOJOB
				     : CAH_OK;
	assert_int_equal(rc, expected);
	if (rc != CAH_OK)
		return rc;
	struct model_job *j = &m->jobs[w->job];
	w->heard_s = m->now_s;
	w->jobs_completed++;
	w->job = 0;
	if (j->state == JOB_CHECK_LEASED) {
		j->holder = -1;
		finish_check(m, j, w->nickname, pairs);
		return rc;
	}
	if (w->type != WORKER_CPU) {
		close_job(m, j, w->nickname, pairs);
		if (m->is_verified) {
			j->state = JOB_CHECK_OPEN;
			j->minute = 0;
		}
		return rc;
	}
	j->holder = -1;
	j->state = JOB_GPU_OPEN;
	j->maker = w->nickname;
	j->url = m->url;
	return rc;
}

static int op_invalid(struct model *m)
{
	struct model_worker *w = &m->workers[draw_worker(m)];
	int rc = store_job_invalid(m->store, token_of(w), m->now_s, m->wall_s,
				   NULL);
	bool is_gpu = w->is_alive && w->type == WORKER_GPU;
	int expected = !is_gpu       ? CAH_ETIMEDOUT
		       : w->job == 0 ? CAH_ENOJOB
				     : CAH_OK;
	assert_int_equal(rc, expected);
	if (rc != CAH_OK)
		return rc;
	set_open(&m->jobs[w->job]);
	w->job = 0;
	w->heard_s = m->now_s;
	return rc;
}

static int op_bye(struct model *m)
{
	struct model_worker *w = &m->workers[draw_worker(m)];
	int rc = store_worker_bye(m->store, token_of(w), w->type, NULL);
	assert_int_equal(rc, w->is_alive ? CAH_OK : CAH_ETIMEDOUT);
	if (rc != CAH_OK)
		return rc;
	give_back(m, w);
	w->is_alive = false;
	return rc;
}

static int op_progress(struct model *m)
{
	struct model_worker *w = &m->workers[draw_worker(m)];
	OK(store_worker_progress(m->store, token_of(w), w->type, SLICE("some"),
				 m->now_s, m->wall_s, NULL));
	if (w->is_alive)
		w->heard_s = m->now_s;
	return w->is_alive ? CAH_OK : CAH_ETIMEDOUT;
}

static int op_alive(struct model *m)
{
	struct model_worker *w = &m->workers[draw_worker(m)];
	enum worker_type type = draw(m, WORKER_TYPE_COUNT);
	bool alive;
	OK(store_worker_alive(m->store, &alive, token_of(w), type, m->now_s,
			      m->wall_s, NULL));
	assert_int_equal(alive, w->is_alive && w->type == type);
	if (alive)
		w->heard_s = m->now_s;
	return alive ? CAH_OK : CAH_ETIMEDOUT;
}

static int op_sweep(struct model *m)
{
	int64_t count, expected = 0;
	for (int i = 0; i < WORKERS; i++) {
		struct model_worker *w = &m->workers[i];
		if (!w->is_alive || w->heard_s >= m->now_s - IDLE_S)
			continue;
		give_back(m, w);
		w->is_alive = false;
		expected++;
	}
	for (int n = 1; n <= m->job_count; n++)
		if (!m->is_verified && m->jobs[n].state == JOB_CHECK_OPEN)
			m->jobs[n].state = JOB_DONE;
	OK(store_sweep(m->store, m->now_s, IDLE_S, &count, NULL));
	assert_int_equal(count, expected);
	return expected > 0 ? CAH_OK : CAH_ENOTFOUND;
}

static int op_reset(struct model *m)
{
	int number = 1 + draw(m, m->job_count + 1);
	int rc = store_job_reset(m->store, number, NULL);
	if (number > m->job_count) {
		assert_int_equal(rc, CAH_ENOTFOUND);
		return rc;
	}
	OK(rc);
	drop_holder(m, &m->jobs[number]);
	set_open(&m->jobs[number]);
	return rc;
}

static int op_close(struct model *m)
{
	int64_t numbers[3], pairs = draw(m, 1000);
	int nickname = draw(m, NICKNAMES), expected = CAH_OK;
	for (int i = 0; i < 3; i++) {
		numbers[i] = 1 + draw(m, m->job_count + 1);
		if (numbers[i] > m->job_count)
			expected = CAH_ENOTFOUND;
	}
	assert_int_equal(store_jobs_close(m->store, numbers, 3, pairs,
					  nickname_of(nickname), m->wall_s,
					  NULL),
			 expected);
	for (int i = 0; i < 3 && expected == CAH_OK; i++) {
		struct model_job *j = &m->jobs[numbers[i]];
		if (j->state == JOB_DONE)
			continue;
		if (j->closer >= 0) {
			close_job(m, j, j->closer, j->pairs);
			continue;
		}
		close_job(m, j, nickname, pairs);
		pairs = 0;
	}
	return expected;
}

static int op_to_gpu(struct model *m)
{
	struct model_worker *w = &m->workers[draw_worker(m)];
	int nickname = draw(m, NICKNAMES);
	int64_t numbers[2] = {1 + draw(m, m->job_count),
			      1 + draw(m, m->job_count)};
	char text[2][64];
	struct slice urls[2] = {url_of(text[0], m->url + 1),
				url_of(text[1], m->url + 2)};
	const struct store_results results = {numbers, urls, 2};
	int rc = store_jobs_to_gpu(m->store, token_of(w), nickname_of(nickname),
				   &results, m->now_s, m->wall_s, NULL);
	bool is_cpu = w->is_alive && w->type == WORKER_CPU;
	bool is_open = m->jobs[numbers[0]].state == JOB_OPEN &&
		       m->jobs[numbers[1]].state == JOB_OPEN &&
		       numbers[0] != numbers[1];
	int expected = !is_cpu    ? CAH_ETIMEDOUT
		       : !is_open ? CAH_EINVALID
				  : CAH_OK;
	assert_int_equal(rc, expected);
	if (rc == CAH_OK)
		w->heard_s = m->now_s;
	for (int i = 0; i < 2 && rc == CAH_OK; i++) {
		struct model_job *j = &m->jobs[numbers[i]];
		j->state = JOB_GPU_OPEN;
		j->maker = nickname;
		j->url = ++m->url;
		w->jobs_completed++;
	}
	return rc;
}

static int op_import(struct model *m)
{
	int wats = m->job_count / 2;
	if (wats == WATS_MAX)
		return CAH_ELIMIT;
	bool is_abort = draw(m, 4) == 0;
	char url[64];
	(void)snprintf(url, sizeof(url), "https://x/%d.wat.gz", wats);
	bool is_added;
	OK(store_import_begin(m->store, NULL));
	OK(store_import_add(m->store, slice_of(url), &is_added, NULL));
	assert_true(is_added);
	OK(store_import_add(m->store, SLICE("https://x/0.wat.gz"), &is_added,
			    NULL));
	assert_false(is_added);
	if (is_abort) {
		store_import_abort(m->store);
		return CAH_ECANCELLED;
	}
	OK(store_import_end(m->store, NULL));
	set_open(&m->jobs[++m->job_count]);
	set_open(&m->jobs[++m->job_count]);
	return CAH_OK;
}

/* ---- all of it ---- */

static void compare_jobs(struct model *m)
{
	size_t count;
	struct job *page = calloc(JOBS_MAX, sizeof(*page));
	OK(store_jobs(m->store, page, JOBS_MAX, 1, -1, &count, NULL));
	assert_int_equal(count, m->job_count);
	for (int n = 1; n <= m->job_count; n++) {
		const struct job *got = &page[n - 1];
		const struct model_job *j = &m->jobs[n];
		char url[64] = "";
		if (j->url != 0)
			(void)url_of(url, j->url);
		assert_int_equal(got->number, n);
		assert_int_equal(got->state, j->state);
		assert_int_equal(got->pairs, j->pairs);
		assert_string_equal(got->gpu_url, url);
		assert_string_equal(got->holder,
				    j->holder < 0 ? ""
						  : m->workers[j->holder].name);
		assert_string_equal(got->made_by,
				    j->maker < 0 ? ""
						 : nickname_of(j->maker).data);
		assert_string_equal(
			got->done_by,
			j->closer < 0 ? "" : nickname_of(j->closer).data);
	}
	free(page);
}

static void compare_counts(struct model *m)
{
	struct store_counts got, want = {.pairs = 0};
	for (int n = 1; n <= m->job_count; n++) {
		const struct model_job *j = &m->jobs[n];
		want.jobs[j->state]++;
		want.pairs += j->pairs;
		want.finished_last_hour +=
			j->state == JOB_DONE && j->minute > m->wall_s / 60 - 60;
	}
	for (int i = 0; i < WORKERS; i++)
		if (m->workers[i].is_alive)
			want.workers[m->workers[i].type]++;
	OK(store_get_counts(m->store, &got, m->wall_s, NULL));
	assert_memory_equal(&got, &want, sizeof(got));
}

static void compare_leaders(struct model *m, bool is_cpu)
{
	struct leader want[NICKNAMES] = {{.jobs = 0}}, got[NICKNAMES];
	size_t count;
	int64_t total, expected = 0;
	for (int n = 1; n <= m->job_count; n++) {
		const struct model_job *j = &m->jobs[n];
		int who = is_cpu ? j->maker : j->closer;
		if (who < 0)
			continue;
		want[who].jobs++;
		want[who].pairs += is_cpu ? 0 : j->pairs;
	}
	OK(store_leaders(m->store, got, NICKNAMES, 0, is_cpu, &count, &total,
			 NULL));
	for (int i = 0; i < NICKNAMES; i++)
		expected += want[i].jobs > 0;
	assert_int_equal(count, expected);
	assert_int_equal(total, expected);
	for (size_t i = 0; i < count; i++) {
		int who = 0;
		while (!slice_equal(slice_of(got[i].nickname),
				    nickname_of(who)))
			who++;
		assert_int_equal(got[i].jobs, want[who].jobs);
		assert_int_equal(got[i].pairs, want[who].pairs);
		if (i > 0)
			assert_true(is_cpu ? got[i - 1].jobs >= got[i].jobs
					   : got[i - 1].pairs >= got[i].pairs);
	}
}

static void compare_workers(struct model *m)
{
	for (int i = 0; i < WORKERS; i++) {
		const struct model_worker *w = &m->workers[i];
		struct worker got;
		int rc = store_worker_find(m->store, &got, slice_of(w->name),
					   w->type, NULL);
		/* The name of a dead one may be another's by now. */
		if (!w->is_alive) {
			assert_true(rc == CAH_ENOTFOUND ||
				    strcmp(got.token, w->token) != 0);
			continue;
		}
		OK(rc);
		assert_string_equal(got.token, w->token);
		assert_int_equal(got.job_number, w->job);
		assert_int_equal(got.jobs_completed, w->jobs_completed);
		assert_int_equal(got.checked, m->checked[w->nickname]);
		assert_int_equal(got.disagreed, m->disagreed[w->nickname]);
	}
}

static void compare_open_wat(struct model *m)
{
	char got[STORE_URL_MAX + 1], want[64];
	int n = 1;
	while (n <= m->job_count && (m->jobs[n].state != JOB_OPEN ||
				     m->jobs[n + 1].state != JOB_OPEN))
		n += 2;
	int rc = store_open_wat(m->store, got, NULL);
	assert_int_equal(rc, n > m->job_count ? CAH_ENOJOB : CAH_OK);
	(void)snprintf(want, sizeof(want), "https://x/%d.wat.gz", n / 2);
	if (rc == CAH_OK)
		assert_string_equal(got, want);
}

static void compare(struct model *m)
{
	compare_jobs(m);
	compare_counts(m);
	compare_leaders(m, false);
	compare_leaders(m, true);
	compare_workers(m);
	compare_open_wat(m);
}

static void begin_model(struct model *m, struct store *store)
{
	memset(m, 0, sizeof(*m));
	m->store = store;
	m->random = SEED;
	m->now_s = 1000;
	m->wall_s = 1600000000;
	m->job_count = 2 * WATS;
	for (int n = 1; n <= m->job_count; n++)
		set_open(&m->jobs[n]);
}

static int (*const operations[])(struct model *m) = {
	op_new,    op_take,  op_take,   op_take,   op_finish,  op_finish,
	op_new,    op_take,  op_take,   op_finish, op_new,     op_progress,
	op_alive,  op_reset, op_finish, op_finish, op_sweep,   op_to_gpu,
	op_take,   op_take,  op_finish, op_finish, op_finish,  op_take,
	op_finish, op_close, op_reset,  op_reset,  op_invalid,
};
/* Every fiftieth is one of these: */
static int (*const rare[])(struct model *m) = {op_bye, op_import};

static void turn_verify(struct model *m, bool is_on)
{
	const struct store_verify verify = {
		.share = is_on ? 1 : 0,
		.relative = 0.01,
		.absolute = TOLERANCE,
	};
	m->is_verified = is_on;
	store_set_verify(m->store, &verify);
}

/* Some operations; the next one is the @at-th. */
struct run {
	struct model *model;
	int at;
	int count;
	int done;
};

static void run_some(void *arg)
{
	struct run *run = arg;
	struct model *m = run->model;
	for (int i = 0; i < run->count; i++) {
		m->now_s += draw(m, 30);
		m->wall_s += draw(m, 30);
		int which = draw(m, sizeof(operations) / sizeof(operations[0]));
		run->done += operations[which](m) == CAH_OK;
		if (++run->at % COMPARE_EVERY == 0)
			compare(m);
	}
}

/* In groups of random size where @is_grouped. */
static void agree(struct book *b, bool is_grouped)
{
	static struct model m;
	struct run run = {.model = &m};
	int next_turn = VERIFY_EVERY;
	begin_model(&m, b->store);
	while (run.at < OPERATIONS) {
		run.count = is_grouped ? 1 + draw(&m, GROUP_MAX) : 1;
		if (is_grouped)
			OK(store_group(m.store, true, run_some, &run, NULL));
		else
			run_some(&run);
		if (run.at % 50 == 49)
			run.done += rare[run.at / 50 % 2](&m) == CAH_OK;
		if (run.at < next_turn)
			continue;
		next_turn += VERIFY_EVERY;
		if (!m.is_verified) {
			book_reopen(b);
			m.store = b->store;
		}
		turn_verify(&m, !m.is_verified);
	}
	compare(&m);
	book_recount(book_path_of(b));
	/* Refusals must be tried, but not be all that happens. */
	assert_in_range(run.done, OPERATIONS / 4, OPERATIONS * 9 / 10);
	int64_t checked = 0, disagreed = 0;
	for (int i = 0; i < NICKNAMES; i++) {
		checked += m.checked[i];
		disagreed += m.disagreed[i];
	}
	assert_true(disagreed > 20 && checked > disagreed + 20);
}

static void store__agrees_with_a_plain_model(void **state)
{
	agree(*state, false);
}

static void group__agrees_with_a_plain_model(void **state)
{
	agree(*state, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(store__agrees_with_a_plain_model),
		TEST(group__agrees_with_a_plain_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
