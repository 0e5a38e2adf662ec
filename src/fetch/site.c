#include "fetch/site.h"

#include "base/fail.h"
#include "base/table.h"
#include "fetch/machine.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	PORT_TEXT_MAX = 8, /* ":65535" and the NUL */
};

struct sites {
	struct table *table; /* key to pointer */
	struct site_list all;
	struct site_list idle; /* the oldest first */
	size_t idle_count;
	struct machines *machines;
	void *owner;
};

int sites_new(struct sites **out, size_t max, void *owner,
	      struct cah_error *err)
{
	*out = NULL;
	struct sites *sites = calloc(1, sizeof(*sites));
	if (sites == NULL)
		return cah_fail(err, CAH_ENOMEM, "sites: out of memory");
	TAILQ_INIT(&sites->all);
	TAILQ_INIT(&sites->idle);
	sites->owner = owner;
	int rc = table_new(&sites->table, max + SITE_IDLE_MAX + 1, err);
	/* A site is held to one address, a transfer of it perhaps to another.
	 */
	if (rc == CAH_OK)
		rc = machines_new(&sites->machines, 2 * max + SITE_IDLE_MAX + 1,
				  err);
	if (rc != CAH_OK) {
		sites_free(sites);
		return rc;
	}
	*out = sites;
	return CAH_OK;
}

static void free_site(struct sites *sites, struct site *site)
{
	TAILQ_REMOVE(&sites->all, site, all);
	machines_let_go(sites->machines, site->machine);
	free(site);
}

void sites_free(struct sites *sites)
{
	if (sites == NULL)
		return;
	while (!TAILQ_EMPTY(&sites->all)) {
		struct site *site = TAILQ_FIRST(&sites->all);
		/* The analyzer does not see that the list forgets its first.
		 * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		free_site(sites, site);
	}
	machines_free(sites->machines);
	table_free(sites->table);
	free(sites);
}

struct machines *sites_machines(struct sites *sites)
{
	return sites->machines;
}

static struct site *create(struct sites *sites, const struct target *target,
			   const char *key)
{
	size_t key_size = strlen(key) + 1;
	size_t host_size = strlen(target->host) + 1;
	struct site *site = calloc(1, sizeof(*site) + key_size + host_size);
	if (site == NULL)
		return NULL;
	memcpy(site->key, key, key_size);
	site->host = site->key + key_size;
	memcpy(site->host, target->host, host_size);
	site->port = target->port;
	site->owner = sites->owner;
	TAILQ_INIT(&site->waiting);
	if (table_set(sites->table, slice_of(site->key),
		      (uint64_t)(uintptr_t)site, NULL) != CAH_OK) {
		free(site);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&sites->all, site, all);
	return site;
}

static void wake(struct sites *sites, struct site *site, int64_t now_ms)
{
	if (site->place == SITE_IDLE) {
		TAILQ_REMOVE(&sites->idle, site, link);
		sites->idle_count--;
		site->place = SITE_NOWHERE;
		if (site->state == SITE_KNOWN &&
		    now_ms - site->known_ms > site->answer.keep_ms)
			site->state = SITE_NEW;
	}
}

struct site *sites_get(struct sites *sites, const struct target *target,
		       int64_t now_ms)
{
	uint64_t value;
	size_t size = strlen(target->host) + PORT_TEXT_MAX;
	char *key = malloc(size);
	if (key == NULL)
		return NULL;
	(void)snprintf(key, size, "%s:%d", target->host, target->port);
	struct site *site;
	if (table_get(sites->table, slice_of(key), &value)) {
		site = (struct site *)(uintptr_t)value;
		wake(sites, site, now_ms);
	} else {
		site = create(sites, target, key);
	}
	free(key);
	return site;
}

void sites_release(struct sites *sites, struct site *site)
{
	if (site->place != SITE_NOWHERE || site->state == SITE_ASKING ||
	    site->running > 0 || !TAILQ_EMPTY(&site->waiting))
		return;
	TAILQ_INSERT_TAIL(&sites->idle, site, link);
	site->place = SITE_IDLE;
	sites->idle_count++;
	if (sites->idle_count <= SITE_IDLE_MAX)
		return;
	struct site *oldest = TAILQ_FIRST(&sites->idle);
	TAILQ_REMOVE(&sites->idle, oldest, link);
	sites->idle_count--;
	(void)table_remove(sites->table, slice_of(oldest->key));
	free_site(sites, oldest);
}

void sites_each(struct sites *sites, void (*fn)(struct site *site))
{
	struct site *site;
	TAILQ_FOREACH(site, &sites->all, all)
	fn(site);
}
