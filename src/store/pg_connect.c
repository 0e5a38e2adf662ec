/* The connection: made, checked, and made again.
 *
 * Source: the manual of PostgreSQL 15, chapter 34.1 (connecting), 20
 * (settings), 13.3.5 (advisory locks: gone with their connection, however that
 * ends). */
#include "base/clock.h"
#include "base/fail.h"
#include "base/table.h"
#include "store/pg.h"

#include <inttypes.h>
#include <string.h>

_Static_assert(PG_CONNECT_S == 3 && PG_UNSENT_MS == 10000,
	       "as the parameters below have them");

/* ---- settings ---- */

/* In front of the URI: it may say otherwise. Behind: it may not. */
static PGconn *connect_to(const char *uri)
{
	static const char *const names[] = {"connect_timeout",
					    "tcp_user_timeout",
					    "keepalives_idle",
					    "fallback_application_name",
					    "dbname",
					    "client_encoding",
					    NULL};
	const char *const values[] = {"3", "10000", "10", "cah",
				      uri, "UTF8",  NULL};
	return PQconnectdbParams(names, values, 1);
}

static PGPing ping(const char *uri)
{
	static const char *const names[] = {"connect_timeout", "dbname", NULL};
	const char *const values[] = {"3", uri, NULL};
	return PQpingParams(names, values, 1);
}

/* The server's notices would go to stderr. */
static void ignore(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}

/* A commit must be on the disk when it is answered; where the server waits for
 * more than that, it may. */
static int check_durable(struct pg *pg, struct cah_error *err)
{
	return pg_ask(pg, NULL, err,
		      "SELECT CASE WHEN current_setting('synchronous_commit') "
		      "IN ('off', 'local') "
		      "THEN set_config('synchronous_commit', 'on', false) END");
}

static int set_limits(struct pg *pg, struct cah_error *err)
{
	/* Each of our statements finds its rows by an index, however many there
	 * are, and is planned once. The last four: what was held by a machine
	 * that is gone is free after a while. */
	return pg_ask(
		pg, NULL, err,
		"SET statement_timeout = %d; SET lock_timeout = 0; "
		"SET jit = off; SET plan_cache_mode = force_generic_plan; "
		"SET enable_seqscan = off; SET enable_hashjoin = off; "
		"SET enable_mergejoin = off; "
		"SET tcp_keepalives_idle = 10; "
		"SET tcp_keepalives_interval = 5; "
		"SET tcp_keepalives_count = 3; "
		"SET idle_in_transaction_session_timeout = %d",
		PG_STATEMENT_MS, pg->is_tracker ? PG_IDLE_MS : 0);
}

static int check_server(struct pg *pg, struct cah_error *err)
{
	if (PQserverVersion(pg->db) < PG_SERVER_MIN)
		return cah_fail(err, CAH_EFORMAT,
				"%s: its server is version %d, %d is the least",
				pg->store.path, PQserverVersion(pg->db) / 10000,
				PG_SERVER_MIN / 10000);
	const char *encoding = PQparameterStatus(pg->db, "server_encoding");
	if (encoding == NULL || strcmp(encoding, "UTF8") != 0)
		return cah_fail(err, CAH_EFORMAT,
				"%s is a database in %s, it must be UTF8",
				pg->store.path,
				encoding != NULL ? encoding : "no encoding");
	return CAH_OK;
}

/* ---- a slot ---- */

static int take_slot(struct pg *pg, struct cah_error *err)
{
	int rc = pg_ask(pg, &pg->slot, err,
			"SELECT slot FROM generate_series(1, %d) AS slot "
			"WHERE pg_try_advisory_lock("
			"current_schema()::regnamespace::oid::int4, %d + slot) "
			"LIMIT 1",
			PG_SLOT_MAX, PG_LOCK_SLOT);
	if (rc == CAH_OK && pg->slot == 0)
		rc = cah_fail(err, CAH_EUNAVAILABLE,
			      "%s has %d trackers, which is the most",
			      pg->store.path, PG_SLOT_MAX);
	return rc != CAH_OK
		       ? rc
		       : pg_ask(pg, NULL, err,
				"INSERT INTO counts (slot) VALUES (%" PRId64
				") ON CONFLICT DO NOTHING",
				pg->slot);
}

/* Statements have the slot in them. */
static int become_tracker(struct pg *pg, struct cah_error *err)
{
	memset(pg->is_prepared, 0, sizeof(pg->is_prepared));
	int rc = pg_ask(pg, NULL, err, "DEALLOCATE ALL");
	if (rc == CAH_OK)
		rc = set_limits(pg, err);
	return rc == CAH_OK ? take_slot(pg, err) : rc;
}

int pg_claim(struct store *store, struct cah_error *err)
{
	struct pg *pg = pg_of(store);
	if (pg->is_tracker)
		return CAH_OK;
	pthread_mutex_lock(&store->lock);
	/* Where there is no connection, the next one takes it. */
	pg->is_tracker = true;
	store->has_clock = true;
	int rc = CAH_OK;
	if (pg->db != NULL && pg->sent_count > 0)
		rc = pg_settle(pg, err);
	if (rc == CAH_OK && pg->db != NULL) {
		(void)PQexitPipelineMode(pg->db);
		rc = become_tracker(pg, err);
		if (pg->db != NULL && PQenterPipelineMode(pg->db) != 1)
			pg_disconnect(pg);
	}
	pg->is_tracker = store->has_clock = rc == CAH_OK;
	pthread_mutex_unlock(&store->lock);
	return rc;
}

/* ---- making and ending ---- */

void pg_disconnect(struct pg *pg)
{
	PQfinish(pg->db);
	pg->db = NULL;
	pg->sent_at = pg->sent_count = 0;
	pg->must_sync = false;
	pg->drives = false;
	pg->tried_ms = 0;
	pg->slot = 0;
	memset(pg->is_prepared, 0, sizeof(pg->is_prepared));
}

static int set_up(struct pg *pg, struct cah_error *err)
{
	PQsetNoticeReceiver(pg->db, ignore, NULL);
	int rc = check_server(pg, err);
	if (rc == CAH_OK)
		rc = check_durable(pg, err);
	if (rc == CAH_OK)
		rc = pg_prepare_schema(pg, err);
	if (rc == CAH_OK)
		rc = pg->is_tracker ? become_tracker(pg, err)
				    : set_limits(pg, err);
	if (rc == CAH_OK && (PQsetnonblocking(pg->db, 1) != 0 ||
			     PQenterPipelineMode(pg->db) != 1))
		rc = pg_fail(pg, NULL, err);
	return rc;
}

/* The server answers but does not want us (a password, a name), or it is not
 * to be had for now. */
static int tell_why(struct pg *pg, struct cah_error *err)
{
	int rc = pg_fail(pg, NULL, err);
	PGPing state = pg->was_connected ? PQPING_NO_RESPONSE : ping(pg->uri);
	pg->is_away = state == PQPING_NO_RESPONSE || state == PQPING_REJECT;
	return rc;
}

int pg_connect(struct pg *pg, struct cah_error *err)
{
	if (pg->db != NULL)
		return CAH_OK;
	int64_t now_ms = clock_now_ms();
	if (now_ms < pg->retry_ms ||
	    store_is_late(&pg->store, now_ms + PG_CONNECT_S * 1000))
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s: no connection for now", pg->store.path);
	pg->db = connect_to(pg->uri);
	int rc;
	if (PQstatus(pg->db) != CONNECTION_OK)
		rc = tell_why(pg, err);
	else
		rc = set_up(pg, err);
	if (rc == CAH_OK) {
		/* It may be another database by now. */
		table_clear(pg->store.leader_ids);
		pg->was_connected = true;
		pg->wait_ms = 0;
		pg->is_spoilt = false;
		return CAH_OK;
	}
	pg_disconnect(pg);
	pg->wait_ms = pg->wait_ms == 0 ? PG_AGAIN_MIN_MS : pg->wait_ms * 2;
	if (pg->wait_ms > PG_AGAIN_MAX_MS)
		pg->wait_ms = PG_AGAIN_MAX_MS;
	pg->retry_ms = clock_now_ms() + pg->wait_ms;
	return rc;
}
