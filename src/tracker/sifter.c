#include "tracker/sifter.h"

#include "base/clock.h"
#include "base/fail.h"
#include "tracker/request.h"
#include "tracker/watch.h"
#include "wire/text.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct filter {
	char *name;
	struct sieve *sieve;
	struct counter asked;
	struct counter seen;
	struct counter added;
};

struct sifter {
	struct tracker *tracker;
	struct filter filters[TRACKER_FILTERS_MAX];
	size_t count;
	pthread_t thread;
	bool is_running;
	int fd;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct chain waiting;
	struct chain done;
	bool is_stopping;
};

/* ---- what a call does ---- */

static struct filter *find(struct sifter *s, struct slice name)
{
	if (name.len == 0)
		return &s->filters[0];
	for (size_t i = 0; i < s->count; i++)
		if (slice_equal(slice_of(s->filters[i].name), name))
			return &s->filters[i];
	return NULL;
}

int sifter_ask(struct request *request, const struct sifter_list *list,
	       struct cah_error *err)
{
	struct sifter *s = request->tracker->sifter;
	struct filter *f = find(s, list->name);
	if (f == NULL)
		return cah_fail(err, CAH_EINVALID,
				"key: there is no filter of that name");
	if (list->adds) {
		int rc = sieve_stage(f->sieve, list->keys, list->count,
				     list->is_new, err);
		if (rc != CAH_OK)
			return rc;
		request->staged = (int)(f - s->filters) + 1;
	} else {
		sieve_ask(f->sieve, list->keys, list->count, list->is_new);
	}
	uint64_t fresh = 0;
	for (size_t i = 0; i < list->count; i++)
		fresh += list->is_new[i];
	request->staged_count = list->adds ? fresh : 0;
	counter_add(&f->asked, list->count);
	counter_add(&f->seen, list->count - fresh);
	return CAH_OK;
}

/* ---- groups ---- */

static void refuse(struct request *request)
{
	struct cah_error err;
	(void)cah_fail(&err, CAH_EUNAVAILABLE,
		       "the filter is away for now, try again");
	request_refuse(request, &err);
}

static void commit(struct sifter *s, struct filter *f, struct chain *group)
{
	struct cah_error err;
	int place = (int)(f - s->filters) + 1;
	int64_t from_ns = clock_now_ns();
	int rc = sieve_commit(f->sieve, &err);
	if (rc == CAH_OK)
		watch_sifted(s->tracker->watch, clock_now_ns() - from_ns);
	else
		watch_sift_failed(s->tracker->watch, &err);
	for (struct request *r = group->first; r != NULL; r = r->next) {
		if (r->staged != place)
			continue;
		if (rc == CAH_OK)
			counter_add(&f->added, r->staged_count);
		else
			refuse(r);
	}
}

static void run_group(struct sifter *s, struct chain *group)
{
	bool is_staged[TRACKER_FILTERS_MAX] = {false};
	int64_t now_s = clock_now_ms() / 1000;
	int64_t wall_s = clock_wall_s();
	for (struct request *r = group->first; r != NULL; r = r->next) {
		if (!request_has_room(r))
			continue;
		request_run(r, now_s, wall_s);
		if (r->staged > 0)
			is_staged[r->staged - 1] = true;
	}
	for (size_t i = 0; i < s->count; i++)
		if (is_staged[i])
			commit(s, &s->filters[i], group);
}

/* ---- the thread ---- */

static void give_back(struct sifter *s, struct chain *group)
{
	uint64_t one = 1;
	for (struct request *r = group->first; r != NULL; r = r->next)
		r->is_done = true;
	pthread_mutex_lock(&s->lock);
	bool was_empty = s->done.count == 0;
	chain_move(&s->done, group);
	pthread_mutex_unlock(&s->lock);
	if (was_empty && write(s->fd, &one, sizeof(one)) != sizeof(one))
		assert(!"an eventfd that is read takes any number of ones");
}

/* False where it has to stop. */
static bool gather(struct sifter *s, struct chain *group)
{
	size_t bytes = 0;
	pthread_mutex_lock(&s->lock);
	while (!s->is_stopping && s->waiting.count == 0)
		pthread_cond_wait(&s->changed, &s->lock);
	bool may_go_on = !s->is_stopping;
	while (may_go_on && s->waiting.count > 0 &&
	       bytes + s->waiting.first->raw_body.len <= SIFTER_GROUP_BYTES) {
		bytes += s->waiting.first->raw_body.len;
		chain_add(group, chain_pop(&s->waiting));
	}
	pthread_mutex_unlock(&s->lock);
	return may_go_on;
}

static void *work(void *arg)
{
	struct sifter *s = arg;
	struct chain group = {NULL, NULL, 0};
	while (gather(s, &group)) {
		run_group(s, &group);
		give_back(s, &group);
	}
	return NULL;
}

/* ---- opening ---- */

static int open_filter(struct sifter *s, const struct tracker_filter *options,
		       struct cah_error *err)
{
	struct filter *f = &s->filters[s->count];
	struct slice name = slice_of(options->name);
	int rc = wire_text_check(name, 1, TRACKER_FILTER_NAME_MAX,
				 "the filter's name", err);
	if (rc != CAH_OK)
		return rc;
	if (s->count > 0 && find(s, name) != NULL)
		return cah_fail(err, CAH_EINVALID, "two filters are called %s",
				options->name);
	f->name = strdup(options->name);
	if (f->name == NULL)
		return cah_fail(err, CAH_ENOMEM, "filter");
	s->count++;
	return sieve_open(&f->sieve, options->path, &options->size, err);
}

static int start(struct sifter *s, const struct tracker_dedup *options,
		 struct cah_error *err)
{
	for (size_t i = 0; i < options->count; i++) {
		int rc = open_filter(s, &options->filters[i], err);
		if (rc != CAH_OK)
			return rc;
	}
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int why = s->fd < 0 ? errno : pthread_create(&s->thread, NULL, work, s);
	if (why != 0)
		return cah_fail_errno(err, why, "tracker: dedup");
	s->is_running = true;
	(void)pthread_setname_np(s->thread, "cah-sifter");
	return CAH_OK;
}

int sifter_new(struct sifter **out, struct tracker *tracker,
	       const struct tracker_dedup *options, struct cah_error *err)
{
	*out = NULL;
	assert(options->count >= 1 && options->count <= TRACKER_FILTERS_MAX);
	struct sifter *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return cah_fail(err, CAH_ENOMEM, "tracker: dedup");
	s->tracker = tracker;
	s->fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	int rc = start(s, options, err);
	if (rc != CAH_OK) {
		sifter_free(s);
		return rc;
	}
	*out = s;
	return CAH_OK;
}

void sifter_put(struct sifter *s, struct chain *requests)
{
	pthread_mutex_lock(&s->lock);
	chain_move(&s->waiting, requests);
	pthread_mutex_unlock(&s->lock);
	pthread_cond_signal(&s->changed);
}

int sifter_fd(const struct sifter *s)
{
	return s->fd;
}

void sifter_take(struct sifter *s, struct chain *done)
{
	uint64_t times;
	pthread_mutex_lock(&s->lock);
	if (read(s->fd, &times, sizeof(times)) != sizeof(times))
		assert(errno == EAGAIN);
	chain_move(done, &s->done);
	pthread_mutex_unlock(&s->lock);
}

void sifter_stop(struct sifter *s)
{
	if (!s->is_running)
		return;
	pthread_mutex_lock(&s->lock);
	s->is_stopping = true;
	pthread_mutex_unlock(&s->lock);
	pthread_cond_signal(&s->changed);
	pthread_join(s->thread, NULL);
	s->is_running = false;
	struct cah_error err;
	(void)cah_fail(&err, CAH_EUNAVAILABLE, "the tracker stops");
	struct request *request = chain_pop(&s->waiting);
	for (; request != NULL; request = chain_pop(&s->waiting)) {
		request_refuse(request, &err);
		request->is_done = true;
		chain_add(&s->done, request);
	}
}

void sifter_free(struct sifter *s)
{
	if (s == NULL)
		return;
	sifter_stop(s);
	for (size_t i = 0; i < s->count; i++) {
		sieve_close(s->filters[i].sieve);
		free(s->filters[i].name);
	}
	if (s->fd >= 0)
		close(s->fd);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- who looks ---- */

size_t sifter_count(const struct sifter *s)
{
	return s != NULL ? s->count : 0;
}

const char *sifter_name(const struct sifter *s, size_t at)
{
	return s->filters[at].name;
}

void sifter_look(struct sifter *s, size_t at, struct sifter_state *out)
{
	struct filter *f = &s->filters[at];
	sieve_look(f->sieve, &out->sieve);
	out->asked = (int64_t)counter_get(&f->asked);
	out->seen = (int64_t)counter_get(&f->seen);
	out->added = (int64_t)counter_get(&f->added);
}
