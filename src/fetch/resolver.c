#include "fetch/resolver.h"

#include "base/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unbound.h>
#include <unistd.h>

/* Of RFC 1035, 3.2.2 and 4.1.1, and RFC 3596. */
enum {
	TYPE_A = 1,
	TYPE_AAAA = 28,
	CLASS_IN = 1,
	RCODE_NXDOMAIN = 3,
};

#define RESOLV_CONF "/etc/resolv.conf"

struct resolver {
	struct ub_ctx *ctx;
	int max_ttl_s;
	int min_ttl_s;
	int max_negative_ttl_s;
};

/* ---- settings ---- */

static int set(struct resolver *resolver, const char *name, const char *value)
{
	return ub_ctx_set_option(resolver->ctx, name, value);
}

static int set_number(struct resolver *resolver, const char *name,
		      long long value, const char *unit)
{
	char text[32];
	(void)snprintf(text, sizeof(text), "%lld%s", value, unit);
	return set(resolver, name, text);
}

static long long count_ports(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur / RESOLVER_FILES_SHARE >= RESOLVER_PORTS)
		return RESOLVER_PORTS;
	return (long long)(limit.rlim_cur / RESOLVER_FILES_SHARE);
}

/* libunbound's own are for a handful of look-ups by a program that trusts
 * whom it asks for. Returns libunbound's code. */
static int set_all(struct resolver *resolver, const struct dns_options *options)
{
	const struct {
		const char *name;
		long long value;
		const char *unit;
	} numbers[] = {
		{"outgoing-range:", count_ports(), ""},
		{"outgoing-num-tcp:", RESOLVER_STREAMS, ""},
		{"num-queries-per-thread:", 2LL * DNS_FLIGHT, ""},
		{"msg-cache-size:", RESOLVER_MESSAGES_MB, "m"},
		{"rrset-cache-size:", RESOLVER_RECORDS_MB, "m"},
		{"infra-cache-numhosts:", RESOLVER_SERVERS, ""},
		{"infra-cache-min-rtt:", RESOLVER_FIRST_WAIT_MS, ""},
		{"infra-cache-max-rtt:", RESOLVER_LAST_WAIT_MS, ""},
		{"outbound-msg-retry:", RESOLVER_SENDS, ""},
		{"max-query-restarts:", RESOLVER_CNAMES, ""},
		{"cache-min-ttl:", options->min_ttl_s, ""},
		{"cache-max-ttl:", options->max_ttl_s, ""},
		{"cache-max-negative-ttl:", options->max_negative_ttl_s, ""},
	};
	static const struct {
		const char *name;
		const char *value;
	} words[] = {
		/* No validator: there is no trust anchor to begin from. */
		{"module-config:", "iterator"},
		/* What most machines have on loopback (systemd-resolved,
		 * dnsmasq) is a server like others. */
		{"do-not-query-localhost:", "no"},
		{"infra-keep-probing:", "yes"},
		/* Each name is asked for once: what helps others' privacy or
		 * later questions costs more than it brings. */
		{"qname-minimisation:", "no"},
		{"target-fetch-policy:", "0 0 0 0 0"},
	};
	int ub = 0;
	for (size_t i = 0; ub == 0 && i < sizeof(words) / sizeof(words[0]); i++)
		ub = set(resolver, words[i].name, words[i].value);
	for (size_t i = 0; ub == 0 && i < sizeof(numbers) / sizeof(numbers[0]);
	     i++)
		ub = set_number(resolver, numbers[i].name, numbers[i].value,
				numbers[i].unit);
	return ub;
}

/* ---- whom to ask ---- */

static int use_system(struct resolver *resolver, struct cah_error *err)
{
	/* What is no readable file libunbound does not always tell. */
	if (access(RESOLV_CONF, R_OK) != 0 ||
	    ub_ctx_resolvconf(resolver->ctx, RESOLV_CONF) != 0)
		return cah_fail(err, CAH_EIO, "%s cannot be read", RESOLV_CONF);
	return CAH_OK;
}

/* A delegation may name any address: none inside of our network shall get
 * packets because of it. */
static int use_authorities(struct resolver *resolver,
			   const struct dns_options *options,
			   struct cah_error *err)
{
	char block[ADDRESS_BLOCK_TEXT];
	int ub = 0;
	for (size_t i = 0; ub == 0 && !options->allow_private &&
			   address_special_block(block, i);
	     i++)
		ub = set(resolver, "do-not-query-address:", block);
	if (ub == 0 && options->root_hints != NULL) {
		if (access(options->root_hints, R_OK) != 0)
			return cah_fail(err, CAH_EINVALID,
					"root hints %s cannot be read",
					options->root_hints);
		ub = set(resolver, "root-hints:", options->root_hints);
	}
	if (ub != 0)
		return cah_fail(err, CAH_ENOMEM, "libunbound: %s",
				ub_strerror(ub));
	return CAH_OK;
}

/* What follows an address: nothing, or @PORT. libunbound looks at the address
 * only. */
static bool has_good_port(const char *server)
{
	const char *at = strchr(server, '@');
	if (at == NULL)
		return true;
	char *end;
	unsigned long port = strtoul(at + 1, &end, 10);
	return at[1] >= '0' && at[1] <= '9' && *end == '\0' && port >= 1 &&
	       port <= UINT16_MAX;
}

static int use_servers(struct resolver *resolver, const char *list,
		       struct cah_error *err)
{
	int count = 0;
	for (const char *at = list; at != NULL; count++) {
		char server[DNS_SERVER_TEXT];
		size_t len = strcspn(at, ",");
		if (count == DNS_SERVERS_MAX)
			return cah_fail(err, CAH_EINVALID,
					"more than %d name servers",
					DNS_SERVERS_MAX);
		if (len == 0 || len >= sizeof(server))
			return cah_fail(err, CAH_EINVALID,
					"name servers %.99s: one is empty or "
					"too long",
					list);
		memcpy(server, at, len);
		server[len] = '\0';
		if (!has_good_port(server) ||
		    ub_ctx_set_fwd(resolver->ctx, server) != 0)
			return cah_fail(err, CAH_EINVALID,
					"name server %s: not auto, recursive, "
					"system or ADDR[@PORT]",
					server);
		at = at[len] == ',' ? at + len + 1 : NULL;
	}
	return CAH_OK;
}

static int use(struct resolver *resolver, const char *how,
	       const struct dns_options *options, struct cah_error *err)
{
	if (strcmp(how, "recursive") == 0)
		return use_authorities(resolver, options, err);
	if (strcmp(how, "system") != 0)
		return use_servers(resolver, how, err);
	if (options->system != NULL)
		return use_servers(resolver, options->system, err);
	return use_system(resolver, err);
}

int resolver_new(struct resolver **out, const char *how,
		 const struct dns_options *options, struct cah_error *err)
{
	*out = NULL;
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	if (resolver == NULL)
		return cah_fail(err, CAH_ENOMEM, "dns: out of memory");
	resolver->min_ttl_s = options->min_ttl_s;
	resolver->max_ttl_s = options->max_ttl_s;
	resolver->max_negative_ttl_s = options->max_negative_ttl_s;
	resolver->ctx = ub_ctx_create();
	int ub = resolver->ctx != NULL ? set_all(resolver, options) : UB_NOMEM;
	if (ub == 0)
		ub = ub_ctx_async(resolver->ctx, 1);
	int rc = ub == 0 ? use(resolver, how, options, err)
			 : cah_fail(err, CAH_ENOMEM, "libunbound: %s",
				    ub_strerror(ub));
	if (rc != CAH_OK) {
		resolver_free(resolver);
		return rc;
	}
	(void)ub_ctx_hosts(resolver->ctx, NULL);
	*out = resolver;
	return CAH_OK;
}

void resolver_free(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	if (resolver->ctx != NULL)
		ub_ctx_delete(resolver->ctx);
	free(resolver);
}

int resolver_fd(const struct resolver *resolver)
{
	return ub_fd(resolver->ctx);
}

/* ---- questions and answers ---- */

static void on_result(void *arg, int failure, struct ub_result *result);

static bool ask(struct question *question, int type)
{
	question->type = type;
	return ub_resolve_async(question->resolver->ctx, question->name, type,
				CLASS_IN, question, on_result,
				&question->id) == 0;
}

bool resolver_ask(struct resolver *resolver, struct question *question)
{
	question->resolver = resolver;
	return ask(question, TYPE_A);
}

void resolver_cancel(struct question *question)
{
	(void)ub_cancel(question->resolver->ctx, question->id);
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

/* libunbound bounds what it keeps; an answer passes with its own TTL. */
static int64_t keep_ms(const struct resolver *resolver,
		       const struct ub_result *result, bool is_negative)
{
	int64_t s = result->ttl;
	int64_t most = is_negative ? resolver->max_negative_ttl_s
				   : resolver->max_ttl_s;
	if (s > most)
		s = most;
	return (s < resolver->min_ttl_s ? resolver->min_ttl_s : s) * 1000;
}

/* Where there is no address, why. */
static void judge(struct dns_answer *answer, const struct question *question,
		  int failure, const struct ub_result *result)
{
	const char *why = "the name has no address";
	bool is_answered =
		failure == 0 && result != NULL &&
		(result->rcode == 0 || result->rcode == RCODE_NXDOMAIN);
	answer->fate = CAH_FATE_NO_SUCH_HOST;
	if (is_answered)
		answer->keep_ms = keep_ms(question->resolver, result, true);
	if (failure == UB_SYNTAX) {
		why = "cannot be a name";
	} else if (!is_answered) {
		answer->fate = CAH_FATE_DNS_FAILED;
		answer->keep_ms = DNS_FAILED_KEEP_S * 1000;
		why = failure != 0 ? ub_strerror(failure)
				   : "the name servers failed";
	} else if (result->rcode == RCODE_NXDOMAIN) {
		why = "no such name";
	}
	(void)snprintf(answer->detail, sizeof(answer->detail), "%.60s: %s",
		       question->name, why);
}

static void on_result(void *arg, int failure, struct ub_result *result)
{
	struct question *question = arg;
	struct dns_answer answer = {.fate = CAH_FATE_KEPT};
	bool is_good = failure == 0 && result != NULL && result->rcode == 0;
	if (is_good && result->havedata) {
		read_addresses(&answer, result);
		answer.keep_ms = keep_ms(question->resolver, result, false);
	}
	bool is_asked = is_good && answer.count == 0 &&
			question->type == TYPE_A && ask(question, TYPE_AAAA);
	if (!is_asked && answer.count == 0)
		judge(&answer, question, failure, result);
	ub_resolve_free(result);
	if (!is_asked)
		question->done(question, &answer);
}

int resolver_step(struct resolver *resolver, struct cah_error *err)
{
	int ub = ub_process(resolver->ctx);
	if (ub != 0)
		return cah_fail(err, CAH_EIO, "libunbound: %s",
				ub_strerror(ub));
	return CAH_OK;
}
