/* What the fetch stage holds when servers send as much as they can. */
#include "fetch/fetch.h"
#include "hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
	BODY = 60000, /* bytes of each answer; two are more than HELD_MAX */
	HELD_MAX = 100000,
	JOBS = 6,
};

struct fixture {
	struct hostile *server;
	struct queue *in;
	struct queue *out;
	struct fetch *fetch;
	struct fetch_job jobs[JOBS];
	char url[64];
	int kept;
};

static bool answer(const struct hostile_request *request, void *arg)
{
	static const char zeros[BODY];
	(void)arg;
	return hostile_printf(request,
			      "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
			      BODY) &&
	       hostile_send(request, zeros, BODY);
}

static void begin(struct fixture *f, int concurrency, int jobs)
{
	struct fetch_options options = fetch_options_default();
	options.concurrency = concurrency;
	options.allow_private = true;
	options.retries = 0;
	options.max_held = HELD_MAX;
	*f = (struct fixture){.server = hostile_start(answer, NULL)};
	(void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d/",
		       hostile_port(f->server));
	assert_int_equal(queue_new(&f->in, JOBS, NULL), CAH_OK);
	assert_int_equal(queue_new(&f->out, JOBS, NULL), CAH_OK);
	assert_int_equal(fetch_new(&f->fetch, &options, NULL), CAH_OK);
	for (int i = 0; i < jobs; i++) {
		f->jobs[i].url = f->url;
		assert_true(queue_try_push(f->in, &f->jobs[i]));
	}
	queue_close(f->in);
}

static void *drop_all(void *arg)
{
	struct fixture *f = arg;
	for (struct fetch_job *job = queue_pop(f->out); job != NULL;
	     job = queue_pop(f->out)) {
		f->kept += job->fate == CAH_FATE_KEPT;
		fetch_drop_body(f->fetch, job);
	}
	return NULL;
}

static void end(struct fixture *f)
{
	fetch_free(f->fetch);
	hostile_stop(f->server);
	queue_free(f->in);
	queue_free(f->out);
}

/* One at a time would be over the limit with the second, if it began before the
 * first is dropped. */
static void fetch__begins_none_while_much_is_held(void **state)
{
	struct fixture f;
	pthread_t consumer;
	(void)state;
	begin(&f, 1, JOBS);
	assert_int_equal(pthread_create(&consumer, NULL, drop_all, &f), 0);
	assert_int_equal(fetch_run(f.fetch, f.in, f.out, NULL, NULL), CAH_OK);
	assert_int_equal(pthread_join(consumer, NULL), 0);
	assert_int_equal(f.kept, JOBS);
	end(&f);
}

/* All begin at once, when nothing is held, and nothing is dropped. */
static void fetch__never_holds_more_than_its_limit(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 3, 3);
	assert_int_equal(fetch_run(f.fetch, f.in, f.out, NULL, NULL), CAH_OK);
	int too_large = 0;
	for (int i = 0; i < 3; i++)
		too_large += f.jobs[i].fate == CAH_FATE_TOO_LARGE;
	assert_int_equal(too_large, 2);
	(void)drop_all(&f);
	assert_int_equal(f.kept, 1);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fetch__begins_none_while_much_is_held),
		cmocka_unit_test(fetch__never_holds_more_than_its_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
