/* cah wat: the first step of a worker alone: WATs in, candidates out. */
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/blocking.h"
#include "cli/cmd.h"
#include "cli/languages.h"
#include "cli/opt.h"
#include "cli/seen.h"
#include "cli/text_opts.h"
#include "cli/wat_rows.h"
#include "wire/json.h"
#include "worker/ranges.h"
#include "worker/source.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	PROGRESS_MS = 200,     /* between two progress lines */
	DEFAULT_THREADS = 8,   /* at most: the one that writes keeps up with
				  no more */
	SUMMARY_MAX = 1 << 20, /* bytes */
};

/* Main thread only, as the command is; a table can hold its addresses. */
static struct settings {
	const char *format;
	const char *piece;
	const char *languages;
	const char *stats_path;
	const char *output_path;
	const char *seen_path;
	const char *seen_rate;
	struct bloom_size seen_size;
	int64_t threads;
	struct blocking blocking;
	struct text_opts text;
	struct opt_list resolve;
	bool is_all; /* dropped candidates, too */
	bool has_no_rules;
	bool is_urls_only;
	bool allow_private;
	bool is_json;
	bool is_quiet;
} settings = {.format = "jsonl",
	      .seen_size = {BLOOM_CAPACITY, BLOOM_ERROR_RATE}};

struct wat {
	struct source_request request;
	struct languages languages;
	struct pins *pins;
	struct blocklist *blocked;
	struct wat_rows *rows;
	struct seen seen;
	struct log *progress;      /* NULL where nobody looks */
	struct scan_counts counts; /* of all files */
	struct cah_error sink_err; /* where writing failed */
	int64_t kept;
	int64_t started_ms;
	int64_t begun_ms; /* the file in hand */
	int64_t shown_ms;
	int files;
};

/* ---- candidates ---- */

static int on_candidate(void *arg, const struct candidate *c)
{
	struct wat *wat = arg;
	wat->kept += c->fate == CAH_FATE_KEPT;
	if (c->fate == CAH_FATE_KEPT &&
	    seen_keep(&wat->seen, c, &wat->sink_err) != CAH_OK)
		return wat->sink_err.code;
	if (c->fate != CAH_FATE_KEPT && !settings.is_all)
		return CAH_OK;
	return wat_rows_add(wat->rows, c, &wat->sink_err);
}

/* ---- progress ---- */

static void on_progress(void *arg, int64_t done, int64_t total)
{
	struct wat *wat = arg;
	int64_t now = clock_now_ms();
	if (wat->progress == NULL || now - wat->shown_ms < PROGRESS_MS)
		return;
	wat->shown_ms = now;
	double seconds = (double)(now - wat->begun_ms + 1) / 1e3;
	double rate = (double)done / seconds;
	char size[64] = "", left[64] = "";
	if (total >= 0 && rate > 0) {
		(void)snprintf(size, sizeof(size), " of %.1f",
			       (double)total / 1e6);
		(void)snprintf(left, sizeof(left), ", %.0f s left",
			       (double)(total - done) / rate);
	}
	char line[256];
	(void)snprintf(line, sizeof(line), "%.1f%s MB, %.1f MB/s%s, %lld kept",
		       (double)done / 1e6, size, rate / 1e6, left,
		       (long long)wat->kept);
	log_progress(wat->progress, line);
}

/* ---- summary ---- */

static void add_counts(struct scan_counts *to, const struct scan_counts *from)
{
	to->packed_bytes += from->packed_bytes;
	to->raw_bytes += from->raw_bytes;
	to->records += from->records;
	to->broken_records += from->broken_records;
	to->pages += from->pages;
	to->image_links += from->image_links;
	fate_add(&to->fates, &from->fates);
}

/* Each fate is there, so that a reader need not know which can be missing. */
static void write_stats(const struct wat *wat, struct buf *out)
{
	const struct scan_counts *c = &wat->counts;
	struct wire_json json;
	wire_json_init(&json, out);
	wire_json_open(&json, '{');
	wire_json_put_int(&json, "files", wat->files);
	wire_json_put_int(&json, "packed_bytes", c->packed_bytes);
	wire_json_put_int(&json, "raw_bytes", c->raw_bytes);
	wire_json_put_int(&json, "records", c->records);
	wire_json_put_int(&json, "broken_records", c->broken_records);
	wire_json_put_int(&json, "pages", c->pages);
	wire_json_put_int(&json, "image_links", c->image_links);
	wire_json_put_int(&json, "candidates", fate_total(&c->fates));
	wire_json_key(&json, "fates");
	wire_json_open(&json, '{');
	for (int i = 0; i < CAH_FATE_COUNT; i++)
		wire_json_put_int(&json, fate_key((enum fate)i), c->fates.n[i]);
	wire_json_close(&json, '}');
	wire_json_key(&json, "seconds");
	wire_json_real(&json, (double)(clock_now_ms() - wat->started_ms) / 1e3);
	wire_json_close(&json, '}');
	(void)buf_add_byte(out, '\n');
}

static void write_summary(const struct wat *wat, struct buf *out)
{
	const struct scan_counts *c = &wat->counts;
	(void)buf_printf(out,
			 "%.1f MB (%.1f MB inflated), %lld records, %lld "
			 "broken, %lld pages with links, %lld image links\n",
			 (double)c->packed_bytes / 1e6,
			 (double)c->raw_bytes / 1e6, (long long)c->records,
			 (long long)c->broken_records, (long long)c->pages,
			 (long long)c->image_links);
	(void)buf_printf(out, "%-18s %12lld\n", "candidates",
			 (long long)fate_total(&c->fates));
	(void)buf_printf(out, "  %-16s %12lld\n", "kept",
			 (long long)c->fates.n[CAH_FATE_KEPT]);
	for (int i = CAH_FATE_KEPT + 1; i < CAH_FATE_COUNT; i++)
		if (c->fates.n[i] > 0)
			(void)buf_printf(out, "  %-16s %12lld  %s\n",
					 fate_key((enum fate)i),
					 (long long)c->fates.n[i],
					 fate_text((enum fate)i));
}

static int report(const struct wat *wat, struct cah_error *err)
{
	struct buf text;
	buf_init(&text, SUMMARY_MAX);
	int rc = CAH_OK;
	if (settings.stats_path != NULL) {
		write_stats(wat, &text);
		rc = buf_check(&text, "statistics", err);
		if (rc == CAH_OK)
			rc = file_put(settings.stats_path, text.data, text.len,
				      err);
	}
	buf_reset(&text);
	if (settings.is_json)
		write_stats(wat, &text);
	else if (!settings.is_quiet)
		write_summary(wat, &text);
	if (rc == CAH_OK && text.len > 0)
		fputs(text.data, stderr);
	buf_fini(&text);
	return rc;
}

/* ---- the command ---- */

static int read_piece(struct wat *wat, struct cah_error *err)
{
	const char *piece = settings.piece;
	wat->request.piece = -1;
	if (piece == NULL)
		return CAH_OK;
	if (strcmp(piece, "0") != 0 && strcmp(piece, "1") != 0)
		return cah_fail(err, CAH_EINVALID,
				"--piece: '%s' is neither 0 nor 1", piece);
	wat->request.piece = piece[0] - '0';
	return CAH_OK;
}

static int read_seen(struct wat *wat, struct cah_error *err)
{
	const char *rate = settings.seen_rate;
	if (rate != NULL) {
		char *end;
		settings.seen_size.error_rate = strtod(rate, &end);
		if (end == rate || *end != '\0' ||
		    !(settings.seen_size.error_rate > 0))
			return cah_fail(err, CAH_EINVALID,
					"--seen-error-rate: '%s' is no number "
					"above 0",
					rate);
	}
	return seen_init(&wat->seen, settings.seen_path, &settings.seen_size,
			 &wat->request.scan, err);
}

/* All cores by default: the lines are the same, they only come sooner. */
static int count_threads(void)
{
	if (settings.threads > 0)
		return (int)settings.threads;
	cpu_set_t cores;
	int count = sched_getaffinity(0, sizeof(cores), &cores) == 0
			    ? CPU_COUNT(&cores)
			    : 1;
	return count < DEFAULT_THREADS ? count : DEFAULT_THREADS;
}

static int read_settings(struct wat *wat, struct cancel *cancel,
			 struct cah_error *err)
{
	struct source_request *request = &wat->request;
	request->scan = scan_options_default();
	request->stream.cancel = cancel;
	request->stream.allow_private = settings.allow_private;
	request->stream.allow_files = true;
	request->fn = on_candidate;
	request->progress = on_progress;
	request->arg = wat;
	request->threads = count_threads();
	request->scan.has_rules = !settings.is_urls_only;
	int rc = text_opts_read(&settings.text, &request->scan, err);
	if (settings.has_no_rules)
		request->scan.rules = text_rules_none();
	if (rc == CAH_OK)
		rc = read_piece(wat, err);
	if (rc == CAH_OK && settings.languages != NULL)
		rc = languages_read(&wat->languages, &request->scan,
				    settings.languages, err);
	if (rc == CAH_OK && settings.is_urls_only && settings.languages != NULL)
		rc = cah_fail(err, CAH_EINVALID,
			      "--urls-only goes without --languages");
	if (rc == CAH_OK && settings.is_urls_only && settings.seen_path != NULL)
		rc = cah_fail(err, CAH_EINVALID,
			      "--urls-only goes without --seen");
	if (rc == CAH_OK)
		rc = read_seen(wat, err);
	if (rc == CAH_OK)
		rc = pins_new(&wat->pins, settings.resolve.values,
			      settings.resolve.count, err);
	if (rc == CAH_OK)
		rc = blocking_read(&wat->blocked, &settings.blocking, err);
	request->stream.pins = wat->pins;
	request->scan.blocked = wat->blocked;
	return rc;
}

static int read_file(struct wat *wat, const char *location,
		     struct cah_error *err)
{
	struct scan_counts counts;
	wat->request.location = location;
	wat->begun_ms = clock_now_ms();
	int rc = source_run(&wat->request, &counts, err);
	add_counts(&wat->counts, &counts);
	wat->files++;
	/* Its text says which disk is full. */
	if (rc != CAH_OK && wat->sink_err.code != CAH_OK)
		*err = wat->sink_err;
	if (rc == CAH_OK && counts.is_cut)
		rc = cah_fail(err, CAH_EFORMAT,
			      "%s: ends in the middle of a record, after %lld "
			      "whole ones",
			      location, (long long)counts.records);
	return rc;
}

static int read_files(struct wat *wat, int count, char **locations,
		      struct cah_error *err)
{
	int rc = CAH_OK;
	for (int i = 0; i < count && rc == CAH_OK; i++)
		rc = read_file(wat, locations[i], err);
	log_progress(wat->progress, NULL);
	return rc;
}

/* What was found before a failure is of use in a pipe; a file is to be whole.
 */
static int end_output(struct wat *wat, int rc, struct cah_error *err)
{
	bool is_whole = rc == CAH_OK || settings.output_path == NULL;
	bool is_unread = wat_rows_is_unread(wat->rows);
	if (is_whole && !is_unread) {
		struct cah_error sink_err = {0};
		int sink_rc = wat_rows_commit(wat->rows, &sink_err);
		if (rc != CAH_OK || sink_rc == CAH_OK)
			return rc;
		*err = sink_err;
		return sink_rc;
	}
	wat_rows_discard(wat->rows);
	/* The reader has seen enough and needs no telling. */
	if (is_unread)
		err->text[0] = '\0';
	return rc;
}

static int run(struct wat *wat, int count, char **locations,
	       struct cancel *cancel, struct cah_error *err)
{
	int rc = read_settings(wat, cancel, err);
	if (rc == CAH_OK && !settings.is_quiet && isatty(STDERR_FILENO))
		rc = log_new(&wat->progress, stderr, LOG_SILENT, false, err);
	if (rc == CAH_OK)
		rc = wat_rows_open(&wat->rows, settings.format,
				   settings.output_path, settings.is_all, err);
	if (rc != CAH_OK)
		return rc;
	wat->started_ms = clock_now_ms();
	rc = read_files(wat, count, locations, err);
	rc = end_output(wat, rc, err);
	if (rc == CAH_OK)
		rc = seen_commit(&wat->seen, err);
	return rc == CAH_OK ? report(wat, err) : rc;
}

static const struct opt own_opts[] = {
	{"format", "FORMAT", "jsonl, csv, tsv or parquet", OPT_TEXT,
	 &settings.format, 0, 0},
	{"piece", "0|1", "read the first or the second half only", OPT_TEXT,
	 &settings.piece, 0, 0},
	{"languages", "LIST", "keep only texts in these: en,de,...; all: any",
	 OPT_TEXT, &settings.languages, 0, 0},
	{"no-rules", NULL, "no text rules: duplicates are dropped still",
	 OPT_FLAG, &settings.has_no_rules, 0, 0},
	{"urls-only", NULL, "judge nothing but URLs", OPT_FLAG,
	 &settings.is_urls_only, 0, 0},
	{"all", NULL, "print dropped candidates, too, with their fate",
	 OPT_FLAG, &settings.is_all, 0, 0},
	{"output", "FILE", "write there, when all is done", OPT_TEXT,
	 &settings.output_path, 0, 0},
	{"stats", "FILE", "write the counts there, as JSON", OPT_TEXT,
	 &settings.stats_path, 0, 0},
	{"seen", "FILE",
	 "drop what earlier runs kept, remember what this one keeps", OPT_TEXT,
	 &settings.seen_path, 0, 0},
	{"seen-capacity", "N", "pairs that a new FILE is made for", OPT_INT,
	 &settings.seen_size.capacity, 1, BLOOM_CAPACITY_MAX},
	{"seen-error-rate", "RATE",
	 "new pairs that a new FILE may take for old, of 1", OPT_TEXT,
	 &settings.seen_rate, 0, 0},
	{"block-hosts", "FILE", "drop URLs of its hosts, one a line", OPT_TEXT,
	 &settings.blocking.hosts_path, 0, 0},
	{"block-urls", "FILE", "drop URLs of its MD5 or SHA-256, one a line",
	 OPT_TEXT, &settings.blocking.urls_path, 0, 0},
	{"threads", "N",
	 "threads that scan a gzip file on disk; 0, the default: one a core",
	 OPT_INT, &settings.threads, 0, RANGES_THREADS_MAX},
	{"resolve", "HOST:PORT:ADDR", "connect to ADDR for that host", OPT_LIST,
	 &settings.resolve, 0, 0},
	{"allow-private-addresses", NULL, "fetch from private addresses, too",
	 OPT_FLAG, &settings.allow_private, 0, 0},
	{"json", NULL, "print the counts as JSON, on standard error", OPT_FLAG,
	 &settings.is_json, 0, 0},
	{"quiet", NULL, "print no counts and no progress", OPT_FLAG,
	 &settings.is_quiet, 0, 0},
};

enum {
	OWN_OPTS = sizeof(own_opts) / sizeof(own_opts[0]),
	OPTS_LAST = 2, /* --json and --quiet, which stay last */
};

static struct opt opts[OWN_OPTS + TEXT_OPTS_COUNT];

static void gather_opts(void)
{
	const size_t before = OWN_OPTS - OPTS_LAST;
	memcpy(opts, own_opts, before * sizeof(opts[0]));
	text_opts_init(&settings.text);
	text_opts_rows(opts + before, &settings.text);
	memcpy(opts + before + TEXT_OPTS_COUNT, own_opts + before,
	       OPTS_LAST * sizeof(opts[0]));
}

static const struct opt_command command = {
	.name = "wat",
	.operands = "FILE|URL...",
	.about =
		"Finds the images with an alternative text in WAT files, plain "
		"or gzip, local or\nfar (- is standard input), and prints "
		"those worth a fetch, one a line. Duplicates\nare told within "
		"a file.",
	.examples =
		"  cah wat CC-MAIN-20220924151538-00000.warc.wat.gz | head\n"
		"  cah wat --languages en --format tsv --output pairs.tsv "
		"*.wat.gz\n"
		"  cah wat --piece 1 --stats stats.json https://"
		"data.commoncrawl.org/crawl-data/.../wat/....warc.wat.gz\n"
		"  zcat part.wat.gz | cah wat - --all --quiet",
	.opts = opts,
	.opt_count = sizeof(opts) / sizeof(opts[0]),
	.min_operands = 1,
	.max_operands = -1,
};

int cmd_wat(int argc, char **argv, struct cancel *cancel)
{
	int count;
	gather_opts();
	int status = opt_parse(&command, argc, argv, &count);
	if (status >= 0)
		return status;
	struct wat wat = {0};
	struct cah_error err = {0};
	int rc = run(&wat, count, argv, cancel, &err);
	log_free(wat.progress);
	pins_free(wat.pins);
	blocklist_free(wat.blocked);
	seen_fini(&wat.seen);
	if (rc == CAH_OK)
		return EXIT_DONE;
	if (err.text[0] == '\0')
		return EXIT_FAILED;
	return opt_report("wat", &err);
}
