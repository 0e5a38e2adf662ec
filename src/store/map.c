/* Rows in memory, for one transaction. Nothing is taken out of the hash tables
 * one by one; clearing them makes a new age. */
#include "store/map.h"
#include "base/arena.h"
#include "base/fail.h"
#include "base/siphash.h"
#include "store/store_priv.h"

#include <stdlib.h>

enum {
	ARENA_MAX =
		256 << 20,   /* bytes; a group of usual size has some 100 kB */
	USED_MAX = 64 << 20, /* of them before a call, else it saves first */
	ROWS_MAX = 8192,     /* the same */
	PICK_MIN = 4,        /* rows of a further look for open jobs */
	PICK_MAX = 256,
};

struct map_slot {
	uint64_t hash;
	uint64_t age;
	void *row;
};

/* ---- memory ---- */

static int fail_memory(struct cah_error *err)
{
	return cah_fail(err, CAH_ENOMEM, "out of memory");
}

int map_init(struct map *map, struct cah_error *err)
{
	siphash_key_new(&map->secret);
	map->job_index.age = 1;
	map->worker_index.age = 1;
	map->token_index.age = 1;
	return arena_new(&map->arena, ARENA_MAX, err);
}

void map_fini(struct map *map)
{
	free(map->job_index.slots);
	free(map->worker_index.slots);
	free(map->token_index.slots);
	free(map->jobs.rows);
	free(map->workers.rows);
	for (int i = 0; i < QUEUE_COUNT; i++) {
		free(map->fronts[i].rows.rows);
		free(map->fronts[i].behind.rows.rows);
	}
	arena_free(map->arena);
}

static void clear_index(struct map_index *index)
{
	index->count = 0;
	index->age++;
}

static void open_window(struct map_window *window, int64_t from)
{
	window->rows.count = 0;
	window->from = window->upto = from;
	window->is_end = false;
}

void map_clear(struct map *map)
{
	clear_index(&map->job_index);
	clear_index(&map->worker_index);
	clear_index(&map->token_index);
	map->jobs.count = 0;
	map->workers.count = 0;
	for (int i = 0; i < QUEUE_COUNT; i++) {
		struct map_front *front = &map->fronts[i];
		front->rows.count = 0;
		front->at = 0;
		front->upto = 0;
		front->is_end = false;
		front->freed = NULL;
		open_window(&front->behind, 0);
	}
	map->leaders = NULL;
	map->checks = NULL;
	map->has_minutes = false;
	map->has_checks = false;
	arena_reset(map->arena);
}

bool map_has_room(const struct map *map)
{
	return map->jobs.count + map->workers.count < ROWS_MAX &&
	       arena_used(map->arena) < USED_MAX;
}

void *map_alloc(struct map *map, size_t len)
{
	void *out = arena_alloc(map->arena, len);
	if (out != NULL)
		memset(out, 0, len);
	return out;
}

int map_text(struct map *map, struct slice *out, struct slice text,
	     struct cah_error *err)
{
	*out = SLICE("");
	if (text.len == 0)
		return CAH_OK;
	char *copy = arena_alloc(map->arena, text.len);
	if (copy == NULL)
		return fail_memory(err);
	memcpy(copy, text.data, text.len);
	*out = (struct slice){copy, text.len};
	return CAH_OK;
}

/* ---- hash tables ---- */

/* Spreads the bits of @x (Vigna's splitmix64). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static uint64_t hash_number(int64_t number)
{
	return mix((uint64_t)number);
}

static uint64_t hash_token(const struct map *map, struct slice token)
{
	return siphash(&map->secret, token);
}

static int grow_index(struct map_index *index, struct cah_error *err)
{
	size_t cap = index->cap > 0 ? 2 * index->cap : 64;
	struct map_slot *slots = calloc(cap, sizeof(*slots));
	if (slots == NULL)
		return fail_memory(err);
	for (size_t i = 0; i < index->cap; i++) {
		const struct map_slot *old = &index->slots[i];
		if (old->age != index->age)
			continue;
		size_t at = old->hash & (cap - 1);
		while (slots[at].row != NULL)
			at = (at + 1) & (cap - 1);
		slots[at] = *old;
	}
	free(index->slots);
	index->slots = slots;
	index->cap = cap;
	return CAH_OK;
}

static int add_to_index(struct map_index *index, uint64_t hash, void *row,
			struct cah_error *err)
{
	if (index->count * 2 >= index->cap) {
		int rc = grow_index(index, err);
		if (rc != CAH_OK)
			return rc;
	}
	size_t at = hash & (index->cap - 1);
	while (index->slots[at].age == index->age)
		at = (at + 1) & (index->cap - 1);
	index->slots[at] = (struct map_slot){hash, index->age, row};
	index->count++;
	return CAH_OK;
}

/* The rows of a hash, one after the other, are those from *at on; NULL behind
 * the last. */
static void *next_of(const struct map_index *index, uint64_t hash, size_t *at)
{
	if (index->cap == 0)
		return NULL;
	for (;; (*at)++) {
		const struct map_slot *slot =
			&index->slots[*at & (index->cap - 1)];
		if (slot->age != index->age)
			return NULL;
		if (slot->hash == hash) {
			(*at)++;
			return slot->row;
		}
	}
}

static int append(struct map_list *list, void *row, struct cah_error *err)
{
	if (list->count == list->cap) {
		size_t cap = list->cap > 0 ? 2 * list->cap : 64;
		void **rows = realloc(list->rows, cap * sizeof(*rows));
		if (rows == NULL)
			return fail_memory(err);
		list->rows = rows;
		list->cap = cap;
	}
	list->rows[list->count++] = row;
	return CAH_OK;
}

/* ---- workers ---- */

static struct worker_row *worker_of_id(const struct map *map, int64_t id)
{
	uint64_t hash = hash_number(id);
	size_t at = hash;
	struct worker_row *row;
	do
		row = next_of(&map->worker_index, hash, &at);
	while (row != NULL && row->id != id);
	return row;
}

static struct worker_row *worker_of_token(const struct map *map,
					  struct slice token)
{
	uint64_t hash = hash_token(map, token);
	size_t at = hash;
	struct worker_row *row;
	do
		row = next_of(&map->token_index, hash, &at);
	while (row != NULL && memcmp(row->token, token.data, token.len) != 0);
	return row;
}

/* An unknown token has no id. */
static int add_worker(struct map *map, struct worker_row *row,
		      struct cah_error *err)
{
	int rc = add_to_index(&map->token_index,
			      hash_token(map, slice_of(row->token)), row, err);
	if (rc == CAH_OK && row->id != 0)
		rc = add_to_index(&map->worker_index, hash_number(row->id), row,
				  err);
	return rc != CAH_OK ? rc : append(&map->workers, row, err);
}

int map_put_worker(struct store *store, const struct worker_row *row,
		   struct cah_error *err)
{
	struct map *map = &store->map;
	if (worker_of_token(map, slice_of(row->token)) != NULL)
		return CAH_OK;
	struct worker_row *copy = arena_alloc(map->arena, sizeof(*copy));
	if (copy == NULL)
		return fail_memory(err);
	*copy = *row;
	copy->is_dirty = copy->sets_alive = copy->sets_progress = false;
	return add_worker(map, copy, err);
}

/* That nobody has the token is worth to be known, too. */
static int put_nobody(struct store *store, struct slice token,
		      struct cah_error *err)
{
	struct worker_row row = {.is_gone = true};
	memcpy(row.token, token.data, STORE_TOKEN_LEN);
	return map_put_worker(store, &row, err);
}

/* The first row of a query for one. */
static int read_worker(struct store *store, enum stmt s, struct arg arg,
		       struct cah_error *err)
{
	int rc = store_start(store, s, &arg, 1, err);
	if (rc == 0 && arg.is_text)
		return put_nobody(store, arg.text, err);
	if (rc <= 0)
		return rc;
	struct worker_row row = {
		.id = store_int(store, s, 0),
		.type = (enum worker_type)store_int(store, s, 1),
		.job = store_int(store, s, 2),
		.jobs_completed = store_int(store, s, 3),
		.alive_s = store_int(store, s, 4),
		.last_seen_s = store_int(store, s, 5),
	};
	store_text(store, s, 6, row.token, sizeof(row.token));
	store_text(store, s, 7, row.nickname, sizeof(row.nickname));
	return map_put_worker(store, &row, err);
}

static int fail_worker(struct cah_error *err)
{
	return cah_fail(err, CAH_ETIMEDOUT,
			"the worker is unknown or timed out");
}

/* What it is a prefix of could be found by its beginning alone. */
static bool is_token(struct slice token)
{
	return token.len == STORE_TOKEN_LEN &&
	       memchr(token.data, '\0', token.len) == NULL;
}

int map_worker_of_token(struct store *store, struct worker_row **out,
			struct slice token, struct cah_error *err)
{
	*out = NULL;
	if (!is_token(token))
		return fail_worker(err);
	struct worker_row *row = worker_of_token(&store->map, token);
	if (row == NULL) {
		int rc = read_worker(store, STMT_WORKER_LOAD, arg_text(token),
				     err);
		if (rc != CAH_OK)
			return rc;
		row = worker_of_token(&store->map, token);
	}
	if (row == NULL || row->is_gone)
		return fail_worker(err);
	*out = row;
	return CAH_OK;
}

int map_worker(struct store *store, struct worker_row **out, struct slice token,
	       enum worker_type type, struct cah_error *err)
{
	int rc = map_worker_of_token(store, out, token, err);
	if (rc != CAH_OK || *out == NULL || (*out)->type == type)
		return rc;
	*out = NULL;
	return fail_worker(err);
}

int map_worker_of_id(struct store *store, struct worker_row **out, int64_t id,
		     struct cah_error *err)
{
	*out = NULL;
	struct worker_row *row = worker_of_id(&store->map, id);
	if (row == NULL) {
		int rc = read_worker(store, STMT_WORKER_LOAD_ID, arg_int(id),
				     err);
		if (rc != CAH_OK)
			return rc;
		row = worker_of_id(&store->map, id);
	}
	if (row == NULL || row->is_gone)
		return fail_worker(err);
	*out = row;
	return CAH_OK;
}

/* ---- jobs ---- */

static struct job_row *job_of(const struct map *map, int64_t number)
{
	uint64_t hash = hash_number(number);
	size_t at = hash;
	struct job_row *row;
	do
		row = next_of(&map->job_index, hash, &at);
	while (row != NULL && row->number != number);
	return row;
}

static int set_urls(struct map *map, struct job_row *row, struct slice url,
		    struct slice gpu_url, struct cah_error *err)
{
	int rc = map_text(map, &row->url, url, err);
	/* One that was changed here is newer. */
	if (rc == CAH_OK && !row->sets_gpu_url)
		rc = map_text(map, &row->gpu_url, gpu_url, err);
	row->has_urls = rc == CAH_OK;
	return rc;
}

static int put_job(struct map *map, struct job_row **out,
		   const struct job_row *row, struct cah_error *err)
{
	int rc = CAH_OK;
	struct job_row *copy = job_of(map, row->number);
	if (copy == NULL) {
		copy = map_alloc(map, sizeof(*copy));
		if (copy == NULL)
			return fail_memory(err);
		copy->number = row->number;
		copy->state = copy->saved.state = row->state;
		copy->pairs = copy->saved.pairs = row->pairs;
		copy->holder = row->holder;
		copy->maker = copy->saved.maker = row->maker;
		copy->closer = copy->saved.closer = row->closer;
		copy->minute = copy->saved.minute = row->minute;
		rc = add_to_index(&map->job_index, hash_number(row->number),
				  copy, err);
		if (rc == CAH_OK)
			rc = append(&map->jobs, copy, err);
	}
	if (rc == CAH_OK && row->has_urls && !copy->has_urls)
		rc = set_urls(map, copy, row->url, row->gpu_url, err);
	*out = copy;
	return rc;
}

int map_put_job(struct store *store, const struct job_row *row,
		struct cah_error *err)
{
	struct job_row *copy;
	return put_job(&store->map, &copy, row, err);
}

static void fill_job(struct store *store, enum stmt s, struct job_row *row)
{
	*row = (struct job_row){
		.number = store_int(store, s, 0),
		.state = (enum job_state)store_int(store, s, 1),
		.pairs = store_int(store, s, 2),
		.holder = store_int(store, s, 3),
		.maker = store_int(store, s, 4),
		.closer = store_int(store, s, 5),
		.minute = store_int(store, s, 6),
	};
}

int map_job(struct store *store, struct job_row **out, int64_t number,
	    struct cah_error *err)
{
	enum stmt s = STMT_JOB_LOAD;
	*out = job_of(&store->map, number);
	if (*out != NULL)
		return CAH_OK;
	int rc = store_start(store, s, STORE_ARGS(arg_int(number)), err);
	if (rc == 0)
		return cah_fail(err, CAH_ENOTFOUND, "there is no job %lld",
				(long long)number);
	if (rc < 0)
		return rc;
	struct job_row row;
	fill_job(store, s, &row);
	return put_job(&store->map, out, &row, err);
}

int map_job_urls(struct store *store, struct job_row *row,
		 struct cah_error *err)
{
	enum stmt s = STMT_JOB_URLS;
	char url[STORE_URL_MAX + 1], gpu_url[STORE_URL_MAX + 1];
	if (row->has_urls)
		return CAH_OK;
	int rc = store_start(store, s, STORE_ARGS(arg_int(row->number)), err);
	if (rc == 0)
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s: job %lld has no WAT", store->path,
				(long long)row->number);
	if (rc < 0)
		return rc;
	store_text(store, s, 0, url, sizeof(url));
	store_text(store, s, 1, gpu_url, sizeof(gpu_url));
	return set_urls(&store->map, row, slice_of(url), slice_of(gpu_url),
			err);
}

/* ---- open jobs ---- */

static enum job_state state_of(enum queue queue)
{
	return queue == QUEUE_GPU ? JOB_GPU_OPEN : JOB_OPEN;
}

int map_put_open(struct store *store, enum queue queue,
		 const struct job_row *row, struct cah_error *err)
{
	struct map_front *front = &store->map.fronts[queue];
	struct job_row *copy = NULL;
	int rc = put_job(&store->map, &copy, row, err);
	if (rc == CAH_OK)
		rc = append(&front->rows, copy, err);
	if (rc == CAH_OK)
		front->upto = row->number;
	return rc;
}

void map_free_job(struct map *map, struct job_row *row, enum queue queue)
{
	if (row->is_freed[queue])
		return;
	row->is_freed[queue] = true;
	row->next_freed[queue] = map->fronts[queue].freed;
	map->fronts[queue].freed = row;
}

/* The lowest of those given back behind @after, or NULL. Drops those that are
 * taken again. */
static struct job_row *pick_freed(struct map *map, enum queue queue,
				  int64_t after)
{
	struct job_row *best = NULL;
	struct job_row **at = &map->fronts[queue].freed;
	while (*at != NULL) {
		struct job_row *row = *at;
		if (row->state != state_of(queue)) {
			row->is_freed[queue] = false;
			*at = row->next_freed[queue];
			continue;
		}
		if (row->number > after &&
		    (best == NULL || row->number < best->number))
			best = row;
		at = &row->next_freed[queue];
	}
	return best;
}

/* Reads up to @count open jobs behind *after to the end of @rows; *after is the
 * last of them. Returns how many the database had, or an error. */
static int read_open(struct store *store, struct map_list *rows,
		     enum queue queue, int64_t *after, int count,
		     struct cah_error *err)
{
	enum stmt s = queue == QUEUE_GPU ? STMT_JOB_PICK_GPU : STMT_JOB_PICK;
	char url[STORE_URL_MAX + 1], gpu_url[STORE_URL_MAX + 1];
	int n = 0;
	int rc = store_start(store, s,
			     STORE_ARGS(arg_int(*after), arg_int(count)), err);
	for (; rc == 1; rc = store_next(store, s, err)) {
		struct job_row row;
		fill_job(store, s, &row);
		store_text(store, s, 7, url, sizeof(url));
		store_text(store, s, 8, gpu_url, sizeof(gpu_url));
		row.has_urls = true;
		row.url = slice_of(url);
		row.gpu_url = slice_of(gpu_url);
		*after = row.number;
		n++;
		struct job_row *copy = NULL;
		rc = put_job(&store->map, &copy, &row, err);
		if (rc == CAH_OK)
			rc = append(rows, copy, err);
		if (rc != CAH_OK)
			return rc;
	}
	return rc < 0 ? rc : n;
}

/* As many as are still wanted, and more and more if that was too few. */
static int read_front(struct store *store, enum queue queue,
		      struct cah_error *err)
{
	struct map_front *front = &store->map.fronts[queue];
	size_t had = front->rows.count;
	size_t wanted = store->wants.open[queue];
	size_t count = wanted > had ? wanted - had : had;
	if (count > PICK_MAX)
		count = PICK_MAX;
	if (count == 0)
		count = 1;
	int n = read_open(store, &front->rows, queue, &front->upto, (int)count,
			  err);
	if (n < 0)
		return n;
	front->is_end = (size_t)n < count;
	return CAH_OK;
}

/* *out is NULL where the database has none. */
static int pick_lowest(struct store *store, struct job_row **out,
		       enum queue queue, struct cah_error *err)
{
	struct map_front *front = &store->map.fronts[queue];
	*out = NULL;
	for (;;) {
		while (front->at < front->rows.count) {
			struct job_row *row = front->rows.rows[front->at];
			if (row->state == state_of(queue)) {
				*out = row;
				return CAH_OK;
			}
			front->at++;
		}
		if (front->is_end)
			return CAH_OK;
		int rc = read_front(store, queue, err);
		if (rc != CAH_OK)
			return rc;
	}
}

static int64_t number_at(const struct map_list *rows, size_t i)
{
	return ((const struct job_row *)rows->rows[i])->number;
}

/* The window begins at @after from now on: it stays where nothing is open in
 * between. */
static int move_window(struct store *store, enum queue queue, int64_t after,
		       struct cah_error *err)
{
	struct map_window *window = &store->map.fronts[queue].behind;
	struct map_list *rows = &window->rows;
	if (after > window->upto || rows->count == 0) {
		open_window(window, after);
		return CAH_OK;
	}
	int64_t next = after;
	int n = read_open(store, rows, queue, &next, 1, err);
	if (n < 0)
		return n;
	rows->count -= (size_t)n;
	if (n > 0 && next < number_at(rows, 0))
		open_window(window, after);
	window->from = after;
	return CAH_OK;
}

/* Each would read what the others of its group have taken once more; so what
 * was read stays in a window. */
static int look_behind(struct store *store, struct job_row **out,
		       enum queue queue, int64_t after, struct cah_error *err)
{
	struct map_window *window = &store->map.fronts[queue].behind;
	struct map_list *rows = &window->rows;
	int rc = CAH_OK;
	if (after < window->from || after > window->upto)
		rc = move_window(store, queue, after, err);
	size_t i = 0;
	for (size_t end = rows->count; rc == CAH_OK && i < end;) {
		size_t middle = (i + end) / 2;
		if (number_at(rows, middle) > after)
			end = middle;
		else
			i = middle + 1;
	}
	while (rc == CAH_OK) {
		for (; i < rows->count; i++) {
			*out = rows->rows[i];
			if ((*out)->state == state_of(queue))
				return CAH_OK;
		}
		*out = NULL;
		if (window->is_end)
			return CAH_OK;
		int count = rows->count < PICK_MIN   ? PICK_MIN
			    : rows->count > PICK_MAX ? PICK_MAX
						     : (int)rows->count;
		int n = read_open(store, rows, queue, &window->upto, count,
				  err);
		window->is_end = n < count;
		rc = n < 0 ? n : CAH_OK;
	}
	return rc;
}

static int pick_behind(struct store *store, struct job_row **out,
		       enum queue queue, int64_t after, struct cah_error *err)
{
	const struct map_front *front = &store->map.fronts[queue];
	*out = NULL;
	for (size_t i = front->at; i < front->rows.count; i++) {
		struct job_row *row = front->rows.rows[i];
		if (row->number > after && row->state == state_of(queue)) {
			*out = row;
			return CAH_OK;
		}
	}
	if (front->is_end)
		return CAH_OK;
	if (after < front->upto)
		after = front->upto;
	return look_behind(store, out, queue, after, err);
}

int map_pick(struct store *store, struct job_row **out, enum queue queue,
	     int64_t after, struct cah_error *err)
{
	struct job_row *freed = NULL;
	int rc = CAH_OK;
	*out = NULL;
	if (after > 0) {
		freed = pick_freed(&store->map, queue, after);
		rc = pick_behind(store, out, queue, after, err);
	}
	if (rc == CAH_OK && *out == NULL && freed == NULL) {
		freed = pick_freed(&store->map, queue, 0);
		rc = pick_lowest(store, out, queue, err);
	}
	if (rc != CAH_OK)
		return rc;
	if (*out == NULL || (freed != NULL && freed->number < (*out)->number))
		*out = freed;
	return *out != NULL ? CAH_OK
			    : cah_fail(err, CAH_ENOJOB, "no job is open");
}

/* ---- at once ---- */

int map_load(struct store *store, struct cah_error *err)
{
	struct wants *wants = &store->wants;
	bool is_any = wants->token_count > 0;
	for (int i = 0; i < QUEUE_COUNT; i++)
		is_any |= wants->open[i] > 0;
	if (!is_any || store->backend->load == NULL)
		return CAH_OK;
	int rc = store->backend->load(store, wants, err);
	for (size_t i = 0; i < wants->token_count && rc == CAH_OK; i++)
		rc = put_nobody(store, wants->tokens[i], err);
	for (int i = 0; i < QUEUE_COUNT; i++)
		store->map.fronts[i].is_end =
			wants->open[i] > 0 &&
			store->map.fronts[i].rows.count < wants->open[i];
	return rc;
}
