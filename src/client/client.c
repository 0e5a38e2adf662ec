/* The handle itself: its options, its switches, what it tells about itself. */
#include "client/state.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/utf8.h"
#include "client/base_url.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

static const char *const type_names[] = {
	[CAH_HYBRID] = "HYBRID",
	[CAH_CPU] = "CPU",
	[CAH_GPU] = "GPU",
};

#define TYPE_COUNT (sizeof(type_names) / sizeof(type_names[0]))

const char *cah_worker_type_name(enum cah_worker_type type)
{
	assert((size_t)type < TYPE_COUNT);
	return type_names[type];
}

int cah_worker_type_parse(const char *name)
{
	for (size_t i = 0; i < TYPE_COUNT; i++)
		if (strcasecmp(name, type_names[i]) == 0)
			return (int)i;
	return -1;
}

static int check_nickname(const char *nickname, struct cah_error *err)
{
	if (nickname == NULL || nickname[0] == '\0')
		return cah_fail(err, CAH_EINVALID, "nickname is missing");
	if (strlen(nickname) > NICKNAME_MAX)
		return cah_fail(err, CAH_EINVALID,
				"nickname has more than %d bytes",
				NICKNAME_MAX);
	for (const char *p = nickname; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return cah_fail(err, CAH_EINVALID,
					"nickname has control characters");
	if (!utf8_is_valid(slice_of(nickname)))
		return cah_fail(err, CAH_EINVALID, "nickname is not UTF-8");
	return CAH_OK;
}

static int copy_list(const char *const **out, const char *const *list)
{
	size_t count = 0;
	while (list[count] != NULL)
		count++;
	char **copy = calloc(count + 1, sizeof(*copy));
	if (copy == NULL)
		return CAH_ENOMEM;
	*out = (const char *const *)copy;
	for (size_t i = 0; i < count; i++) {
		copy[i] = strdup(list[i]);
		if (copy[i] == NULL)
			return CAH_ENOMEM;
	}
	return CAH_OK;
}

static int copy_options(struct cah_client_options *to,
			const struct cah_client_options *from)
{
	*to = *from;
	to->url = NULL;
	to->nickname = NULL;
	to->user_agent = NULL;
	to->ca_file = NULL;
	to->resolve = NULL;
	if (from->user_agent != NULL &&
	    (to->user_agent = strdup(from->user_agent)) == NULL)
		return CAH_ENOMEM;
	if (from->ca_file != NULL &&
	    (to->ca_file = strdup(from->ca_file)) == NULL)
		return CAH_ENOMEM;
	if (from->resolve != NULL)
		return copy_list(&to->resolve, from->resolve);
	return CAH_OK;
}

static void free_options(struct cah_client_options *options)
{
	free((char *)options->user_agent);
	free((char *)options->ca_file);
	const char *const *entry = options->resolve;
	for (; entry != NULL && *entry != NULL; entry++)
		free((char *)*entry);
	free((void *)options->resolve);
}

static int make_pins(struct cah_client *client, struct cah_error *err)
{
	size_t count = 0;
	const char *const *entries = client->options.resolve;
	while (entries != NULL && entries[count] != NULL)
		count++;
	if (count == 0)
		return CAH_OK;
	return pins_new(&client->pins, entries, count, err);
}

static const char *default_url(void)
{
	const char *url = getenv("CAH_TRACKER");
	return url != NULL && url[0] != '\0' ? url : "http://127.0.0.1:8080";
}

static int fill(struct cah_client *client,
		const struct cah_client_options *options, struct cah_error *err)
{
	const char *url = options->url != NULL ? options->url : default_url();
	int rc = check_nickname(options->nickname, err);
	if (rc == CAH_OK)
		rc = base_url_parse(&client->base, url, err);
	if (rc != CAH_OK)
		return rc;
	client->url = strdup(url);
	client->nickname = strdup(options->nickname);
	client->type = options->type;
	cah_client_set_interrupt(client, options->interrupt,
				 options->interrupt_arg);
	client->token = strdup("");
	client->display_name = strdup("");
	client->upload_address = strdup("");
	if (client->url == NULL || client->nickname == NULL ||
	    client->token == NULL || client->display_name == NULL ||
	    client->upload_address == NULL ||
	    copy_options(&client->options, options) != CAH_OK)
		return cah_fail(err, CAH_ENOMEM, "client: out of memory");
	rc = make_pins(client, err);
	if (rc == CAH_OK)
		rc = talk_new(&client->talk, &client->options, err);
	return rc;
}

int client_new(struct cah_client **out,
	       const struct cah_client_options *options, struct cah_error *err)
{
	*out = NULL;
	if ((size_t)options->type >= TYPE_COUNT)
		return cah_fail(err, CAH_EINVALID, "type %d is unknown",
				(int)options->type);
	struct cah_client *client = calloc(1, sizeof(*client));
	if (client == NULL)
		return cah_fail(err, CAH_ENOMEM, "client: out of memory");
	int rc = fill(client, options, err);
	if (rc != CAH_OK) {
		cah_client_free(client);
		return rc;
	}
	*out = client;
	return CAH_OK;
}

void cah_client_free(struct cah_client *client)
{
	if (client == NULL)
		return;
	talk_free(client->talk);
	pins_free(client->pins);
	jobs_clear(&client->jobs);
	free_options(&client->options);
	free(client->url);
	free(client->base);
	free(client->nickname);
	free(client->token);
	free(client->display_name);
	free(client->upload_address);
	free(client->filters);
	free(client);
}

void cah_client_cancel(struct cah_client *client, bool is_cancelled)
{
	atomic_store(&client->is_cancelled, is_cancelled);
}

void cah_client_set_interrupt(struct cah_client *client, cah_interrupt_fn fn,
			      void *arg)
{
	client->interrupt = fn;
	client->interrupt_arg = arg;
	client->interrupt_ms = 0;
}

int client_tick(void *arg)
{
	struct cah_client *client = arg;
	if (atomic_load(&client->is_cancelled))
		return 1;
	/* A transfer at full speed ticks far more often than is promised, and
	 * each question may cost its owner a lock. */
	int64_t now_ms = clock_now_ms();
	if (client->interrupt == NULL ||
	    now_ms - client->interrupt_ms < TALK_TICK_MS / 2)
		return 0;
	client->interrupt_ms = now_ms;
	return client->interrupt(client->interrupt_arg);
}

int client_check(struct cah_client *client, struct cah_error *err)
{
	if (client_tick(client) != 0)
		return cah_fail(err, CAH_ECANCELLED, "cancelled");
	return CAH_OK;
}

const char *cah_client_url(const struct cah_client *client)
{
	return client->url;
}

const char *cah_client_token(const struct cah_client *client)
{
	return client->token;
}

const char *cah_client_nickname(const struct cah_client *client)
{
	return client->nickname;
}

const char *cah_client_display_name(const struct cah_client *client)
{
	return client->display_name;
}

const char *cah_client_upload_address(const struct cah_client *client)
{
	return client->upload_address;
}

bool cah_client_has_filter(const struct cah_client *client, const char *name)
{
	struct slice rest = slice_of(client->filters);
	struct slice wanted = slice_of(name);
	while (rest.len > 0) {
		const char *end = memchr(rest.data, '\n', rest.len);
		struct slice line = rest;
		if (end != NULL)
			line.len = (size_t)(end - rest.data);
		if (slice_equal(line, wanted))
			return true;
		rest = slice_from(rest, line.len + 1);
	}
	return false;
}

enum cah_worker_type cah_client_type(const struct cah_client *client)
{
	return client->type;
}

const struct cah_job *cah_client_job(const struct cah_client *client)
{
	return client->jobs.count > 0 ? &client->jobs.list[0] : NULL;
}

const struct cah_job *cah_client_wat_jobs(const struct cah_client *client,
					  size_t *count)
{
	*count = client->jobs.is_wat ? client->jobs.count : 0;
	return *count > 0 ? client->jobs.list : NULL;
}
