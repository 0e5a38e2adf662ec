/* A name is asked for once, however many wait for it: a lookup. Those under way
 * wait equally long, so their list in the order of asking is also the order of
 * deadlines. "auto" asks two resolvers for the first names; the first useful
 * answer counts, and the other one's is waited for only to measure it. */
#include "fetch/dns.h"

#include "base/fail.h"
#include "base/table.h"
#include "fetch/dns_race.h"
#include "fetch/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

struct waiter {
	STAILQ_ENTRY(waiter) link;
	dns_done_fn done;
	void *arg;
};

STAILQ_HEAD(waiter_list, waiter);

/* One resolver's part in a lookup. */
struct lane {
	struct question question; /* first: they are cast */
	struct lookup *lookup;
	int64_t asked_ms;
	bool was_asked;
	bool is_open;
};

struct lookup {
	TAILQ_ENTRY(lookup) link; /* dns->waiting or dns->flight */
	struct dns *dns;
	struct waiter_list waiters;
	struct lane lanes[RACE_LANES];
	bool is_told; /* the waiters are; it only waits for the slower one */
	int64_t asked_ms;
	char name[];
};

TAILQ_HEAD(lookup_list, lookup);

struct dns {
	struct resolver *resolvers[RACE_LANES]; /* one is NULL but in a race */
	int epoll; /* of the resolvers' descriptors */
	int64_t timeout_ms;
	int64_t now_ms; /* of the call that is under way */
	struct log *log;
	struct race race;
	struct cah_error no_system; /* why "auto" has no choice */
	struct table *names;        /* to lookups that are not told */
	struct lookup_list waiting;
	struct lookup_list flight;
	int untold; /* of the flight */
};

static const char *const lane_names[RACE_LANES] = {"system", "recursive"};

struct dns_options dns_options_default(void)
{
	return (struct dns_options){
		.how = "auto",
		.timeout_ms = 5000,
		.min_ttl_s = 60,
		.max_ttl_s = 24 * 60 * 60,
		.max_negative_ttl_s = 60 * 60,
	};
}

/* ---- begin and end ---- */

static int watch(struct dns *dns, int lane, struct cah_error *err)
{
	struct epoll_event event = {.events = EPOLLIN};
	if (epoll_ctl(dns->epoll, EPOLL_CTL_ADD,
		      resolver_fd(dns->resolvers[lane]), &event) != 0)
		return cah_fail_errno(err, errno, "epoll");
	return CAH_OK;
}

static void drop_resolver(struct dns *dns, int lane)
{
	if (dns->resolvers[lane] == NULL)
		return;
	(void)epoll_ctl(dns->epoll, EPOLL_CTL_DEL,
			resolver_fd(dns->resolvers[lane]), NULL);
	resolver_free(dns->resolvers[lane]);
	dns->resolvers[lane] = NULL;
}

static bool is_racing(const struct dns *dns)
{
	return dns->resolvers[0] != NULL && dns->resolvers[1] != NULL;
}

/* Lane 0 has whatever servers there are, lane 1 is for recursion. */
static int make_resolvers(struct dns *dns, const struct dns_options *options,
			  struct cah_error *err)
{
	bool is_auto = strcmp(options->how, "auto") == 0;
	bool is_recursive = strcmp(options->how, "recursive") == 0;
	int rc = CAH_OK;
	if (is_auto || is_recursive)
		rc = resolver_new(&dns->resolvers[1], "recursive", options,
				  err);
	if (rc == CAH_OK && !is_recursive)
		rc = resolver_new(&dns->resolvers[0],
				  is_auto ? "system" : options->how, options,
				  err);
	if (is_auto && rc == CAH_EIO) {
		dns->no_system = *err;
		rc = CAH_OK;
	}
	return rc;
}

int dns_new(struct dns **out, const struct dns_options *options,
	    struct cah_error *err)
{
	struct cah_error own;
	*out = NULL;
	struct dns *dns = calloc(1, sizeof(*dns));
	if (dns == NULL)
		return cah_fail(err, CAH_ENOMEM, "dns: out of memory");
	if (err == NULL)
		err = &own;
	TAILQ_INIT(&dns->waiting);
	TAILQ_INIT(&dns->flight);
	dns->timeout_ms = options->timeout_ms;
	dns->race = race_start(options->timeout_ms);
	dns->epoll = epoll_create1(EPOLL_CLOEXEC);
	int rc = CAH_OK;
	if (dns->epoll < 0)
		rc = cah_fail_errno(err, errno, "epoll");
	if (rc == CAH_OK)
		rc = table_new(&dns->names, DNS_NAMES, err);
	if (rc == CAH_OK)
		rc = make_resolvers(dns, options, err);
	for (int i = 0; i < RACE_LANES; i++)
		if (rc == CAH_OK && dns->resolvers[i] != NULL)
			rc = watch(dns, i, err);
	if (rc == CAH_OK)
		*out = dns;
	else
		dns_free(dns);
	return rc;
}

static void free_lookup(struct lookup *lookup)
{
	while (!STAILQ_EMPTY(&lookup->waiters)) {
		struct waiter *waiter = STAILQ_FIRST(&lookup->waiters);
		STAILQ_REMOVE_HEAD(&lookup->waiters, link);
		free(waiter);
	}
	free(lookup);
}

static void forget_list(struct lookup_list *list)
{
	while (!TAILQ_EMPTY(list)) {
		struct lookup *lookup = TAILQ_FIRST(list);
		for (int i = 0; i < RACE_LANES; i++)
			if (lookup->lanes[i].is_open)
				resolver_cancel(&lookup->lanes[i].question);
		TAILQ_REMOVE(list, lookup, link);
		free_lookup(lookup);
	}
}

void dns_forget(struct dns *dns)
{
	forget_list(&dns->flight);
	forget_list(&dns->waiting);
	table_clear(dns->names);
	dns->untold = 0;
}

void dns_free(struct dns *dns)
{
	if (dns == NULL)
		return;
	if (dns->names != NULL)
		dns_forget(dns);
	for (int i = 0; i < RACE_LANES; i++)
		drop_resolver(dns, i);
	if (dns->epoll >= 0)
		close(dns->epoll);
	table_free(dns->names);
	free(dns);
}

void dns_set_log(struct dns *dns, struct log *log)
{
	dns->log = log;
	if (dns->no_system.code != CAH_OK)
		log_info(log, "dns: recursive: %s", dns->no_system.text);
	else if (is_racing(dns))
		log_debug(log,
			  "dns: the first %d names are asked for both ways: "
			  "of the system's servers, and recursively",
			  RACE_NAMES);
}

int dns_fd(const struct dns *dns)
{
	return dns->epoll;
}

/* ---- answers ---- */

/* Tells all that wait; they may ask for more meanwhile. */
static void tell(struct lookup *lookup, struct dns_answer *answer)
{
	struct dns *dns = lookup->dns;
	struct waiter_list waiters = STAILQ_HEAD_INITIALIZER(waiters);
	answer->took_ms = dns->now_ms - lookup->asked_ms;
	STAILQ_CONCAT(&waiters, &lookup->waiters);
	lookup->is_told = true;
	dns->untold--;
	(void)table_remove(dns->names, slice_of(lookup->name));
	while (!STAILQ_EMPTY(&waiters)) {
		struct waiter *waiter = STAILQ_FIRST(&waiters);
		STAILQ_REMOVE_HEAD(&waiters, link);
		waiter->done(answer, waiter->arg);
		free(waiter);
	}
}

static bool is_open(const struct lookup *lookup)
{
	return lookup->lanes[0].is_open || lookup->lanes[1].is_open;
}

static void end(struct lookup *lookup)
{
	TAILQ_REMOVE(&lookup->dns->flight, lookup, link);
	free_lookup(lookup);
}

static void tell_failure(struct lookup *lookup, enum fate fate, const char *why)
{
	struct dns_answer answer = {.fate = fate,
				    .keep_ms = DNS_FAILED_KEEP_S * 1000};
	(void)snprintf(answer.detail, sizeof(answer.detail), "%.60s: %s",
		       lookup->name, why);
	tell(lookup, &answer);
}

static bool open_lane(struct lookup *lookup, int i)
{
	struct dns *dns = lookup->dns;
	struct lane *lane = &lookup->lanes[i];
	lane->was_asked = true;
	lane->asked_ms = dns->now_ms;
	lane->is_open = resolver_ask(dns->resolvers[i], &lane->question);
	return lane->is_open;
}

static void on_answer(struct question *question,
		      const struct dns_answer *answer)
{
	struct lane *lane = (struct lane *)question;
	struct lookup *lookup = lane->lookup;
	struct dns *dns = lookup->dns;
	bool is_useful = answer->fate == CAH_FATE_KEPT ||
			 answer->fate == CAH_FATE_NO_SUCH_HOST;
	int i = (int)(lane - lookup->lanes);
	lane->is_open = false;
	if (is_racing(dns)) {
		race_note(&dns->race, i, is_useful,
			  dns->now_ms - lane->asked_ms);
		/* Nobody shall suffer from what is not chosen yet. */
		if (!is_useful && !lookup->lanes[!i].was_asked)
			(void)open_lane(lookup, !i);
	}
	if (!lookup->is_told && (is_useful || !is_open(lookup))) {
		struct dns_answer copy = *answer;
		tell(lookup, &copy);
	}
	if (!is_open(lookup))
		end(lookup);
}

/* ---- questions ---- */

/* Nobody is called back from here: it is overdue at the next step. */
static void refuse(struct lookup *lookup)
{
	struct dns *dns = lookup->dns;
	TAILQ_REMOVE(&dns->flight, lookup, link);
	TAILQ_INSERT_HEAD(&dns->flight, lookup, link);
	lookup->asked_ms = dns->now_ms - dns->timeout_ms;
}

/* The root, which "" is, has no address. */
static bool can_be_name(const struct lookup *lookup)
{
	size_t len = strlen(lookup->name);
	return len > 0 && len <= DNS_NAME_MAX;
}

/* Until it is known that one way works at all, no name bets on it. */
static int flight_max(const struct dns *dns)
{
	return is_racing(dns) && !race_has_leader(&dns->race) ? RACE_NAMES
							      : DNS_FLIGHT;
}

/* Asks for what waits, as far as the flight has room. */
static void take_off(struct dns *dns)
{
	while (dns->untold < flight_max(dns) && !TAILQ_EMPTY(&dns->waiting)) {
		struct lookup *lookup = TAILQ_FIRST(&dns->waiting);
		TAILQ_REMOVE(&dns->waiting, lookup, link);
		TAILQ_INSERT_TAIL(&dns->flight, lookup, link);
		dns->untold++;
		lookup->asked_ms = dns->now_ms;
		if (!can_be_name(lookup)) {
			refuse(lookup);
			continue;
		}
		bool is_raced =
			is_racing(dns) && race_takes(&dns->race, dns->now_ms);
		int leader = is_racing(dns) ? race_leader(&dns->race)
					    : dns->resolvers[0] == NULL;
		bool is_asked = open_lane(lookup, leader);
		if (is_raced)
			is_asked |= open_lane(lookup, !leader);
		if (!is_asked)
			refuse(lookup);
	}
}

static struct lookup *find_or_make(struct dns *dns, const char *name,
				   struct cah_error *err)
{
	uint64_t value;
	/* Of what is too long for a name its beginning will do. */
	struct slice key = {name, strnlen(name, DNS_NAME_MAX + 1)};
	if (table_get(dns->names, key, &value))
		return (struct lookup *)(uintptr_t)value;
	struct lookup *lookup = calloc(1, sizeof(*lookup) + key.len + 1);
	if (lookup == NULL) {
		(void)cah_fail(err, CAH_ENOMEM, "dns: out of memory");
		return NULL;
	}
	memcpy(lookup->name, key.data, key.len);
	lookup->dns = dns;
	for (int i = 0; i < RACE_LANES; i++) {
		struct lane *lane = &lookup->lanes[i];
		lane->lookup = lookup;
		lane->question.name = lookup->name;
		lane->question.done = on_answer;
	}
	STAILQ_INIT(&lookup->waiters);
	int rc = table_set(dns->names, key, (uint64_t)(uintptr_t)lookup, NULL);
	if (rc != CAH_OK) {
		free(lookup);
		(void)cah_fail(err, rc, "dns: no room for another name");
		return NULL;
	}
	TAILQ_INSERT_TAIL(&dns->waiting, lookup, link);
	return lookup;
}

int dns_ask(struct dns *dns, const char *name, int64_t now_ms, dns_done_fn done,
	    void *arg, struct cah_error *err)
{
	struct waiter *waiter = malloc(sizeof(*waiter));
	if (waiter == NULL)
		return cah_fail(err, CAH_ENOMEM, "dns: out of memory");
	struct cah_error own = {0};
	if (err == NULL)
		err = &own;
	struct lookup *lookup = find_or_make(dns, name, err);
	if (lookup == NULL) {
		free(waiter);
		return err->code;
	}
	*waiter = (struct waiter){.done = done, .arg = arg};
	STAILQ_INSERT_TAIL(&lookup->waiters, waiter, link);
	dns->now_ms = now_ms;
	take_off(dns);
	return CAH_OK;
}

/* ---- time ---- */

static void cancel_lane(struct lookup *lookup, int i)
{
	struct dns *dns = lookup->dns;
	if (!lookup->lanes[i].is_open)
		return;
	resolver_cancel(&lookup->lanes[i].question);
	lookup->lanes[i].is_open = false;
	if (is_racing(dns))
		race_note(&dns->race, i, false, dns->timeout_ms);
}

static void expire(struct dns *dns)
{
	for (;;) {
		struct lookup *first = TAILQ_FIRST(&dns->flight);
		if (first == NULL)
			return;
		/* The analyzer does not see that the list forgets its first.
		 * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		if (first->asked_ms + dns->timeout_ms > dns->now_ms)
			return;
		bool was_asked = first->is_told || is_open(first);
		for (int i = 0; i < RACE_LANES; i++)
			cancel_lane(first, i);
		if (!can_be_name(first))
			tell_failure(first, CAH_FATE_NO_SUCH_HOST,
				     "cannot be a name");
		else if (!was_asked)
			tell_failure(first, CAH_FATE_INTERNAL,
				     "libunbound takes no question");
		else if (!first->is_told)
			tell_failure(first, CAH_FATE_DNS_TIMEOUT,
				     "no answer in time");
		end(first);
	}
}

static void tell_choice(const struct dns *dns, int leader)
{
	struct race_sum best = race_sum(&dns->race, leader);
	struct race_sum other = race_sum(&dns->race, !leader);
	log_info(dns->log,
		 "dns: %s from now on: %lld ms a name, %d of %d failed; %s: "
		 "%lld ms, %d of %d failed",
		 lane_names[leader], (long long)race_mean_ms(&best),
		 best.failed, best.failed + best.answered, lane_names[!leader],
		 (long long)race_mean_ms(&other), other.failed,
		 other.failed + other.answered);
}

/* Its time begins anew. */
static void ask_again(struct lookup *lookup, int i)
{
	struct dns *dns = lookup->dns;
	TAILQ_REMOVE(&dns->flight, lookup, link);
	TAILQ_INSERT_TAIL(&dns->flight, lookup, link);
	lookup->asked_ms = dns->now_ms;
	if (!open_lane(lookup, i))
		refuse(lookup);
}

/* The end of the race: what is still asked for the slower way is dropped. */
static void choose(struct dns *dns)
{
	if (!is_racing(dns) || !race_is_over(&dns->race, dns->now_ms))
		return;
	int leader = race_leader(&dns->race);
	tell_choice(dns, leader);
	struct lookup *next = NULL;
	for (struct lookup *lookup = TAILQ_FIRST(&dns->flight); lookup != NULL;
	     lookup = next) {
		next = TAILQ_NEXT(lookup, link);
		cancel_lane(lookup, !leader);
		if (is_open(lookup))
			continue;
		if (lookup->is_told)
			end(lookup);
		else
			ask_again(lookup, leader);
	}
	drop_resolver(dns, !leader);
}

int dns_step(struct dns *dns, int64_t now_ms, struct cah_error *err)
{
	int rc = CAH_OK;
	dns->now_ms = now_ms;
	for (int i = 0; rc == CAH_OK && i < RACE_LANES; i++)
		if (dns->resolvers[i] != NULL)
			rc = resolver_step(dns->resolvers[i], err);
	expire(dns);
	choose(dns);
	take_off(dns);
	return rc;
}

int64_t dns_deadline_ms(const struct dns *dns)
{
	const struct lookup *first = TAILQ_FIRST(&dns->flight);
	int64_t deadline_ms =
		first != NULL ? first->asked_ms + dns->timeout_ms : -1;
	int64_t end_ms = dns->race.began_ms + RACE_MS;
	if (is_racing(dns) && dns->race.began_ms >= 0 && end_ms > dns->now_ms &&
	    (deadline_ms < 0 || end_ms < deadline_ms))
		deadline_ms = end_ms;
	return deadline_ms;
}
