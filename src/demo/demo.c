#include "demo/demo.h"

#include "base/fail.h"
#include "base/file.h"
#include "base/table.h"
#include "dataset/reader.h"
#include "demo/report.h"
#include "demo/site.h"
#include "demo/truth.h"
#include "tracker/tracker.h"
#include "worker/work.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

enum {
	SHARDS_MAX = 32, /* of one world */
	NAME_BYTES = 32,
	RESOLVES = 12,
	RESOLVE_BYTES = 64,
	WAT_LIST_MAX = 64 * 1024, /* bytes of wat.paths */
	/* What CLIP may get wrong, in percent: the demo model is a small one.
	 */
	LOST_MAX = 25,
	WRONGLY_KEPT_MAX = 5,
};

/* Host names of the demo's own that serve the WAT files. */
#define DOCS_WAT_HOST "crawl-docs.test"
#define WORLD_WAT_HOST "crawl-world.test"

/* One of the two. */
struct part {
	struct work_summary summary;
	char names[SHARDS_MAX][NAME_BYTES];
	int shards;
};

struct demo {
	const struct demo_options *o;
	struct cancel *cancel;
	char folder[PATH_MAX]; /* of the dataset */
	char docs_folder[PATH_MAX];
	char world_folders[3][PATH_MAX];
	char resolves[RESOLVES][RESOLVE_BYTES];
	const char *resolve_list[RESOLVES + 1]; /* NULL-terminated */
	int resolve_count;
	struct pins *pins;
	struct site *docs_site;
	struct site *world_site;
	struct store *store;
	struct tracker *tracker;
	struct part docs;
	struct part world;
	int64_t docs_jobs;
	int64_t world_jobs;
};

static const char *const world_hosts[3] = {"photos.test", "scenes.test",
					   "shop.test"};

/* ---- the webs ---- */

static int add_resolve(struct demo *d, const char *host, int port,
		       const char *address, struct cah_error *err)
{
	if (d->resolve_count == RESOLVES)
		return cah_fail(err, CAH_ELIMIT, "demo: more than %d hosts",
				RESOLVES);
	char *entry = d->resolves[d->resolve_count];
	(void)snprintf(entry, RESOLVE_BYTES, "%s:%d:%s", host, port, address);
	d->resolve_list[d->resolve_count++] = entry;
	return CAH_OK;
}

static int start_site(struct demo *d, struct site **out, int port,
		      const struct site_host *hosts, int count,
		      struct cah_error *err)
{
	int rc = site_start(out, port, hosts, count, err);
	for (int i = 0; i < count && rc == CAH_OK; i++)
		rc = add_resolve(d, hosts[i].name, port, site_address(*out),
				 err);
	return rc;
}

static int start_sites(struct demo *d, struct cah_error *err)
{
	/* The genuine WAT lies in a folder with other things: only that folder
	 * is served under this name. */
	(void)snprintf(d->docs_folder, sizeof(d->docs_folder), "%s",
		       d->o->docs);
	char *slash = strrchr(d->docs_folder, '/');
	if (slash == NULL)
		(void)snprintf(d->docs_folder, sizeof(d->docs_folder), ".");
	else
		*slash = '\0';
	const struct site_host docs[] = {
		{"docs-en.test", d->o->pages},
		{DOCS_WAT_HOST, d->docs_folder},
	};
	struct site_host world[4] = {{WORLD_WAT_HOST, d->o->world}};
	for (int i = 0; i < 3; i++) {
		int n = snprintf(d->world_folders[i], PATH_MAX, "%s/site/%s",
				 d->o->world, world_hosts[i]);
		if (n >= PATH_MAX)
			return cah_fail(err, CAH_ELIMIT, "%s: name too long",
					d->o->world);
		world[i + 1] =
			(struct site_host){world_hosts[i], d->world_folders[i]};
	}
	int rc = start_site(d, &d->docs_site, DEMO_DOCS_PORT, docs, 2, err);
	if (rc == CAH_OK)
		rc = start_site(d, &d->world_site, DEMO_WORLD_PORT, world, 4,
				err);
	if (rc == CAH_OK)
		rc = pins_new(&d->pins, d->resolve_list,
			      (size_t)d->resolve_count, err);
	return rc;
}

/* ---- the tracker ---- */

static int import(struct demo *d, const char *host, int port, const char *name,
		  int64_t *jobs, struct cah_error *err)
{
	char url[STORE_URL_MAX];
	bool is_added;
	(void)snprintf(url, sizeof(url), "http://%s:%d/%s", host, port, name);
	*jobs += 2;
	return store_import_add(d->store, slice_of(url), &is_added, err);
}

static int import_world(struct demo *d, struct cah_error *err)
{
	char path[PATH_MAX];
	struct buf list;
	(void)snprintf(path, sizeof(path), "%s/wat.paths", d->o->world);
	buf_init(&list, WAT_LIST_MAX);
	int rc = file_read(&list, path, err);
	char *rest = list.data;
	for (char *name; rc == CAH_OK && (name = strsep(&rest, "\n")) != NULL;)
		if (name[0] != '\0')
			rc = import(d, WORLD_WAT_HOST, DEMO_WORLD_PORT, name,
				    &d->world_jobs, err);
	buf_fini(&list);
	return rc;
}

static int import_all(struct demo *d, struct cah_error *err)
{
	const char *slash = strrchr(d->o->docs, '/');
	const char *name = slash != NULL ? slash + 1 : d->o->docs;
	int rc = store_import_begin(d->store, err);
	if (rc != CAH_OK)
		return rc;
	rc = import(d, DOCS_WAT_HOST, DEMO_DOCS_PORT, name, &d->docs_jobs, err);
	if (rc == CAH_OK)
		rc = import_world(d, err);
	if (rc == CAH_OK)
		return store_import_end(d->store, err);
	store_import_abort(d->store);
	return rc;
}

static int start_tracker(struct demo *d, struct cah_error *err)
{
	char uri[PATH_MAX + 32];
	(void)snprintf(uri, sizeof(uri), "sqlite:%s/tracker.db", d->o->out);
	int rc = store_open(&d->store, uri, err);
	if (rc == CAH_OK)
		rc = import_all(d, err);
	const struct tracker_options options = {
		.store = d->store,
		.log = NULL,
		.listen = d->o->listen,
	};
	if (rc == CAH_OK)
		rc = tracker_start(&d->tracker, &options, err);
	return rc;
}

/* ---- the worker ---- */

static void on_shard(void *arg, const struct pipeline_work *work,
		     const struct pipeline_result *result)
{
	struct part *part = arg;
	(void)result;
	if (part->shards < SHARDS_MAX)
		(void)snprintf(part->names[part->shards++], NAME_BYTES, "%s",
			       work->name);
}

static struct work_options work_options(const struct demo *d, struct part *part,
					int64_t jobs)
{
	struct work_options w = {
		.pipeline =
			{
				.clip = d->o->clip,
				.decoders = d->o->decoders,
				.model = d->o->model,
				.folder = d->folder,
				.threads = d->o->threads,
				.threshold = d->o->threshold,
				.save_embeddings = true,
				.save_images = true,
				.scan = scan_options_default(),
				.fetch = fetch_options_default(),
				.image = image_limits_default(),
				.stream = {.pins = d->pins,
					   .allow_private = true},
			},
		.client =
			{
				.url = tracker_url(d->tracker),
				.nickname = "demo",
				.type = CAH_HYBRID,
			},
		.max_jobs = jobs,
		.log = d->o->log,
		.is_terminal = d->o->is_terminal,
		.on_shard = on_shard,
		.arg = part,
	};
	w.pipeline.fetch.pins = d->pins;
	w.pipeline.fetch.allow_private = true;
	return w;
}

/* Every pair of the real pages is to come out, whatever it says and however
 * small its image is: the demo model has never seen their like. */
static int work_on_docs(struct demo *d, struct cah_error *err)
{
	struct work_options w = work_options(d, &d->docs, d->docs_jobs);
	w.pipeline.threshold = -1;
	w.pipeline.image.min_bytes = 0;
	w.pipeline.scan.language_count = 0;
	w.pipeline.scan.rules = text_rules_none();
	return work_run(&w, &d->docs.summary, d->cancel, err);
}

static int work_on_world(struct demo *d, struct cah_error *err)
{
	struct work_options w = work_options(d, &d->world, d->world_jobs);
	w.pipeline.scan.languages[0] = "en";
	w.pipeline.scan.language_count = 1;
	return work_run(&w, &d->world.summary, d->cancel, err);
}

/* ---- the check ---- */

static int read_part(const struct demo *d, const struct part *part,
		     reader_row_fn fn, void *arg, struct cah_error *err)
{
	for (int i = 0; i < part->shards; i++) {
		char path[PATH_MAX + NAME_BYTES + 16];
		(void)snprintf(path, sizeof(path), "%s/%s.parquet", d->folder,
			       part->names[i]);
		int rc = reader_rows(path, fn, arg, err);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

static int count_distinct(void *arg, const struct pair *row)
{
	struct table *seen = arg;
	return table_set(seen, row->md5, 1, NULL);
}

static int check_docs(struct demo *d, struct report *r, struct cah_error *err)
{
	const struct work_summary *s = &d->docs.summary;
	struct table *seen;
	int rc = table_new(&seen, SCAN_SEEN_MAX, err);
	if (rc != CAH_OK)
		return rc;
	rc = read_part(d, &d->docs, count_distinct, seen, err);
	int64_t distinct = (int64_t)table_count(seen);
	table_free(seen);
	if (rc != CAH_OK)
		return rc;

	report_world(r, "docs",
		     "Real input: the 685 pages of Debian's gimp-help-en");
	report_work(r, s);
	report_number(r, "distinct", "distinct pairs in the dataset", distinct);
	report_check(r, "all jobs are done", s->jobs, d->docs_jobs);
	report_check(r, "every image link with a text was found",
		     fate_total(&s->fates), DEMO_DOCS_CANDIDATES);
	report_check(r, "every image was fetched and decoded",
		     s->kept + s->fates.n[CAH_FATE_DUPLICATE],
		     DEMO_DOCS_CANDIDATES);
	report_check(r, "the dataset has every distinct pair", distinct,
		     DEMO_DOCS_PAIRS);
	return CAH_OK;
}

static int see_row(void *arg, const struct pair *row)
{
	truth_see(arg, row);
	return CAH_OK;
}

/* Everything before CLIP is exact. */
static void check_fates(struct report *r, const struct truth *truth,
			const struct fate_counts *fates)
{
	static const enum fate texts[] = {
		CAH_FATE_TEXT_TOO_SHORT,   CAH_FATE_TEXT_TOO_LONG,
		CAH_FATE_TEXT_FEW_LETTERS, CAH_FATE_TEXT_REPEATED,
		CAH_FATE_TEXT_PLACEHOLDER, CAH_FATE_TEXT_BOILERPLATE};
	int64_t bad_texts = 0;
	int64_t elsewhere = 0; /* drops that another reason stands for */
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		bad_texts += fates->n[texts[i]];
	report_check(r, "texts that are none were dropped", bad_texts,
		     truth_bad_texts(truth));
	for (int i = 0; i < CAH_FATE_COUNT; i++) {
		bool is_text = i >= CAH_FATE_TEXT_TOO_SHORT &&
			       i <= CAH_FATE_TEXT_BOILERPLATE;
		int64_t want = truth_fate(truth, i);
		if (want < 0 || is_text)
			continue;
		char text[64];
		(void)snprintf(text, sizeof(text), "dropped as %s",
			       fate_key(i));
		if (want > 0)
			report_check(r, text, fates->n[i], want);
		else
			elsewhere += fates->n[i];
	}
	report_check(r, "dropped for no other reason", elsewhere, 0);
}

static void tell_score(struct report *r, const struct truth_score *s)
{
	report_number(r, "right", "pairs that are right", s->right);
	report_number(r, "rightly_kept", "  of these kept", s->rightly_kept);
	report_number(r, "lost", "  of these lost", s->lost);
	report_number(r, "wrong", "pairs only CLIP can tell are wrong",
		      s->wrong);
	report_number(r, "wrongly_kept", "  of these kept", s->wrongly_kept);
	report_check(r, "no impossible pair is in the dataset", s->impossible,
		     0);
	report_check(r, "each pair has its page's licence", s->bad_licences, 0);
	report_limit(r, "few wrong pairs were kept", s->wrongly_kept * 100,
		     s->wrong * WRONGLY_KEPT_MAX);
	report_limit(r, "few right pairs were lost", s->lost * 100,
		     s->right * LOST_MAX);
}

static int check_world(struct demo *d, struct report *r, struct cah_error *err)
{
	const struct work_summary *s = &d->world.summary;
	char path[PATH_MAX];
	struct truth *truth;
	(void)snprintf(path, sizeof(path), "%s/truth.jsonl", d->o->world);
	int rc = truth_open(&truth, path, err);
	if (rc != CAH_OK)
		return rc;
	rc = read_part(d, &d->world, see_row, truth, err);
	if (rc == CAH_OK) {
		struct truth_score score = truth_score(truth);
		report_world(r, "world",
			     "Known truth: photographs and drawn scenes");
		report_work(r, s);
		report_check(r, "all jobs are done", s->jobs, d->world_jobs);
		report_check(r, "every candidate was found",
			     fate_total(&s->fates), truth_candidates(truth));
		check_fates(r, truth, &s->fates);
		tell_score(r, &score);
	}
	truth_free(truth);
	return rc;
}

static int check(struct demo *d, struct cah_error *err)
{
	struct report r;
	int rc = report_init(&r, d->o->report, d->o->is_json, err);
	if (rc != CAH_OK)
		return rc;
	rc = check_docs(d, &r, err);
	if (rc == CAH_OK)
		rc = check_world(d, &r, err);
	if (rc == CAH_OK) {
		if (r.out != NULL)
			fputc('\n', r.out);
		report_place(&r, "files", "the dataset", d->folder);
		report_place(&r, "dashboard",
			     d->o->is_serving ? "the dashboard"
					      : "the dashboard was",
			     tracker_url(d->tracker));
		report_print(&r, d->o->report);
	}
	if (rc == CAH_OK && r.failed > 0)
		rc = cah_fail(err, CAH_EFORMAT, "%d of %d checks failed",
			      r.failed, r.failed + r.held);
	report_fini(&r);
	(void)fflush(d->o->report);
	return rc;
}

/* ---- all of it ---- */

static int make_folder(struct demo *d, struct cah_error *err)
{
	int n = snprintf(d->folder, sizeof(d->folder), "%s/shards", d->o->out);
	if (n < 0 || (size_t)n >= sizeof(d->folder))
		return cah_fail(err, CAH_ELIMIT, "%s: name too long",
				d->o->out);
	DIR *dir = opendir(d->o->out);
	int entries = 0;
	while (dir != NULL && readdir(dir) != NULL)
		entries++;
	if (dir != NULL)
		closedir(dir);
	if (entries > 2) /* beside . and .. */
		return cah_fail(err, CAH_EINVALID,
				"%s is not empty: the demo begins with nothing",
				d->o->out);
	return file_make_dirs(d->folder, err);
}

static void serve(const struct demo *d)
{
	fprintf(stderr, "serving %s until Ctrl-C\n", tracker_url(d->tracker));
	while (!cancel_sleep(d->cancel, 60000))
		;
}

int demo_run(const struct demo_options *options, struct cancel *cancel,
	     struct cah_error *err)
{
	struct demo *d = calloc(1, sizeof(*d));
	if (d == NULL)
		return cah_fail(err, CAH_ENOMEM, "demo: out of memory");
	d->o = options;
	d->cancel = cancel;
	int rc = make_folder(d, err);
	if (rc == CAH_OK)
		rc = start_sites(d, err);
	if (rc == CAH_OK)
		rc = start_tracker(d, err);
	if (rc == CAH_OK)
		rc = work_on_docs(d, err);
	if (rc == CAH_OK)
		rc = work_on_world(d, err);
	if (rc == CAH_OK)
		rc = check(d, err);
	if (options->is_serving && d->tracker != NULL && !cancel_is_set(cancel))
		serve(d);
	tracker_stop(d->tracker);
	store_close(d->store);
	site_stop(d->docs_site);
	site_stop(d->world_site);
	pins_free(d->pins);
	free(d);
	return rc;
}
