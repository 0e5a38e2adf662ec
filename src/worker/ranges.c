/* Where a range begins nobody knows yet whether what looks like a member there
 * is one: it may stand inside of another, or of one that is broken. So each
 * thread searches on its own, and its candidates count only once the range
 * before it is known to end just where it began: then one thread would have
 * been there in the same state. Where that does not hold, which takes a broken
 * file or very long members, what it found is thrown away, and the scan of the
 * range before goes on through this one, on the caller's thread.
 *
 * One thing is left to each range: how much going back in broken members may
 * cost (wat/member.c). It is above what any but a hostile file needs. */
#include "worker/ranges.h"

#include "base/buf.h"
#include "base/fail.h"
#include "wat/twins.h"

#include <pthread.h>
#include <stdlib.h>

enum {
	AHEAD = 2,            /* slots beside one for each thread */
	RANGE_MAX = 8,        /* reads */
	RANGES_EACH = 8,      /* ranges a thread should have at least */
	BATCH_AT = 4 << 20,   /* bytes of candidates that a range gathers
				 before its turn */
	BATCH_MAX = 64 << 20, /* so many and one candidate */
};

/* A scan with its place in the file. */
struct part {
	struct ranges *ranges;
	struct slot *slot; /* whose batch its candidates go to; NULL: out */
	struct stream *stream;
	struct scan *scan;
	int64_t at; /* of the file: what is read next */
};

enum slot_state {
	SLOT_FREE,
	SLOT_BUSY, /* a thread is at work */
	SLOT_FULL, /* it waits for its batch to be taken */
	SLOT_DONE,
};

/* A range in hand. The thread has all of it while it is busy, the caller all
 * while it is full or done. */
struct slot {
	enum slot_state state;
	int64_t index;   /* of the range that it is for, also while free */
	bool is_dropped; /* nobody wants it any more */
	struct part *part;
	struct buf batch;
	int code;
	struct cah_error err;
};

struct ranges {
	const struct source_request *request;
	struct scan_options scan;
	int64_t end; /* of what is to be read */
	int64_t range;
	int64_t count;
	struct scan_counts counts; /* of parts that are let go */
	struct twins *twins;       /* NULL: none are told */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	int64_t next; /* range that a thread takes next */
	bool is_over; /* threads are to end */
	struct slot *slots;
	int slot_count;
};

/* A candidate in a batch; its strings follow. */
struct packed {
	size_t url, text, page_url, licence, language; /* bytes */
	enum fate fate;
	bool is_language_sure;
	unsigned char key[sizeof(((struct candidate *)0)->key)];
	char md5[sizeof(((struct candidate *)0)->md5)];
};

/* ---- candidates ---- */

static int pack(struct buf *out, const struct candidate *c)
{
	struct packed p = {.url = c->url.len,
			   .text = c->text.len,
			   .page_url = c->page_url.len,
			   .licence = c->licence.len,
			   .language = c->language.len,
			   .fate = c->fate,
			   .is_language_sure = c->is_language_sure};
	memcpy(p.key, c->key, sizeof(p.key));
	memcpy(p.md5, c->md5, sizeof(p.md5));
	(void)buf_add(out, &p, sizeof(p));
	(void)buf_add_slice(out, c->url);
	(void)buf_add_slice(out, c->text);
	(void)buf_add_slice(out, c->page_url);
	(void)buf_add_slice(out, c->licence);
	(void)buf_add_slice(out, c->language);
	return out->is_failed ? CAH_ENOMEM : CAH_OK;
}

static struct slice cut(struct slice *from, size_t len)
{
	struct slice s = {from->data, len};
	*from = slice_from(*from, len);
	return s;
}

static void unpack(struct candidate *c, struct slice *from)
{
	struct packed p;
	memcpy(&p, from->data, sizeof(p));
	(void)cut(from, sizeof(p));
	*c = (struct candidate){.fate = p.fate,
				.is_language_sure = p.is_language_sure};
	c->url = cut(from, p.url);
	c->text = cut(from, p.text);
	c->page_url = cut(from, p.page_url);
	c->licence = cut(from, p.licence);
	c->language = cut(from, p.language);
	memcpy(c->key, p.key, sizeof(c->key));
	memcpy(c->md5, p.md5, sizeof(c->md5));
}

/* On the caller's thread, in the file's order: so twins are told here. */
static int deliver(struct ranges *r, struct candidate *c)
{
	if (r->twins != NULL && c->fate == CAH_FATE_KEPT) {
		int rc = twins_judge(r->twins, c);
		if (rc != CAH_OK)
			return rc;
		/* Its scan has counted it as one that is kept. */
		r->counts.fates.n[CAH_FATE_KEPT]--;
		r->counts.fates.n[c->fate]++;
	}
	return r->request->fn(r->request->arg, c);
}

/* Waits until the caller has taken the batch; CAH_ECANCELLED where nobody
 * wants it. */
static int hand_over(struct ranges *r, struct slot *slot)
{
	pthread_mutex_lock(&r->lock);
	slot->state = SLOT_FULL;
	pthread_cond_broadcast(&r->changed);
	while (slot->state == SLOT_FULL && !slot->is_dropped && !r->is_over)
		pthread_cond_wait(&r->changed, &r->lock);
	slot->state = SLOT_BUSY;
	int rc = slot->is_dropped || r->is_over ? CAH_ECANCELLED : CAH_OK;
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static int on_candidate(void *arg, const struct candidate *candidate)
{
	struct part *part = arg;
	if (part->slot == NULL) {
		struct candidate c = *candidate;
		return deliver(part->ranges, &c);
	}
	struct buf *batch = &part->slot->batch;
	int rc = pack(batch, candidate);
	if (rc == CAH_OK && batch->len >= BATCH_AT)
		rc = hand_over(part->ranges, part->slot);
	return rc;
}

/* ---- parts ---- */

static void part_free(struct part *part)
{
	if (part == NULL)
		return;
	scan_free(part->scan);
	stream_close(part->stream);
	free(part);
}

static int64_t start_of(const struct ranges *r, int64_t index)
{
	return r->scan.start + index * r->range;
}

static int64_t stop_of(const struct ranges *r, int64_t index)
{
	return index + 1 < r->count ? start_of(r, index + 1) : r->scan.stop;
}

static int part_new(struct part **out, struct slot *slot, struct ranges *r,
		    int64_t index, struct cah_error *err)
{
	struct scan_options options = r->scan;
	struct stream_options stream = r->request->stream;
	struct part *part = calloc(1, sizeof(*part));
	*out = part;
	if (part == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				r->request->location);
	part->ranges = r;
	part->slot = slot;
	part->at = start_of(r, index);
	options.start = part->at;
	options.stop = stop_of(r, index);
	options.leaves_twins = true;
	stream.start = part->at;
	int rc = stream_open(&part->stream, r->request->location, &stream, err);
	if (rc == CAH_OK)
		rc = scan_new(&part->scan, &options, on_candidate, part, err);
	return rc;
}

static bool is_unwanted(struct ranges *r, const struct slot *slot)
{
	if (slot == NULL)
		return false;
	pthread_mutex_lock(&r->lock);
	bool is_unwanted = slot->is_dropped || r->is_over;
	pthread_mutex_unlock(&r->lock);
	return is_unwanted;
}

/* Reads until the scan is done or the file ends. @step has RANGES_READ bytes.
 */
static int part_run(struct part *part, char *step, struct cah_error *err)
{
	const struct source_request *request = part->ranges->request;
	while (!scan_is_done(part->scan)) {
		if (cancel_is_set(request->stream.cancel) ||
		    is_unwanted(part->ranges, part->slot))
			return cah_fail(err, CAH_ECANCELLED, "%s: cancelled",
					request->location);
		size_t n;
		int rc = stream_read(part->stream, step, RANGES_READ, &n, err);
		if (rc != CAH_OK)
			return rc;
		if (n == 0)
			return scan_finish(part->scan, err);
		part->at += (int64_t)n;
		rc = scan_push(part->scan, (struct slice){step, n}, err);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

/* ---- threads ---- */

/* Another thread may wait for the same slot, one round earlier. */
static bool is_free_for(const struct slot *slot, int64_t index)
{
	return slot->state == SLOT_FREE && slot->index == index;
}

/* The slot of the range with the next number, once it is free; NULL when there
 * is no more to do. */
static struct slot *take_slot(struct ranges *r, int64_t *index)
{
	struct slot *slot = NULL;
	pthread_mutex_lock(&r->lock);
	if (r->next < r->count) {
		*index = r->next++;
		slot = &r->slots[*index % r->slot_count];
		while (!is_free_for(slot, *index) && !r->is_over)
			pthread_cond_wait(&r->changed, &r->lock);
		if (r->is_over)
			slot = NULL;
		else
			slot->state = SLOT_BUSY;
	}
	pthread_mutex_unlock(&r->lock);
	return slot;
}

static void *work(void *arg)
{
	struct ranges *r = arg;
	struct slot *slot;
	int64_t index;
	char *step = malloc(RANGES_READ);
	while ((slot = take_slot(r, &index)) != NULL) {
		struct cah_error *err = &slot->err;
		int rc = part_new(&slot->part, slot, r, index, err);
		if (rc == CAH_OK && step == NULL)
			rc = cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				      r->request->location);
		if (rc == CAH_OK)
			rc = part_run(slot->part, step, err);
		pthread_mutex_lock(&r->lock);
		slot->code = rc;
		slot->state = SLOT_DONE;
		pthread_cond_broadcast(&r->changed);
		pthread_mutex_unlock(&r->lock);
	}
	free(step);
	return NULL;
}

/* ---- joining ---- */

static bool is_settled(const struct slot *slot)
{
	return slot->state == SLOT_FULL || slot->state == SLOT_DONE;
}

/* A free slot may be about to be taken. */
static enum slot_state wait_for(struct ranges *r, struct slot *slot)
{
	pthread_mutex_lock(&r->lock);
	while (!is_settled(slot))
		pthread_cond_wait(&r->changed, &r->lock);
	enum slot_state state = slot->state;
	pthread_mutex_unlock(&r->lock);
	return state;
}

/* Its thread goes on with an empty batch. */
static void resume(struct ranges *r, struct slot *slot)
{
	pthread_mutex_lock(&r->lock);
	slot->state = SLOT_BUSY;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* Leaves the slot to the next range. */
static void clear(struct ranges *r, struct slot *slot)
{
	part_free(slot->part);
	slot->part = NULL;
	slot->is_dropped = false;
	slot->code = CAH_OK;
	slot->err = (struct cah_error){0};
	buf_reset(&slot->batch);
	pthread_mutex_lock(&r->lock);
	slot->index += r->slot_count;
	slot->state = SLOT_FREE;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void drop(struct ranges *r, struct slot *slot)
{
	pthread_mutex_lock(&r->lock);
	slot->is_dropped = true;
	pthread_cond_broadcast(&r->changed);
	while (slot->state != SLOT_DONE)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
	clear(r, slot);
}

static void add_counts(struct scan_counts *to, const struct scan *scan)
{
	const struct scan_counts *from = scan_counts(scan);
	to->raw_bytes += from->raw_bytes;
	to->records += from->records;
	to->broken_records += from->broken_records;
	to->pages += from->pages;
	to->image_links += from->image_links;
	if (scan_place(scan).has_begun)
		to->is_cut = from->is_cut;
	fate_add(&to->fates, &from->fates);
}

static int deliver_batch(struct ranges *r, const struct buf *batch,
			 struct cah_error *err)
{
	struct slice rest = buf_slice(batch);
	while (rest.len > 0) {
		struct candidate c;
		unpack(&c, &rest);
		int rc = deliver(r, &c);
		if (rc != CAH_OK)
			return cah_fail(err, rc, "the scan was stopped");
	}
	return CAH_OK;
}

/* The range is the next in line: its candidates go out as they come, and its
 * part takes the place of the one before. */
static int join(struct ranges *r, struct slot *slot, struct part **last,
		struct cah_error *err)
{
	for (;;) {
		enum slot_state state = wait_for(r, slot);
		int rc = deliver_batch(r, &slot->batch, err);
		if (rc != CAH_OK)
			return rc;
		buf_reset(&slot->batch);
		if (state == SLOT_DONE)
			break;
		resume(r, slot);
	}
	if (*last != NULL)
		add_counts(&r->counts, (*last)->scan);
	part_free(*last);
	*last = slot->part;
	slot->part = NULL;
	if (slot->code != CAH_OK) {
		if (err != NULL)
			*err = slot->err;
		return slot->code;
	}
	(*last)->slot = NULL;
	clear(r, slot);
	return CAH_OK;
}

/* Whether one thread, come to the end of @last, would have gone on as the
 * slot's scan began. */
static bool is_continued(const struct part *last, const struct slot *slot)
{
	struct scan_place end = scan_place(last->scan);
	if (slot->part == NULL || slot->part->scan == NULL)
		return false;
	int64_t first = scan_place(slot->part->scan).first;
	if (!end.is_searching)
		return first == end.at;
	return first < 0 || first >= end.at;
}

static int extend(struct part *last, int64_t stop, char *step,
		  struct cah_error *err)
{
	scan_extend(last->scan, stop);
	return part_run(last, step, err);
}

static int take_range(struct ranges *r, int64_t index, struct part **last,
		      char *step, struct cah_error *err)
{
	struct slot *slot = &r->slots[index % r->slot_count];
	int64_t stop = stop_of(r, index);
	if (*last == NULL)
		return join(r, slot, last, err);
	/* The file ended, or a member went through all of this range. */
	if (!scan_is_done((*last)->scan) ||
	    scan_place((*last)->scan).at >= stop) {
		drop(r, slot);
		return CAH_OK;
	}
	(void)wait_for(r, slot);
	if (is_continued(*last, slot))
		return join(r, slot, last, err);
	drop(r, slot);
	return extend(*last, stop, step, err);
}

static int join_all(struct ranges *r, struct cah_error *err)
{
	const struct source_request *request = r->request;
	struct part *last = NULL;
	int rc = CAH_OK;
	char *step = malloc(RANGES_READ);
	if (step == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				request->location);
	for (int64_t i = 0; i < r->count && rc == CAH_OK; i++) {
		rc = take_range(r, i, &last, step, err);
		if (last == NULL)
			continue;
		int64_t done = last->at - r->scan.start;
		r->counts.packed_bytes = done;
		int64_t total = r->end - r->scan.start;
		if (rc == CAH_OK && request->progress != NULL)
			request->progress(request->arg,
					  done < total ? done : total, total);
	}
	if (last != NULL && last->scan != NULL)
		add_counts(&r->counts, last->scan);
	part_free(last);
	free(step);
	return rc;
}

/* ---- all of it ---- */

int64_t ranges_len(int64_t len, int threads)
{
	int64_t reads = len / RANGES_READ / RANGES_EACH / threads;
	reads = reads < 1 ? 1 : reads > RANGE_MAX ? RANGE_MAX : reads;
	return reads * RANGES_READ;
}

/* So many threads as can be had; none at all is a failure. */
static int start(struct ranges *r, pthread_t *threads, int wanted, int *started,
		 struct cah_error *err)
{
	*started = 0;
	while (*started < wanted) {
		int rc = pthread_create(&threads[*started], NULL, work, r);
		if (rc != 0 && *started == 0)
			return cah_fail_errno(err, rc, "cannot start a thread");
		if (rc != 0)
			break;
		(*started)++;
	}
	return CAH_OK;
}

static void stop(struct ranges *r, const pthread_t *threads, int started)
{
	pthread_mutex_lock(&r->lock);
	r->is_over = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	for (int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}

static int run(struct ranges *r, struct cah_error *err)
{
	pthread_t threads[RANGES_THREADS_MAX];
	int started;
	int rc = start(r, threads, r->slot_count - AHEAD, &started, err);
	if (rc == CAH_OK)
		rc = join_all(r, err);
	stop(r, threads, started);
	return rc;
}

static int ranges_init(struct ranges *r, struct cah_error *err)
{
	int threads = r->request->threads;
	if (threads > RANGES_THREADS_MAX)
		threads = RANGES_THREADS_MAX;
	r->slot_count = threads + AHEAD;
	r->slots = calloc((size_t)r->slot_count, sizeof(r->slots[0]));
	if (r->slots == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				r->request->location);
	for (int i = 0; i < r->slot_count; i++) {
		r->slots[i].index = i;
		buf_init(&r->slots[i].batch, BATCH_MAX);
	}
	return r->scan.has_rules ? twins_new(&r->twins, &r->scan, err) : CAH_OK;
}

int ranges_run(const struct source_request *request,
	       const struct scan_options *scan, int64_t size, int64_t range,
	       struct scan_counts *out, struct cah_error *err)
{
	struct ranges r = {.request = request, .scan = *scan, .range = range};
	r.end = scan->stop < size ? scan->stop : size;
	r.count = (r.end - scan->start + range - 1) / range;
	pthread_mutex_init(&r.lock, NULL);
	pthread_cond_init(&r.changed, NULL);
	int rc = ranges_init(&r, err);
	if (rc == CAH_OK)
		rc = run(&r, err);
	*out = r.counts;
	for (int i = 0; r.slots != NULL && i < r.slot_count; i++) {
		part_free(r.slots[i].part);
		buf_fini(&r.slots[i].batch);
	}
	free(r.slots);
	twins_free(r.twins);
	pthread_cond_destroy(&r.changed);
	pthread_mutex_destroy(&r.lock);
	return rc;
}
