/* Which pairs were taken before, by any worker. The forms are those of the
 * ancestors' bloom filter server, whose clients send a list as the file of a
 * form, and take an answer apart at its line ends. */
#include "base/fail.h"
#include "tracker/request.h"
#include "tracker/sifter.h"
#include "wire/form.h"
#include "wire/keys.h"

#include <stdlib.h>

/* What was asked. */
struct question {
	struct sifter_list list;
	struct buf keys; /* its memory */
};

static int take_add(struct question *q, struct slice value,
		    struct cah_error *err)
{
	if (!slice_equal(value, SLICE("1")) && !slice_equal(value, SLICE("0")))
		return cah_fail(err, CAH_EINVALID, "add: not 0 or 1");
	q->list.adds = value.data[0] == '1';
	return CAH_OK;
}

/* The list, from a form's part "file" or as the whole body. */
static int read_fields(struct question *q, const struct request *request,
		       struct slice *list, struct cah_error *err)
{
	struct slice type = slice_of(request_header(request, "Content-Type"));
	struct slice add = SLICE("0");
	*list = buf_slice(&request->raw_body);
	(void)wire_query_get(&request->query, SLICE("key"), &q->list.name);
	(void)wire_query_get(&request->query, SLICE("add"), &add);
	if (wire_form_is(type)) {
		struct wire_form form;
		int rc = wire_form_parse(&form, type, *list, err);
		if (rc != CAH_OK)
			return rc;
		if (!wire_form_get(&form, SLICE("file"), list))
			return cah_fail(err, CAH_EFORMAT, "file: missing");
		(void)wire_form_get(&form, SLICE("key"), &q->list.name);
		(void)wire_form_get(&form, SLICE("add"), &add);
	}
	return take_add(q, add, err);
}

static int ask(struct question *q, struct request *request, bool adds,
	       struct cah_error *err)
{
	struct slice list;
	int rc = read_fields(q, request, &list, err);
	if (rc == CAH_OK)
		rc = wire_keys_parse(&q->keys, list, err);
	if (rc != CAH_OK)
		return rc;
	q->list.adds |= adds;
	q->list.keys = (const unsigned char *)q->keys.data;
	q->list.count = q->keys.len / WIRE_KEY_LEN;
	/* One more, for a list of none. */
	q->list.is_new = malloc((q->list.count + 1) * sizeof(bool));
	if (q->list.is_new == NULL)
		return cah_fail(err, CAH_ENOMEM, "list: out of memory");
	return sifter_ask(request, &q->list, err);
}

static void init(struct question *q)
{
	*q = (struct question){.list = {.adds = false}};
	buf_init(&q->keys, (size_t)WIRE_KEYS_MAX * WIRE_KEY_LEN);
}

static void fini(struct question *q)
{
	buf_fini(&q->keys);
	free(q->list.is_new);
}

/* As it was sent, in small letters; a line end between two. */
static void put_new(struct buf *out, const struct question *q)
{
	for (size_t i = 0; i < q->list.count; i++) {
		if (!q->list.is_new[i])
			continue;
		if (out->len > 0)
			buf_add_byte(out, '\n');
		wire_keys_put(out, q->list.keys + i * WIRE_KEY_LEN);
	}
}

int route_deduplicate(struct request *request, struct cah_error *err)
{
	struct question q;
	init(&q);
	int rc = ask(&q, request, false, err);
	if (rc == CAH_OK)
		put_new(&request->out, &q);
	fini(&q);
	return rc;
}

int route_add(struct request *request, struct cah_error *err)
{
	struct question q;
	size_t count = 0;
	init(&q);
	int rc = ask(&q, request, true, err);
	for (size_t i = 0; i < q.list.count && rc == CAH_OK; i++)
		count += q.list.is_new[i];
	if (rc == CAH_OK)
		buf_printf(&request->out, "%zu", count);
	fini(&q);
	return rc;
}
