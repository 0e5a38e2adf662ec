/* libunbound resolves in a thread of its own and hands answers over by a pipe;
 * its cache is the only one here. All queries wait equally long, so the list in
 * the order of asking is also the order of deadlines. */
#include "fetch/dns.h"

#include "base/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unbound.h>

/* Of RFC 1035, 3.2.2 and 4.1.1, and RFC 3596. */
enum {
	TYPE_A = 1,
	TYPE_AAAA = 28,
	CLASS_IN = 1,
	RCODE_NXDOMAIN = 3,
};

struct query {
	TAILQ_ENTRY(query) link;
	struct dns *dns;
	dns_done_fn done;
	void *arg;
	int id; /* libunbound's */
	int type;
	int64_t deadline_ms;
	char name[];
};

TAILQ_HEAD(query_list, query);

struct dns {
	struct ub_ctx *ctx;
	int64_t timeout_ms;
	struct query_list queries;
};

/* What libunbound's library mode sets too low for thousands of look-ups. No
 * validator: there is no trust anchor to begin from. A server on loopback is
 * what most machines have (systemd-resolved, dnsmasq). */
static const struct {
	const char *name;
	const char *value;
} settings[] = {
	{"module-config:", "iterator"}, {"do-not-query-localhost:", "no"},
	{"outgoing-range:", "256"},     {"num-queries-per-thread:", "4096"},
	{"msg-cache-size:", "16m"},     {"rrset-cache-size:", "32m"},
};

static int choose_server(struct dns *dns, const char *server,
			 struct cah_error *err)
{
	if (server == NULL) {
		/* Without the file libunbound asks the authorities. */
		(void)ub_ctx_resolvconf(dns->ctx, NULL);
		return CAH_OK;
	}
	if (strcmp(server, "recursive") == 0)
		return CAH_OK;
	int rc = ub_ctx_set_fwd(dns->ctx, server);
	if (rc != 0)
		return cah_fail(err, CAH_EINVALID, "name server %s: %s", server,
				ub_strerror(rc));
	return CAH_OK;
}

int dns_new(struct dns **out, const char *server, int64_t timeout_ms,
	    struct cah_error *err)
{
	*out = NULL;
	struct dns *dns = calloc(1, sizeof(*dns));
	if (dns == NULL)
		return cah_fail(err, CAH_ENOMEM, "dns: out of memory");
	TAILQ_INIT(&dns->queries);
	dns->timeout_ms = timeout_ms;
	dns->ctx = ub_ctx_create();
	int rc = CAH_OK;
	int ub = dns->ctx != NULL ? 0 : UB_NOMEM;
	for (size_t i = 0;
	     ub == 0 && i < sizeof(settings) / sizeof(settings[0]); i++)
		ub = ub_ctx_set_option(dns->ctx, settings[i].name,
				       settings[i].value);
	if (ub == 0)
		ub = ub_ctx_async(dns->ctx, 1);
	if (ub != 0)
		rc = cah_fail(err, CAH_ENOMEM, "libunbound: %s",
			      ub_strerror(ub));
	if (rc == CAH_OK)
		rc = choose_server(dns, server, err);
	if (rc != CAH_OK) {
		dns_free(dns);
		return rc;
	}
	(void)ub_ctx_hosts(dns->ctx, NULL);
	*out = dns;
	return CAH_OK;
}

static void forget(struct query *query)
{
	TAILQ_REMOVE(&query->dns->queries, query, link);
	free(query);
}

void dns_free(struct dns *dns)
{
	if (dns == NULL)
		return;
	if (dns->ctx != NULL)
		ub_ctx_delete(dns->ctx);
	while (!TAILQ_EMPTY(&dns->queries))
		forget(TAILQ_FIRST(&dns->queries));
	free(dns);
}

int dns_fd(const struct dns *dns)
{
	return ub_fd(dns->ctx);
}

static void finish(struct query *query, const struct dns_answer *answer)
{
	dns_done_fn done = query->done;
	void *arg = query->arg;
	forget(query);
	done(answer, arg);
}

static void fail(struct query *query, enum fate fate, const char *why)
{
	struct dns_answer answer = {.fate = fate};
	(void)snprintf(answer.detail, sizeof(answer.detail), "%.60s: %s",
		       query->name, why);
	finish(query, &answer);
}

static void on_answer(void *arg, int failure, struct ub_result *result);

static int ask(struct query *query, int type)
{
	query->type = type;
	return ub_resolve_async(query->dns->ctx, query->name, type, CLASS_IN,
				query, on_answer, &query->id);
}

static void read_addresses(struct dns_answer *answer,
			   const struct ub_result *result)
{
	for (int i = 0;
	     result->data[i] != NULL && answer->count < DNS_ADDRESSES; i++)
		if (address_from_bytes(&answer->addresses[answer->count],
				       result->data[i], (size_t)result->len[i]))
			answer->count++;
}

static void on_answer(void *arg, int failure, struct ub_result *result)
{
	struct query *query = arg;
	struct dns_answer answer = {.fate = CAH_FATE_KEPT};
	int rcode = result != NULL ? result->rcode : 0;
	if (failure == 0 && rcode == 0 && result != NULL && result->havedata)
		read_addresses(&answer, result);
	ub_resolve_free(result);
	if (failure == UB_SYNTAX)
		fail(query, CAH_FATE_NO_SUCH_HOST, "cannot be a name");
	else if (failure != 0)
		fail(query, CAH_FATE_DNS_FAILED, ub_strerror(failure));
	else if (rcode == RCODE_NXDOMAIN)
		fail(query, CAH_FATE_NO_SUCH_HOST, "no such name");
	else if (rcode != 0)
		fail(query, CAH_FATE_DNS_FAILED, "the name servers failed");
	else if (answer.count > 0)
		finish(query, &answer);
	else if (query->type == TYPE_AAAA)
		fail(query, CAH_FATE_NO_SUCH_HOST, "the name has no address");
	else if (ask(query, TYPE_AAAA) != 0)
		fail(query, CAH_FATE_DNS_FAILED, "cannot be asked for");
}

int dns_ask(struct dns *dns, const char *name, int64_t now_ms, dns_done_fn done,
	    void *arg, struct cah_error *err)
{
	size_t size = strlen(name) + 1;
	struct query *query = calloc(1, sizeof(*query) + size);
	if (query == NULL)
		return cah_fail(err, CAH_ENOMEM, "dns: out of memory");
	memcpy(query->name, name, size);
	query->dns = dns;
	query->done = done;
	query->arg = arg;
	query->deadline_ms = now_ms + dns->timeout_ms;
	int ub = ask(query, TYPE_A);
	if (ub != 0) {
		free(query);
		return cah_fail(err, ub == UB_NOMEM ? CAH_ENOMEM : CAH_EIO,
				"%s: %s", name, ub_strerror(ub));
	}
	TAILQ_INSERT_TAIL(&dns->queries, query, link);
	return CAH_OK;
}

int dns_step(struct dns *dns, int64_t now_ms, struct cah_error *err)
{
	int ub = ub_process(dns->ctx);
	if (ub != 0)
		return cah_fail(err, CAH_EIO, "libunbound: %s",
				ub_strerror(ub));
	struct query *first = TAILQ_FIRST(&dns->queries);
	/* The analyzer does not see that the list forgets its first.
	 * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	while (first != NULL && first->deadline_ms <= now_ms) {
		(void)ub_cancel(dns->ctx, first->id);
		fail(first, CAH_FATE_DNS_TIMEOUT, "no answer in time");
		first = TAILQ_FIRST(&dns->queries);
	}
	return CAH_OK;
}

int64_t dns_deadline_ms(const struct dns *dns)
{
	const struct query *first = TAILQ_FIRST(&dns->queries);
	return first != NULL ? first->deadline_ms : -1;
}
