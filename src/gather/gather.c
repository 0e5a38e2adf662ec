/* Starts the threads, waits for them, and takes apart what is left. */
#include "gather/gather_priv.h"

#include "base/clock.h"
#include "base/fail.h"
#include "wire/json.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
	TICK_MS = 250,
	FETCH_ROOM = 1024, /* samples before each door */
	MAKE_ROOM = 64,
	WRITE_ROOM = 64,
	IDENTITY_MAX = 1 << 20, /* bytes */
	OTHER_THREADS = 3,      /* beside those that decode */
};

/* A thread: what it does, and what it does last. */
struct role {
	int (*run)(struct gather *g, struct cah_error *err);
	void (*leave)(struct gather *g);
};

struct post {
	struct gather *g;
	const struct role *role;
	pthread_t thread;
};

void gather_fail(struct gather *g, int code, const struct cah_error *err)
{
	pthread_mutex_lock(&g->lock);
	/* Who was told to stop is not what failed. */
	if (g->code == CAH_OK && !cancel_is_set(g->stop)) {
		g->code = code;
		g->err = *err;
	}
	cancel_set(g->stop);
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

void gather_leave_write(struct gather *g)
{
	pthread_mutex_lock(&g->lock);
	bool is_last = --g->writers_to == 0;
	pthread_mutex_unlock(&g->lock);
	if (is_last)
		queue_close(g->to_write);
}

void gather_release(struct gather *g, size_t bytes)
{
	pthread_mutex_lock(&g->lock);
	g->held -= bytes;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

void gather_pass(struct gather *g, struct sample *sample)
{
	if (queue_push(g->to_write, sample))
		return;
	gather_release(g, sample->bytes);
	sample_free(sample);
}

void gather_tell_shard(struct gather *g, int64_t shard,
		       const struct plan_stats *stats, bool is_skipped)
{
	struct gather_shard told = {.stats = *stats, .is_skipped = is_skipped};
	plan_name(told.name, shard);
	pthread_mutex_lock(&g->lock);
	if (is_skipped) {
		fate_add(&g->result.skipped, &stats->fates);
		g->result.shards_skipped++;
	} else {
		fate_add(&g->result.fates, &stats->fates);
		g->result.bytes += stats->bytes;
		g->result.shards++;
	}
	if (g->watch->shard != NULL)
		g->watch->shard(g->watch->arg, &told);
	pthread_mutex_unlock(&g->lock);
}

/* ---- threads ---- */

static int run_fetch(struct gather *g, struct cah_error *err)
{
	return fetch_run(g->fetch, g->to_fetch, g->to_make, g->stop, err);
}

static void leave_read(struct gather *g)
{
	queue_close(g->to_fetch);
	gather_leave_write(g);
}

static void leave_fetch(struct gather *g)
{
	queue_close(g->to_make);
}

static void leave_nothing(struct gather *g)
{
	(void)g;
}

static const struct role writer = {gather_write, leave_nothing};
static const struct role maker = {gather_make, gather_leave_write};
static const struct role fetcher = {run_fetch, leave_fetch};
static const struct role reader = {gather_read, leave_read};

static void *run_post(void *arg)
{
	const struct post *post = arg;
	struct gather *g = post->g;
	struct cah_error err = {0};
	int rc = post->role->run(g, &err);
	if (rc != CAH_OK)
		gather_fail(g, rc, &err);
	post->role->leave(g);
	pthread_mutex_lock(&g->lock);
	g->running--;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

/* Whoever takes is there before who gives, so that where a thread cannot be
 * started nothing lies before its door. */
static int start(struct gather *g, struct post *posts)
{
	const int total = g->options->threads + OTHER_THREADS;
	int count = 0;
	g->running = total;
	g->writers_to = g->options->threads + 1;
	for (int i = 0; i < total; i++)
		posts[i] = (struct post){.g = g,
					 .role = i == 0           ? &writer
						 : i == total - 1 ? &reader
						 : i == total - 2 ? &fetcher
								  : &maker};
	while (count < total && pthread_create(&posts[count].thread, NULL,
					       run_post, &posts[count]) == 0)
		count++;
	if (count == total)
		return count;
	struct cah_error err = {0};
	gather_fail(g, cah_fail(&err, CAH_ENOMEM, "cannot start a thread"),
		    &err);
	for (int i = count; i < total; i++)
		posts[i].role->leave(g);
	pthread_mutex_lock(&g->lock);
	g->running -= total - count;
	pthread_mutex_unlock(&g->lock);
	return count;
}

/* True when all threads have ended; false after TICK_MS. */
static bool wait_for_threads(struct gather *g)
{
	int64_t until_ns = clock_now_ns() + TICK_MS * 1000000LL;
	const struct timespec until = {.tv_sec = until_ns / 1000000000,
				       .tv_nsec = until_ns % 1000000000};
	pthread_mutex_lock(&g->lock);
	int rc = 0;
	while (g->running > 0 && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&g->changed, &g->lock, &until);
	bool is_over = g->running == 0;
	pthread_mutex_unlock(&g->lock);
	return is_over;
}

static void tick(struct gather *g, int64_t start_ns)
{
	struct fetch_stats fetch;
	fetch_get_stats(g->fetch, &fetch);
	const struct gather_progress progress = {
		.read = atomic_load(&g->read),
		.skipped = atomic_load(&g->skipped),
		.done = atomic_load(&g->done),
		.kept = atomic_load(&g->kept),
		.bytes = atomic_load(&g->bytes),
		.fetching = fetch.active,
		.share = list_share(g->list),
		.seconds = (double)(clock_now_ns() - start_ns) / 1e9,
	};
	if (g->watch->tick != NULL)
		g->watch->tick(g->watch->arg, &progress);
}

static int run_threads(struct gather *g, struct cancel *cancel,
		       int64_t start_ns, struct cah_error *err)
{
	struct post posts[GATHER_THREADS_MAX + OTHER_THREADS];
	int count = start(g, posts);
	while (!wait_for_threads(g)) {
		if (cancel_is_set(cancel)) {
			pthread_mutex_lock(&g->lock);
			cancel_set(g->stop);
			pthread_cond_broadcast(&g->changed);
			pthread_mutex_unlock(&g->lock);
		}
		tick(g, start_ns);
	}
	for (int i = 0; i < count; i++)
		(void)pthread_join(posts[i].thread, NULL);
	if (g->code != CAH_OK && err != NULL)
		*err = g->err;
	if (g->code == CAH_OK && cancel_is_set(g->stop))
		return cah_fail(err, CAH_ECANCELLED, "stopped");
	return g->code;
}

/* ---- parts ---- */

static void set_output(struct gather *g)
{
	const struct gather_options *o = g->options;
	int64_t scale = 1;
	while (scale < o->shard_rows) {
		scale *= 10;
		g->key_scale++;
	}
	g->output = (struct output_options){
		.folder = o->folder,
		.kind = o->kind,
		.hash = o->hash,
		.has_text = list_has_text(g->list),
		.has_exif = o->recipe.wants_exif,
		.has_phash = o->recipe.wants_phash,
		.extension = image_extension(o->recipe.format),
		.key_digits = OUTPUT_NAME_DIGITS + g->key_scale,
	};
	g->output.kept.items = list_kept(g->list, &g->output.kept.count);
}

static void write_columns(const struct gather *g, struct wire_json *json)
{
	wire_json_key(json, "columns");
	wire_json_open(json, '[');
	for (size_t i = 0; i < g->output.kept.count; i++) {
		wire_json_text(json, slice_of(g->output.kept.items[i].name));
		wire_json_int(json, (int64_t)g->output.kept.items[i].type);
	}
	wire_json_close(json, ']');
}

/* What the shards are made with, but for what decides only how fast, and which
 * of the pictures come. */
static void write_identity(const struct gather *g, struct buf *out)
{
	const struct gather_options *o = g->options;
	const struct image_recipe *r = &o->recipe;
	const struct image_limits *l = &o->limits;
	struct wire_json json;
	wire_json_init(&json, out);
	wire_json_open(&json, '{');
	wire_json_put_text(&json, "output-format", output_kind_name(o->kind));
	wire_json_put_int(&json, "shard-size", o->shard_rows);
	wire_json_put_text(&json, "resize", image_resize_name(r->resize));
	wire_json_put_int(&json, "size", r->size);
	wire_json_put_int(&json, "only-if-bigger", r->only_if_bigger);
	wire_json_put_int(&json, "skip-reencode", r->skip_reencode);
	wire_json_put_int(&json, "no-reencode", r->keep_file);
	wire_json_put_text(&json, "encode-format", image_extension(r->format));
	wire_json_put_int(&json, "quality", r->quality);
	wire_json_put_int(&json, "min-side", l->min_side);
	wire_json_key(&json, "max-aspect");
	wire_json_real(&json, l->max_aspect);
	wire_json_put_int(&json, "to-srgb", l->to_srgb);
	wire_json_put_int(&json, "exif", r->wants_exif);
	wire_json_put_int(&json, "phash", r->wants_phash);
	wire_json_put_text(&json, "hash", image_digest_name(o->hash));
	wire_json_put_int(&json, "verify-hash", o->list.hash_column != NULL);
	wire_json_put_int(&json, "unique-urls", o->is_unique);
	wire_json_put_int(&json, "text", g->output.has_text);
	write_columns(g, &json);
	wire_json_close(&json, '}');
	(void)buf_add_byte(out, '\n');
}

static int open_plan(struct gather *g, struct plan **out, struct cah_error *err)
{
	struct buf identity;
	buf_init(&identity, IDENTITY_MAX);
	write_identity(g, &identity);
	int rc = buf_check(&identity, "options", err);
	if (rc == CAH_OK)
		rc = plan_open(out, g->options->folder, g->options->mode,
			       buf_slice(&identity), err);
	buf_fini(&identity);
	return rc;
}

static int make_parts(struct gather *g, struct plan **plan,
		      struct cah_error *err)
{
	int rc = image_recipe_check(&g->options->recipe, err);
	if (rc == CAH_OK)
		rc = cancel_new(&g->stop, err);
	if (rc == CAH_OK)
		rc = list_open(&g->list, &g->options->list, err);
	if (rc != CAH_OK)
		return rc;
	set_output(g);
	rc = output_schema_new(&g->schema, &g->output, err);
	if (rc == CAH_OK)
		rc = open_plan(g, plan, err);
	if (rc == CAH_OK)
		rc = queue_new(&g->to_fetch, FETCH_ROOM, err);
	if (rc == CAH_OK)
		rc = queue_new(&g->to_make, MAKE_ROOM, err);
	if (rc == CAH_OK)
		rc = queue_new(&g->to_write, WRITE_ROOM, err);
	if (rc == CAH_OK)
		rc = fetch_new(&g->fetch, &g->options->fetch, err);
	return rc;
}

static void free_parts(struct gather *g)
{
	for (int i = 0; i < GATHER_SHARDS_OPEN; i++)
		if (g->batches[i] != NULL)
			gather_end_batch(g, g->batches[i]);
	fetch_free(g->fetch);
	struct queue *queues[] = {g->to_fetch, g->to_make, g->to_write};
	for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
		if (queues[i] != NULL)
			queue_free(queues[i]);
	output_schema_free(g->schema);
	list_close(g->list);
	cancel_free(g->stop);
	pthread_cond_destroy(&g->changed);
	pthread_mutex_destroy(&g->lock);
}

/* Waits are measured on the clock that does not step. */
static int init_lock(struct gather *g, struct cah_error *err)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	int errnum = pthread_cond_init(&g->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (errnum != 0)
		return cah_fail_errno(err, errnum, "pipeline");
	pthread_mutex_init(&g->lock, NULL);
	return CAH_OK;
}

int gather_run(const struct gather_options *options, struct cancel *cancel,
	       const struct gather_watch *watch, struct gather_result *out,
	       struct cah_error *err)
{
	assert(options->threads >= 1 && options->threads <= GATHER_THREADS_MAX);
	assert(options->shard_rows >= 1 &&
	       options->shard_rows <= GATHER_SHARD_ROWS_MAX);
	int64_t start_ns = clock_now_ns();
	struct plan *plan = NULL;
	*out = (struct gather_result){0};
	struct gather *g = calloc(1, sizeof(*g));
	if (g == NULL)
		return cah_fail(err, CAH_ENOMEM, "pipeline: out of memory");
	g->options = options;
	g->watch = watch;
	int rc = init_lock(g, err);
	if (rc != CAH_OK) {
		free(g);
		return rc;
	}
	rc = make_parts(g, &plan, err);
	if (rc == CAH_OK)
		rc = run_threads(g, cancel, start_ns, err);
	*out = g->result;
	if (g->list != NULL)
		out->misfits = list_misfits(g->list);
	out->seconds = (double)(clock_now_ns() - start_ns) / 1e9;
	free_parts(g);
	plan_close(plan);
	free(g);
	return rc;
}
