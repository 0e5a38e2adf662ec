/* At the doors of sites: their addresses, and whose turn it is. */
#include "fetch/fetch_priv.h"

#include "base/clock.h"
#include "base/fail.h"

#include <stdio.h>

void fetch_make_ready(struct fetch *fetch, struct site *site)
{
	if (site->place != SITE_NOWHERE || site->state != SITE_KNOWN ||
	    TAILQ_EMPTY(&site->waiting) ||
	    site->running >= fetch->options.per_host)
		return;
	TAILQ_INSERT_TAIL(&fetch->ready, site, link);
	site->place = SITE_READY;
}

void fetch_settle_waiting(struct site *site, enum fate fate, const char *detail,
			  int64_t now_ms)
{
	while (!TAILQ_EMPTY(&site->waiting)) {
		struct task *task = TAILQ_FIRST(&site->waiting);
		TAILQ_REMOVE(&site->waiting, task, link);
		if (fetch_is_passing(fate))
			fetch_fail(task, fate, detail, now_ms);
		else
			fetch_settle(task, fate, detail);
	}
}

/* Drops the addresses that may not be connected to. */
static void drop_private(struct site *site)
{
	struct dns_answer *answer = &site->answer;
	char text[ADDRESS_TEXT] = "";
	int kept = 0;
	for (int i = 0; i < answer->count; i++) {
		if (address_is_public(&answer->addresses[i]))
			answer->addresses[kept++] = answer->addresses[i];
		else
			address_write(text, &answer->addresses[i]);
	}
	answer->count = kept;
	if (kept > 0)
		return;
	answer->fate = CAH_FATE_PRIVATE_ADDRESS;
	(void)snprintf(answer->detail, sizeof(answer->detail),
		       "%s is not a public address", text);
}

static void find_machine(struct site *site)
{
	const struct fetch *fetch = site->owner;
	struct machines *machines = sites_machines(fetch->sites);
	struct dns_answer *answer = &site->answer;
	struct machine *before = site->machine;
	site->machine = NULL;
	if (answer->fate == CAH_FATE_KEPT) {
		site->machine = machines_hold(machines, &answer->addresses[0]);
		if (site->machine == NULL)
			*answer = (struct dns_answer){
				.fate = CAH_FATE_INTERNAL,
				.detail = "out of memory",
			};
	}
	/* Last, for it may be the same. */
	machines_let_go(machines, before);
}

static void on_known(const struct dns_answer *answer, void *arg)
{
	struct site *site = arg;
	struct fetch *fetch = site->owner;
	site->state = SITE_KNOWN;
	site->known_ms = clock_now_ms();
	/* What the look-up waited for its turn is nobody's time. */
	if (site->asked_ms < site->known_ms - answer->took_ms)
		site->asked_ms = site->known_ms - answer->took_ms;
	site->answer = *answer;
	if (answer->fate == CAH_FATE_KEPT && !fetch->options.allow_private)
		drop_private(site);
	find_machine(site);
	if (site->answer.fate != CAH_FATE_KEPT)
		fetch_settle_waiting(site, site->answer.fate,
				     site->answer.detail, site->known_ms);
	fetch_make_ready(fetch, site);
	sites_release(fetch->sites, site);
}

/* Addresses that the user or the URL gives; false where a name server must be
 * asked. */
static bool know_at_once(struct dns_answer *answer, const struct fetch *fetch,
			 const struct site *site)
{
	struct slice host = slice_of(site->host);
	const char *pin = pins_find(fetch->options.pins, host, site->port);
	*answer = (struct dns_answer){
		.fate = CAH_FATE_KEPT, .count = 1, .keep_ms = INT64_MAX};
	return address_parse(&answer->addresses[0],
			     pin != NULL ? slice_of(pin) : host);
}

static void resolve(struct fetch *fetch, struct site *site, int64_t now_ms)
{
	struct dns_answer answer;
	struct cah_error err;
	site->asked_ms = now_ms;
	if (know_at_once(&answer, fetch, site)) {
		on_known(&answer, site);
		return;
	}
	site->state = SITE_ASKING;
	int rc = dns_ask(fetch->dns, site->host, now_ms, on_known, site, &err);
	if (rc == CAH_OK)
		return;
	answer = (struct dns_answer){.fate = CAH_FATE_INTERNAL};
	(void)snprintf(answer.detail, sizeof(answer.detail), "%.*s",
		       DNS_DETAIL_MAX - 1, err.text);
	on_known(&answer, site);
	/* Our failure, not the name's: ask again next time. */
	site->state = SITE_NEW;
}

/* Another try asks the name servers again, too. */
static void forget_failure(const struct task *task)
{
	struct site *site = task->site;
	if (task->tries > 1 && site->state == SITE_KNOWN &&
	    fetch_is_passing(site->answer.fate) &&
	    site->known_ms <= task->failed_ms)
		site->state = SITE_NEW;
}

void fetch_enter(struct task *task, int64_t now_ms)
{
	struct fetch *fetch = task->fetch;
	struct site *site = sites_get(fetch->sites, &task->target, now_ms);
	if (site == NULL) {
		fetch_settle(task, CAH_FATE_INTERNAL, "out of memory");
		return;
	}
	task->site = site;
	task->address_at = 0;
	task->entered_ms = now_ms;
	forget_failure(task);
	if (!fetch_begin_wait(task, now_ms)) {
		sites_release(fetch->sites, site);
		return;
	}
	if (task->redirects > 0)
		TAILQ_INSERT_HEAD(&site->waiting, task, link);
	else
		TAILQ_INSERT_TAIL(&site->waiting, task, link);
	if (site->state == SITE_NEW)
		resolve(fetch, site, now_ms);
	else if (site->state == SITE_KNOWN &&
		 site->answer.fate != CAH_FATE_KEPT)
		fetch_settle_waiting(site, site->answer.fate,
				     site->answer.detail, now_ms);
	fetch_make_ready(fetch, site);
	sites_release(fetch->sites, site);
}
