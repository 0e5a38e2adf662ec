/* answer.h: what trackers answer, from bytes to structs. Answers come from
 * outside: each field is checked before it is believed. Any thread. */
#ifndef CLIENT_ANSWER_H
#define CLIENT_ANSWER_H

#include "base/slice.h"

#include <cah/client.h>
#include <jansson.h>

enum {
	ANSWER_JOBS_MAX = 16,      /* pieces of one WAT; trackers make two */
	ANSWER_URL_MAX = 8192,     /* bytes */
	ANSWER_TOKEN_MAX = 1024,   /* bytes; display names too */
	ANSWER_ADDRESS_MAX = 4096, /* bytes of an upload address */
	ANSWER_FILTERS_MAX = 1024, /* bytes of all their names */
	ANSWER_TEXT_MAX = 300,     /* bytes of an error that are shown */
};

/* Of ids: whoever adds to one shall not have to look. */
#define ANSWER_ID_MAX (INT64_MAX / 2)

/* Jobs that are held: one, or all pieces of a WAT. */
struct jobs {
	struct cah_job list[ANSWER_JOBS_MAX]; /* own their urls */
	size_t count;
	bool is_wat;
};

/* Frees the urls; none are held after. */
void jobs_clear(struct jobs *jobs);

/* Adds a job from a JSON object {url, start_id, end_id, shard, number}, whose
 * url stands under @url_key. Errors: CAH_EFORMAT (which field), CAH_ELIMIT,
 * CAH_ENOMEM. */
CAH_MUST_CHECK int jobs_add(struct jobs *jobs, const json_t *object,
			    const char *url_key, struct cah_error *err);

/* A string field of at most @max bytes without NUL, borrowed from @object.
 * Errors: CAH_EFORMAT. */
CAH_MUST_CHECK int answer_text(const char **out, const json_t *object,
			       const char *key, size_t max,
			       struct cah_error *err);

/* What /api/new gives; the caller frees all with free(). */
struct answer_new {
	char *token;
	char *display_name;
	char *upload_address;
	char *filters; /* a line each */
};

/* On failure all are NULL. Errors: CAH_EFORMAT, CAH_ENOMEM. */
CAH_MUST_CHECK int answer_parse_new(struct answer_new *out, struct slice body,
				    struct cah_error *err);
void answer_new_fini(struct answer_new *answer);

/* The job of /api/newJob, into @jobs, which is empty.
 * Errors: CAH_EFORMAT, CAH_ENOMEM. */
CAH_MUST_CHECK int answer_parse_job(struct jobs *jobs, struct slice body,
				    struct cah_error *err);

/* What /api/new gives to the worker of a stage; as answer_new. */
struct answer_stage {
	char *token;
	char *display_name;
	char *project;
	char *stage_name;
};

/* On failure all four are NULL. Errors: CAH_EFORMAT, CAH_ENOMEM. */
CAH_MUST_CHECK int answer_parse_stage(struct answer_stage *out,
				      struct slice body, struct cah_error *err);
void answer_stage_fini(struct answer_stage *answer);

/* The job of a stage: @data is followed by a NUL and may hold others; NULL
 * where there is no job. */
struct answer_task {
	int64_t number;
	char *data;
	size_t len;
};

/* The job that /api/newJob gives to the worker of a stage. On failure there is
 * none. Errors: CAH_EFORMAT, CAH_ENOMEM. */
CAH_MUST_CHECK int answer_parse_task(struct answer_task *out, struct slice body,
				     struct cah_error *err);
void answer_task_fini(struct answer_task *task);

/* The pieces of /custom/lookup-wat, into @jobs, which is empty.
 * Errors: CAH_EFORMAT, CAH_ENOJOB (the tracker knows none), CAH_ENOMEM. */
CAH_MUST_CHECK int answer_parse_wat(struct jobs *jobs, struct slice body,
				    struct cah_error *err);

/* {"status": "success"}, else what "detail" says.
 * Errors: CAH_EFORMAT, CAH_ENOJOB. */
CAH_MUST_CHECK int answer_parse_status(struct slice body,
				       struct cah_error *err);

/* A bare decimal number >= 0. Errors: CAH_EFORMAT. */
CAH_MUST_CHECK int answer_parse_count(int64_t *out, struct slice body,
				      struct cah_error *err);

/* True or False. Errors: CAH_EFORMAT. */
CAH_MUST_CHECK int answer_parse_bool(bool *out, struct slice body,
				     struct cah_error *err);

/* One bare line, without the white space around it, as the caller's own;
 * *out is freed by the caller. Errors: CAH_EFORMAT (more than @max bytes, or
 * bytes that are not text), CAH_ENOMEM. */
CAH_MUST_CHECK int answer_parse_line(char **out, struct slice body, size_t max,
				     struct cah_error *err);

/* The line of an error answer that is worth showing: "detail" of a JSON object
 * or the first line of a text; "" for pages and for nothing. */
void answer_error_text(char out[ANSWER_TEXT_MAX], struct slice body);

#endif
