/* The calls of the tracker's dedup service: lists as lines of text. */
#include <cah/dedup.h>

#include "base/fail.h"
#include "client/call.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>

enum {
	FILTER_MAX = 64,                          /* bytes of its name */
	LINE_LEN = 2 * CAH_DEDUP_KEY_LEN + 1,     /* with its end */
	TEXT_MAX = CAH_DEDUP_KEYS_MAX * LINE_LEN, /* of a list */
};

struct cah_dedup {
	struct cah_client *client; /* that never registers */
	char *filter;              /* as a query's value; "" for none */
	struct buf text;           /* of the list */
	struct buf answer;
};

int cah_dedup_open(struct cah_dedup **out,
		   const struct cah_client_options *options, const char *filter,
		   struct cah_error *err)
{
	*out = NULL;
	if (filter != NULL && strlen(filter) > FILTER_MAX)
		return cah_fail(err, CAH_EINVALID,
				"the filter's name has more than %d bytes",
				FILTER_MAX);
	struct cah_dedup *dedup = calloc(1, sizeof(*dedup));
	if (dedup == NULL)
		return cah_fail(err, CAH_ENOMEM, "dedup: out of memory");
	buf_init(&dedup->text, TEXT_MAX);
	buf_init(&dedup->answer, TALK_BODY_MAX);
	struct cah_client_options own = *options;
	own.nickname = "dedup";
	own.type = CAH_HYBRID;
	int rc = client_new(&dedup->client, &own, err);
	dedup->filter = curl_easy_escape(NULL, filter != NULL ? filter : "", 0);
	if (rc == CAH_OK && dedup->filter == NULL)
		rc = cah_fail(err, CAH_ENOMEM, "dedup: out of memory");
	if (rc != CAH_OK) {
		cah_dedup_free(dedup);
		return rc;
	}
	*out = dedup;
	return CAH_OK;
}

void cah_dedup_free(struct cah_dedup *dedup)
{
	if (dedup == NULL)
		return;
	cah_client_free(dedup->client);
	curl_free(dedup->filter);
	buf_fini(&dedup->text);
	buf_fini(&dedup->answer);
	free(dedup);
}

static void write_line(char line[LINE_LEN], const unsigned char *key)
{
	static const char digits[] = "0123456789abcdef";
	for (int i = 0; i < CAH_DEDUP_KEY_LEN; i++) {
		line[2 * i] = digits[key[i] >> 4];
		line[2 * i + 1] = digits[key[i] & 15];
	}
	line[LINE_LEN - 1] = '\n';
}

/* The list goes there; the answer is in dedup->answer after. */
static int send_list(struct cah_dedup *dedup, const char *call_path,
		     const unsigned char *keys, size_t count,
		     struct cah_error *err)
{
	char *path;
	assert(count <= CAH_DEDUP_KEYS_MAX);
	buf_reset(&dedup->text);
	buf_reset(&dedup->answer);
	for (size_t i = 0; i < count; i++) {
		char line[LINE_LEN];
		write_line(line, keys + i * CAH_DEDUP_KEY_LEN);
		(void)buf_add(&dedup->text, line, sizeof(line));
	}
	int rc = buf_check(&dedup->text, "list", err);
	if (rc != CAH_OK)
		return rc;
	if (asprintf(&path, "%s%s%s", call_path,
		     dedup->filter[0] != '\0' ? "?key=" : "",
		     dedup->filter) < 0)
		return cah_fail(err, CAH_ENOMEM, "dedup: out of memory");
	/* 404 says that there is no such service. */
	struct call call = {
		.path = path,
		.is_post = true,
		.text = count > 0 ? dedup->text.data : "",
		.flags = CALL_NEW,
	};
	rc = call_run(dedup->client, &dedup->answer, &call, err);
	free(path);
	return rc;
}

/* The answer's lines are some of the list's, in its order. */
static int read_new(const struct cah_dedup *dedup, const unsigned char *keys,
		    size_t count, bool *is_new, struct cah_error *err)
{
	struct slice rest = buf_slice(&dedup->answer);
	for (size_t i = 0; i < count; i++) {
		char line[LINE_LEN];
		write_line(line, keys + i * CAH_DEDUP_KEY_LEN);
		is_new[i] =
			slice_starts(rest, (struct slice){line, LINE_LEN - 1});
		if (!is_new[i])
			continue;
		rest = slice_from(rest, LINE_LEN - 1);
		if (rest.len > 0 && rest.data[0] == '\n')
			rest = slice_from(rest, 1);
	}
	if (rest.len > 0)
		return cah_fail(err, CAH_EFORMAT, "not lines of the list");
	return CAH_OK;
}

int cah_dedup_ask(struct cah_dedup *dedup, const unsigned char *keys,
		  size_t count, bool *is_new, struct cah_error *err)
{
	int rc = send_list(dedup, "/deduplicate", keys, count, err);
	if (rc != CAH_OK)
		return rc;
	return call_blame("/deduplicate",
			  read_new(dedup, keys, count, is_new, err), err);
}

int cah_dedup_add(struct cah_dedup *dedup, const unsigned char *keys,
		  size_t count, int64_t *added, struct cah_error *err)
{
	int64_t number;
	int rc = send_list(dedup, "/add", keys, count, err);
	/* The ancestors' server answers nothing. */
	if (rc == CAH_OK && dedup->answer.len == 0)
		number = 0;
	else if (rc == CAH_OK)
		rc = call_blame("/add",
				answer_parse_count(&number,
						   buf_slice(&dedup->answer),
						   err),
				err);
	if (rc == CAH_OK && added != NULL)
		*added = number;
	return rc;
}
