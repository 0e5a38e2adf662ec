/* What goes over the connection: statements out, answers in, in their order.
 *
 * Source: the manual of PostgreSQL 15, chapter 34.5 (pipeline mode), appendix A
 * (error codes). */
#include "base/clock.h"
#include "base/fail.h"
#include "store/pg.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OID_INT8 = 20, /* pg_type.dat */
	OID_TEXT = 25,
	ARGS_MAX = 40,
	INT_LEN = 24,  /* bytes of a number in text */
	NAME_LEN = 16, /* bytes of a prepared statement's name */
};

/* ---- errors ---- */

/* Another tracker was faster: the same again will do. */
static bool is_conflict(const char *state)
{
	return strcmp(state, "40P01") == 0 /* deadlock */ ||
	       strcmp(state, "40001") == 0 /* serialisation */ ||
	       strcmp(state, "23505") == 0 /* a name taken at the same time */;
}

int pg_fail(struct pg *pg, const PGresult *result, struct cah_error *err)
{
	const char *text = NULL, *state = NULL;
	if (result != NULL) {
		text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
		state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	}
	if (text == NULL)
		text = pg->db != NULL ? PQerrorMessage(pg->db)
				      : "no connection";
	pg->is_spoilt = true;
	pg->is_conflict |= state != NULL && is_conflict(state);
	/* The library's texts are lines. */
	return cah_fail(err, CAH_EUNAVAILABLE, "%s: %.*s", pg->store.path,
			(int)strcspn(text, "\n"), text);
}

static int lost(struct pg *pg, struct cah_error *err, const char *why)
{
	pg_disconnect(pg);
	pg->is_spoilt = true;
	return cah_fail(err, CAH_EUNAVAILABLE, "%s: %s", pg->store.path, why);
}

/* ---- out ---- */

static int expect(struct pg *pg, enum pg_kind kind, int stmt,
		  struct cah_error *err)
{
	if (pg->sent_count == pg->sent_cap) {
		size_t cap = pg->sent_cap * 2 + 64;
		struct pg_sent *grown =
			reallocarray(pg->sent, cap, sizeof(*grown));
		/* An answer that nobody expects: no way on from here. */
		if (grown == NULL)
			return lost(pg, err, "out of memory");
		pg->sent = grown;
		pg->sent_cap = cap;
	}
	pg->sent[pg->sent_count++] = (struct pg_sent){kind, stmt, pg->is_write};
	pg->must_sync = kind != PG_SYNC;
	return CAH_OK;
}

static int refused(struct pg *pg, struct cah_error *err)
{
	if (PQstatus(pg->db) == CONNECTION_BAD)
		return lost(pg, err, "the connection was lost");
	return pg_fail(pg, NULL, err);
}

static int check_connected(struct pg *pg, struct cah_error *err)
{
	if (pg->db != NULL)
		return CAH_OK;
	return lost(pg, err, "the connection was lost");
}

int pg_send_text(struct pg *pg, enum pg_kind kind, const char *sql,
		 struct cah_error *err)
{
	int rc = check_connected(pg, err);
	if (rc != CAH_OK)
		return rc;
	if (PQsendQueryParams(pg->db, sql, 0, NULL, NULL, NULL, NULL, 0) != 1)
		return refused(pg, err);
	return expect(pg, kind, STMT_COUNT, err);
}

static void name_of(char out[NAME_LEN], const struct pg *pg, int stmt)
{
	(void)snprintf(out, NAME_LEN, "%c%d", pg->is_write ? 'w' : 'r', stmt);
}

/* The types are those of the first arguments that came. *is_empty where
 * PostgreSQL has nothing to do. */
static int prepare(struct pg *pg, bool *is_empty, int stmt,
		   const struct arg *args, size_t count, struct cah_error *err)
{
	*is_empty = false;
	if (pg->is_prepared[pg->is_write][stmt])
		return CAH_OK;
	char name[NAME_LEN];
	Oid types[ARGS_MAX];
	for (size_t i = 0; i < count; i++)
		types[i] = args[i].is_text ? OID_TEXT : OID_INT8;
	name_of(name, pg, stmt);
	struct buf text;
	buf_init(&text, PG_TEXT_MAX);
	pg_text(&text, stmt, pg->is_write, pg->slot);
	int rc = buf_check(&text, "statement", err);
	*is_empty = rc == CAH_OK && text.len == 0;
	if (rc == CAH_OK && !*is_empty) {
		rc = PQsendPrepare(pg->db, name, text.data, (int)count, types)
			     ? expect(pg, PG_PREPARE, stmt, err)
			     : refused(pg, err);
		/* Told otherwise by the answer. */
		pg->is_prepared[pg->is_write][stmt] = rc == CAH_OK;
	}
	buf_fini(&text);
	return rc;
}

int pg_send(struct pg *pg, enum pg_kind kind, int stmt, const struct arg *args,
	    size_t count, struct cah_error *err)
{
	bool is_empty;
	int rc = check_connected(pg, err);
	if (rc == CAH_OK)
		rc = prepare(pg, &is_empty, stmt, args, count, err);
	if (rc != CAH_OK || is_empty)
		return rc;
	char name[NAME_LEN], numbers[ARGS_MAX][INT_LEN];
	const char *values[ARGS_MAX];
	char *texts[ARGS_MAX];
	size_t text_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (args[i].is_text) {
			/* The library wants a NUL behind it. */
			char *copy = strndup(
				args[i].text.len > 0 ? args[i].text.data : "",
				args[i].text.len);
			if (copy == NULL)
				rc = cah_fail(err, CAH_ENOMEM, "%s",
					      pg->store.path);
			else
				texts[text_count++] = copy;
			values[i] = copy;
		} else {
			(void)snprintf(numbers[i], INT_LEN, "%" PRId64,
				       args[i].number);
			values[i] = numbers[i];
		}
	}
	name_of(name, pg, stmt);
	if (rc == CAH_OK && PQsendQueryPrepared(pg->db, name, (int)count,
						values, NULL, NULL, 0) != 1)
		rc = refused(pg, err);
	else if (rc == CAH_OK)
		rc = expect(pg, kind, stmt, err);
	while (text_count > 0)
		free(texts[--text_count]);
	return rc;
}

/* ---- in ---- */

/* Sends what is left and waits until an answer is here whole. */
static int wait_for(struct pg *pg, int64_t deadline_ms, struct cah_error *err)
{
	while (PQisBusy(pg->db)) {
		int unsent = PQflush(pg->db);
		if (unsent < 0)
			return lost(pg, err, "the connection was lost");
		struct pollfd p = {
			.fd = PQsocket(pg->db),
			.events = (short)(POLLIN | (unsent ? POLLOUT : 0))};
		int64_t now_ms = clock_now_ms();
		int64_t left = deadline_ms - now_ms;
		if (left <= 0 || store_is_late(&pg->store, now_ms))
			return lost(pg, err, "the server does not answer");
		if (left > STORE_LOOK_MS)
			left = STORE_LOOK_MS;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return lost(pg, err, strerror(errno));
		if (p.revents & ~POLLOUT && PQconsumeInput(pg->db) != 1)
			return lost(pg, err, "the connection was lost");
	}
	return CAH_OK;
}

static void keep(struct pg *pg, const struct pg_sent *sent, PGresult *result)
{
	if (sent->kind == PG_NOW) {
		pg->now_s = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
		pg->has_now = true;
	} else if (sent->kind == PG_TRY) {
		pg->drives = PQgetvalue(result, 0, 0)[0] == 't';
		pg->driven_ms = clock_now_ms();
	} else if (sent->kind == PG_ROWS) {
		PQclear(pg->rows[sent->stmt]);
		pg->rows[sent->stmt] = result;
		pg->row[sent->stmt] = 0;
		return;
	}
	PQclear(result);
}

/* The first failure is the cause of those that follow. */
static int take_in(struct pg *pg, const struct pg_sent *sent, PGresult *result,
		   int rc, struct cah_error *err)
{
	ExecStatusType status = PQresultStatus(result);
	bool has_row = status == PGRES_TUPLES_OK &&
		       (sent->kind == PG_ROWS || PQntuples(result) > 0 ||
			(sent->kind != PG_NOW && sent->kind != PG_TRY));
	if (has_row || status == PGRES_COMMAND_OK ||
	    status == PGRES_PIPELINE_SYNC) {
		keep(pg, sent, result);
		return rc;
	}
	if (sent->kind == PG_PREPARE)
		pg->is_prepared[sent->is_write][sent->stmt] = false;
	if (rc == CAH_OK && status == PGRES_TUPLES_OK)
		rc = cah_fail(err, CAH_EUNAVAILABLE, "%s: its clock is gone",
			      pg->store.path);
	else if (rc == CAH_OK)
		rc = pg_fail(pg, result, err);
	pg->is_spoilt = true;
	PQclear(result);
	return rc;
}

int pg_hand_over(struct pg *pg, struct cah_error *err)
{
	int rc = check_connected(pg, err);
	if (rc != CAH_OK || !pg->must_sync)
		return rc;
	/* Sends what was kept back, too. */
	if (PQpipelineSync(pg->db) != 1)
		return refused(pg, err);
	return expect(pg, PG_SYNC, STMT_COUNT, err);
}

int pg_settle(struct pg *pg, struct cah_error *err)
{
	int rc = pg_hand_over(pg, err);
	if (rc != CAH_OK)
		return rc;
	int64_t deadline_ms = clock_now_ms() + PG_ANSWER_MS;
	while (pg->sent_at < pg->sent_count) {
		const struct pg_sent sent = pg->sent[pg->sent_at];
		int waited = wait_for(pg, deadline_ms, err);
		if (waited != CAH_OK)
			return waited;
		PGresult *result = PQgetResult(pg->db);
		if (result == NULL)
			return refused(pg, err);
		rc = take_in(pg, &sent, result, rc, err);
		/* The rest of the answers went with it. */
		if (rc != CAH_OK && PQstatus(pg->db) == CONNECTION_BAD) {
			pg_disconnect(pg);
			return rc;
		}
		/* Behind each but a sync comes a NULL. */
		if (sent.kind != PG_SYNC) {
			waited = wait_for(pg, deadline_ms, err);
			if (waited != CAH_OK)
				return waited;
			PQclear(PQgetResult(pg->db));
		}
		pg->sent_at++;
	}
	pg->sent_at = pg->sent_count = 0;
	return rc;
}

void pg_clear_rows(struct pg *pg)
{
	for (int i = 0; i < PG_STMT_COUNT; i++) {
		PQclear(pg->rows[i]);
		pg->rows[i] = NULL;
	}
}

const char *pg_value(const struct pg *pg, int stmt, int column)
{
	/* No row: as SQLite has it, all is NULL. */
	const PGresult *rows = pg->rows[stmt];
	if (rows == NULL || pg->row[stmt] >= PQntuples(rows))
		return "";
	return PQgetvalue(rows, pg->row[stmt], column);
}
