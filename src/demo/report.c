#include "demo/report.h"

#include "base/fail.h"

static void set(json_t *object, const char *key, json_t *value)
{
	/* Without memory the report lacks a line; the checks do not. */
	(void)json_object_set_new(object, key, value);
}

int report_init(struct report *r, FILE *out, bool is_json,
		struct cah_error *err)
{
	*r = (struct report){.out = is_json ? NULL : out,
			     .json = json_object()};
	if (r->json == NULL)
		return cah_fail(err, CAH_ENOMEM, "report: out of memory");
	return CAH_OK;
}

void report_fini(struct report *r)
{
	json_decref(r->json);
}

void report_world(struct report *r, const char *key, const char *title)
{
	r->world = json_object();
	set(r->world, "title", json_string(title));
	set(r->world, "checks", json_array());
	set(r->json, key, r->world);
	if (r->out != NULL)
		fprintf(r->out, "\n%s\n", title);
}

static void print_line(struct report *r, const char *text, int64_t value)
{
	if (r->out != NULL)
		fprintf(r->out, "  %-36s %8lld\n", text, (long long)value);
}

void report_number(struct report *r, const char *key, const char *text,
		   int64_t value)
{
	set(r->world, key, json_integer(value));
	print_line(r, text, value);
}

static void tell_drops(struct report *r, const struct fate_counts *fates)
{
	json_t *drops = json_object();
	for (int i = 0; i < CAH_FATE_COUNT; i++) {
		if (i == CAH_FATE_KEPT || fates->n[i] == 0)
			continue;
		char text[64];
		(void)snprintf(text, sizeof(text), "  dropped: %s",
			       fate_key(i));
		set(drops, fate_key(i), json_integer(fates->n[i]));
		print_line(r, text, fates->n[i]);
	}
	set(r->world, "dropped", drops);
}

void report_work(struct report *r, const struct work_summary *s)
{
	report_number(r, "jobs", "jobs done", s->jobs);
	report_number(r, "candidates", "candidates", fate_total(&s->fates));
	tell_drops(r, &s->fates);
	report_number(r, "kept", "pairs kept", s->kept);
	double rate =
		s->seconds > 0 ? (double)fate_total(&s->fates) / s->seconds : 0;
	double pairs = s->seconds > 0 ? (double)s->kept / s->seconds : 0;
	set(r->world, "seconds", json_real(s->seconds));
	set(r->world, "pairs_per_second", json_real(pairs));
	if (r->out != NULL)
		fprintf(r->out, "  %-36s %8.1f\n  %-36s %8.1f\n  %-36s %8.1f\n",
			"seconds", s->seconds, "candidates a second", rate,
			"pairs kept a second", pairs);
}

static void tell_check(struct report *r, const char *text, bool holds,
		       int64_t have, int64_t want)
{
	*(holds ? &r->held : &r->failed) += 1;
	json_t *check =
		json_pack("{s:s, s:b, s:I, s:I}", "check", text, "ok", holds,
			  "have", (json_int_t)have, "want", (json_int_t)want);
	(void)json_array_append_new(json_object_get(r->world, "checks"), check);
	if (r->out == NULL)
		return;
	if (holds)
		fprintf(r->out, "  [ok]   %s\n", text);
	else
		fprintf(r->out, "  [FAIL] %s: %lld instead of %lld\n", text,
			(long long)have, (long long)want);
}

void report_check(struct report *r, const char *text, int64_t have,
		  int64_t want)
{
	tell_check(r, text, have == want, have, want);
}

void report_limit(struct report *r, const char *text, int64_t have,
		  int64_t limit)
{
	tell_check(r, text, have <= limit, have, limit);
}

void report_place(struct report *r, const char *key, const char *text,
		  const char *place)
{
	set(r->json, key, json_string(place));
	if (r->out != NULL)
		fprintf(r->out, "%-20s %s\n", text, place);
}

void report_print(struct report *r, FILE *out)
{
	set(r->json, "ok", json_boolean(r->failed == 0));
	if (r->out == NULL) {
		json_dumpf(r->json, out,
			   JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		fputc('\n', out);
		return;
	}
	fprintf(r->out, "\n%d checks held, %d failed\n", r->held, r->failed);
}
