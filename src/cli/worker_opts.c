#include "cli/worker_opts.h"

#include "base/fail.h"
#include "base/file.h"
#include "cli/cmd.h"
#include "fetch/local.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int worker_opts_threads(int64_t wanted)
{
	if (wanted == 0)
		wanted = sysconf(_SC_NPROCESSORS_ONLN);
	if (wanted > PIPELINE_THREADS_MAX)
		return PIPELINE_THREADS_MAX;
	return wanted >= 1 ? (int)wanted : 1;
}

void worker_opts_init(struct worker_opts *o)
{
	*o = (struct worker_opts){
		.threads = 0,
		.threshold = 0.3,
		.languages = "en",
	};
	text_opts_init(&o->text);
	fetch_opts_init(&o->fetch);
}

void worker_opts_rows(struct opt *rows, struct worker_opts *o)
{
	const struct opt table[WORKER_OPTS_OWN] = {
		{"model", "DIR", "folder of a CLIP model (docs/models.md)",
		 OPT_TEXT, &o->model, 0, 0},
		{"out", "DIR", "folder for the shards (or file: URI)", OPT_TEXT,
		 &o->out, 0, 0},
		{"threads", "N", "decoding threads; 0: one a core", OPT_INT,
		 &o->threads, 0, PIPELINE_THREADS_MAX},
		{"threshold", "X", "least similarity of a pair", OPT_REAL,
		 &o->threshold, -1, 1},
		{"save-images", NULL, "write NAME.tar (webdataset) too",
		 OPT_FLAG, &o->save_images, 0, 0},
		{"no-embeddings", NULL, "write no .npy files", OPT_FLAG,
		 &o->no_embeddings, 0, 0},
		{"languages", "LIST", "of the texts, as en,de; all: any",
		 OPT_TEXT, &o->languages, 0, 0},
		{"block-hosts", "FILE", "drop URLs of its hosts, one a line",
		 OPT_TEXT, &o->blocking.hosts_path, 0, 0},
		{"block-urls", "FILE",
		 "drop URLs of its MD5 or SHA-256, one a line", OPT_TEXT,
		 &o->blocking.urls_path, 0, 0},
		{"no-sandbox", NULL, "decode images in this process", OPT_FLAG,
		 &o->no_sandbox, 0, 0},
		{"stats", NULL, "tell after each shard how its stages did",
		 OPT_FLAG, &o->wants_stats, 0, 0},
		{"metrics", "[ADDR:]PORT",
		 "answer GET /metrics for Prometheus there", OPT_TEXT,
		 &o->metrics, 0, 0},
		{"quiet", NULL, "say only what goes wrong", OPT_FLAG,
		 &o->is_quiet, 0, 0},
		{"json", NULL, "results and log lines as JSON", OPT_FLAG,
		 &o->is_json, 0, 0},
	};
	/* The last two, which every command has, stay last. */
	const size_t before = WORKER_OPTS_OWN - 2;
	memcpy(rows, table, before * sizeof(table[0]));
	rows += before;
	text_opts_rows(rows, &o->text);
	rows += TEXT_OPTS_COUNT;
	fetch_opts_rows(rows, &o->fetch);
	rows += FETCH_OPTS_COUNT;
	memcpy(rows, table + before, 2 * sizeof(table[0]));
}

/* A place beyond this machine's folders would be half a promise. */
static int find_folder(struct worker_opts *o, struct cah_error *err)
{
	if (o->out == NULL || o->out[0] == '\0')
		return cah_fail(err, CAH_EINVALID, "--out is missing");
	int rc = CAH_EINVALIDURL;
	if (local_is(o->out))
		rc = local_path(&o->folder, o->out, err);
	if (rc == CAH_EINVALIDURL)
		return cah_fail(err, CAH_EINVALID,
				"--out: %s is no folder of this machine",
				o->out);
	return rc == CAH_OK ? file_make_dirs(o->folder, err) : rc;
}

int worker_opts_decoders(struct decoders **out, const struct clip *clip,
			 const struct decoders_options *wanted,
			 struct cah_error *err)
{
	const struct clip_plan *plan = clip_plan(clip);
	struct decoders_options options = *wanted;
	options.made_max =
		(size_t)plan->crop_width * (size_t)plan->crop_height * 3;
	return decoders_new(out, &options, err);
}

int worker_opts_open(struct worker_opts *o, struct cah_error *err)
{
	if (o->model == NULL || o->model[0] == '\0')
		return cah_fail(err, CAH_EINVALID,
				"--model is missing: a folder with a CLIP "
				"model");
	int rc = find_folder(o, err);
	if (rc == CAH_OK)
		rc = fetch_opts_open(&o->fetch, &o->fetch_options, err);
	if (rc == CAH_OK)
		rc = blocking_read(&o->blocked, &o->blocking, err);
	if (rc == CAH_OK)
		rc = log_new(&o->log, stderr,
			     o->is_quiet ? LOG_ERROR : LOG_INFO, o->is_json,
			     err);
	if (rc != CAH_OK)
		return rc;
	dns_set_log(o->fetch.dns, o->log);
	o->threads = worker_opts_threads(o->threads);
	const struct clip_options clip = {.threads = (int)o->threads};
	rc = clip_open(&o->clip, o->model, &clip, err);
	const struct decoders_options decoders = {
		.count = (int)o->threads,
		.file_max = o->fetch_options.max_bytes,
		.log = o->log,
	};
	if (rc == CAH_OK && !o->no_sandbox)
		rc = worker_opts_decoders(&o->decoders, o->clip, &decoders,
					  err);
	if (rc == CAH_OK && o->metrics != NULL)
		rc = account_new(&o->account, err);
	if (rc == CAH_OK && o->metrics != NULL)
		rc = monitor_new(&o->monitor, o->metrics, o->account, o->log,
				 err);
	return rc;
}

void worker_opts_close(struct worker_opts *o)
{
	monitor_free(o->monitor);
	account_free(o->account);
	decoders_free(o->decoders);
	if (o->clip != NULL)
		clip_close(o->clip);
	fetch_opts_close(&o->fetch);
	log_free(o->log);
	blocklist_free(o->blocked);
	free(o->folder);
}

/* "b" of "a/b/": the stats go to others, whom the rest does not concern. */
static void copy_last_name(char out[NAME_MAX + 1], const char *path)
{
	size_t end = strlen(path);
	while (end > 1 && path[end - 1] == '/')
		end--;
	size_t start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	(void)snprintf(out, NAME_MAX + 1, "%.*s", (int)(end - start),
		       path + start);
}

static void put_table(const struct flow *flow)
{
	struct buf table;
	buf_init(&table, FLOW_TEXT_MAX);
	flow_write(&table, flow);
	if (!table.is_failed && table.len > 0)
		(void)fwrite(table.data, 1, table.len, stderr);
	buf_fini(&table);
}

/* --stats: a table for people, or a line of JSON a stage. */
static void tell_stats(void *arg, const struct pipeline_work *work,
		       const struct pipeline_result *result)
{
	const struct worker_opts *o = arg;
	const struct flow *flow = &result->flow;
	/* A shard that was there already took nothing. */
	if (flow->ns == 0)
		return;
	if (!o->is_json) {
		put_table(flow);
		return;
	}
	for (int i = 0; i < STAGE_COUNT; i++) {
		const struct flow_stage *s = &flow->stages[i];
		enum stage stage = (enum stage)i;
		const struct log_field fields[] = {
			log_text("shard", slice_of(work->name)),
			log_text("stage", slice_of(flow_name(stage))),
			log_int("threads", s->threads),
			log_int("busy_percent",
				(int64_t)(100 * flow_busy(flow, stage) + 0.5)),
			log_int("items", s->taken),
			log_int("depth_most", s->depth_most),
			log_int("room", s->room),
		};
		log_fields(o->log, LOG_INFO, "stage", fields,
			   sizeof(fields) / sizeof(fields[0]));
	}
}

int worker_opts_apply(struct worker_opts *o, struct work_options *work,
		      struct cah_error *err)
{
	struct pipeline_options *p = &work->pipeline;
	copy_last_name(o->model_name, o->model);
	*work = (struct work_options){
		.log = o->log,
		.is_terminal =
			isatty(STDERR_FILENO) && !o->is_quiet && !o->is_json,
		.account = o->account,
		.on_shard = o->wants_stats ? tell_stats : NULL,
		.arg = o,
	};
	*p = (struct pipeline_options){
		.clip = o->clip,
		.model = o->model_name,
		.folder = o->folder,
		.threads = (int)o->threads,
		.threshold = o->threshold,
		.save_images = o->save_images,
		.save_embeddings = !o->no_embeddings,
		.scan = scan_options_default(),
		.fetch = o->fetch_options,
		.image = image_limits_default(),
		.decoders = o->decoders,
	};
	p->stream.pins = o->fetch.pins;
	p->scan.blocked = o->blocked;
	p->stream.allow_private = o->fetch.allow_private;
	memcpy(o->resolve_entries, o->fetch.resolve.values,
	       o->fetch.resolve.count * sizeof(o->fetch.resolve.values[0]));
	o->resolve_entries[o->fetch.resolve.count] = NULL;
	work->client.resolve = o->resolve_entries;
	work->client.type = CAH_HYBRID;
	int rc = text_opts_read(&o->text, &p->scan, err);
	return rc != CAH_OK ? rc
			    : languages_read(&o->language_list, &p->scan,
					     o->languages, err);
}

static json_t *stages_json(const struct flow *flow)
{
	json_t *list = json_array();
	for (int i = 0; i < STAGE_COUNT; i++) {
		const struct flow_stage *s = &flow->stages[i];
		enum stage stage = (enum stage)i;
		json_array_append_new(
			list,
			json_pack("{s:s, s:i, s:f, s:I, s:f, s:f, s:I, s:I}",
				  "stage", flow_name(stage), "threads",
				  s->threads, "busy", flow_busy(flow, stage),
				  "items", (json_int_t)s->taken, "rate",
				  flow_rate(flow, stage), "depth_mean",
				  s->depth_mean, "depth_most",
				  (json_int_t)s->depth_most, "room",
				  (json_int_t)s->room));
	}
	return list;
}

static void print_json(const struct work_summary *s, int rc,
		       const struct cah_error *err)
{
	json_t *fates = json_object();
	for (int i = 0; i < CAH_FATE_COUNT; i++)
		json_object_set_new(fates, fate_key(i),
				    json_integer(s->fates.n[i]));
	json_t *report = json_pack(
		"{s:I, s:I, s:I, s:I, s:f, s:o}", "jobs", s->jobs,
		"jobs_too_late", s->lost, "candidates", fate_total(&s->fates),
		"kept", s->kept, "seconds", s->seconds, "fates", fates);
	json_object_set_new(report, "stages", stages_json(&s->flow));
	if (rc != CAH_OK)
		json_object_set_new(report, "error", json_string(err->text));
	json_dumpf(report, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(report);
}

int worker_opts_report(const struct worker_opts *o, const char *command,
		       const struct work_summary *s, int rc,
		       const struct cah_error *err)
{
	/* Without a log it was the options that were wrong. */
	if (o->log == NULL)
		return opt_report(command, err);
	if (o->is_json)
		print_json(s, rc, err);
	/* A failure is told in one line where nothing was done before. */
	if (rc == CAH_OK || rc == CAH_ECANCELLED || s->jobs > 0)
		log_info(o->log,
			 "%lld jobs done, %lld candidates, %lld pairs kept, "
			 "%.1f s",
			 (long long)s->jobs, (long long)fate_total(&s->fates),
			 (long long)s->kept, s->seconds);
	if (rc == CAH_OK)
		return EXIT_DONE;
	if (rc == CAH_ECANCELLED) {
		log_info(o->log, "stopped; the job in hand was given back");
		return EXIT_INTERRUPTED;
	}
	return opt_report(command, err);
}
