/* map.h: the rows of jobs and workers that a transaction has read, each once
 * and for all its calls, which change them here (Fowler, Patterns of Enterprise
 * Application Architecture: identity map, unit of work). Rows stay where they
 * are until map_clear. */
#ifndef STORE_MAP_H
#define STORE_MAP_H

#include "base/siphash.h"
#include "store/backend.h"

struct arena;
struct store;

/* A hash table of rows. Slots of an earlier age are empty. */
struct map_index {
	struct map_slot *slots;
	size_t cap; /* a power of 2 */
	size_t count;
	uint64_t age;
};

struct map_list {
	void **rows; /* in the order in which they came */
	size_t count;
	size_t cap;
};

/* All open jobs of a range of numbers, as the database has them. */
struct map_window {
	struct map_list rows;
	int64_t from; /* behind this one */
	int64_t upto;
	bool is_end; /* there are no more behind it */
};

/* The open jobs with the lowest numbers, as the database has them. */
struct map_front {
	struct map_list rows;
	size_t at;    /* those before it are taken */
	int64_t upto; /* all up to this number are in it */
	bool is_end;  /* there are no more */
	struct job_row *freed;
	struct map_window behind; /* where those look who give one back */
};

/* A leader that the transaction made. */
struct map_leader {
	struct map_leader *next;
	enum board board;
	struct slice nickname;
	int64_t id;
};

/* Checks of jobs, for the books of their nicknames. */
struct map_check {
	struct map_check *next;
	int64_t leader;
	bool has_disagreed;
};

struct map {
	struct arena *arena;
	struct siphash_key secret;     /* of the hashes of tokens */
	struct map_index job_index;    /* by number */
	struct map_index worker_index; /* by id */
	struct map_index token_index;
	struct map_list jobs;
	struct map_list workers;
	struct map_front fronts[QUEUE_COUNT];
	struct map_leader *leaders;
	struct map_check *checks;
	bool has_minutes; /* finished jobs, not saved */
	bool has_checks;  /* jobs that were or are to be checked, not saved */
};

CAH_MUST_CHECK int map_init(struct map *map, struct cah_error *err);
void map_fini(struct map *map);

/* Forgets all rows. */
void map_clear(struct map *map);

/* Whether there is room for what one more call may touch. */
bool map_has_room(const struct map *map);

/* The worker of a token and type, of a token, or of an id.
 * Errors: CAH_ETIMEDOUT. */
CAH_MUST_CHECK int map_worker(struct store *store, struct worker_row **out,
			      struct slice token, enum worker_type type,
			      struct cah_error *err);
CAH_MUST_CHECK int map_worker_of_token(struct store *store,
				       struct worker_row **out,
				       struct slice token,
				       struct cah_error *err);
CAH_MUST_CHECK int map_worker_of_id(struct store *store,
				    struct worker_row **out, int64_t id,
				    struct cah_error *err);

/* Reads the wanted rows, if that is better done at once. */
CAH_MUST_CHECK int map_load(struct store *store, struct cah_error *err);

/* Errors: CAH_ENOTFOUND. */
CAH_MUST_CHECK int map_job(struct store *store, struct job_row **out,
			   int64_t number, struct cah_error *err);

/* Makes has_urls true. */
CAH_MUST_CHECK int map_job_urls(struct store *store, struct job_row *row,
				struct cah_error *err);

/* The open job of the lowest number behind @after, else of the lowest of all.
 * Errors: CAH_ENOJOB. */
CAH_MUST_CHECK int map_pick(struct store *store, struct job_row **out,
			    enum queue queue, int64_t after,
			    struct cah_error *err);

/* The row may be open again: the next pick looks at it. */
void map_free_job(struct map *map, struct job_row *row, enum queue queue);

/* A copy of @text that stays until map_clear. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int map_text(struct map *map, struct slice *out,
			    struct slice text, struct cah_error *err);

/* @len zeroed bytes that stay as long; NULL out of memory. */
CAH_MUST_CHECK void *map_alloc(struct map *map, size_t len);

#endif
