/* cah jobs export: the whole book as one table, CSV (RFC 4180, but for the line
 * ends, which are the system's) or Parquet. Read page by page in one
 * transaction, so that it is the book of one moment whatever the tracker does
 * meanwhile, in memory that does not grow with it. */
#include "base/clock.h"
#include "base/fail.h"
#include "base/file.h"
#include "cli/jobs.h"
#include "cli/sink.h"
#include "dataset/parquet_shim.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

enum format {
	FORMAT_CSV,
	FORMAT_PARQUET,
};

static const struct parquet_column columns[] = {
	{"number", PARQUET_INT64, false}, {"url", PARQUET_TEXT, false},
	{"piece", PARQUET_INT32, false},  {"start_id", PARQUET_INT64, false},
	{"end_id", PARQUET_INT64, false}, {"state", PARQUET_TEXT, false},
	{"pairs", PARQUET_INT64, false},  {"holder", PARQUET_TEXT, false},
	{"made_by", PARQUET_TEXT, false}, {"done_by", PARQUET_TEXT, false},
	{"gpu_url", PARQUET_TEXT, false},
};

enum {
	COLUMNS = sizeof(columns) / sizeof(columns[0]),
};

struct dump {
	struct jobs_args *jobs;
	enum format format;
	const char *path;  /* NULL: standard output */
	struct sink *sink; /* CSV */
	struct file *file; /* Parquet in a file */
	struct parquet_writer *parquet;
	struct job *page; /* of STORE_LIST_MAX */
	int64_t rows;     /* written */
	int64_t total;    /* of the book */
	bool is_begun;
	int rc; /* how it went within the transaction */
	struct cah_error *err;
};

/* ---- rows ---- */

static struct parquet_value number_of(int64_t number)
{
	return (struct parquet_value){.number = number};
}

static struct parquet_value text_of(const char *text)
{
	return (struct parquet_value){.text = text, .text_len = strlen(text)};
}

/* In the order of columns[]. */
static void fill_row(struct parquet_value row[COLUMNS], const struct job *job)
{
	size_t n = 0;
	row[n++] = number_of(job->number);
	row[n++] = text_of(job->url);
	row[n++] = number_of(job->piece);
	row[n++] = number_of(job->start_id);
	row[n++] = number_of(job->end_id);
	row[n++] = text_of(store_state_name(job->state));
	row[n++] = number_of(job->pairs);
	row[n++] = text_of(job->holder);
	row[n++] = text_of(job->made_by);
	row[n++] = text_of(job->done_by);
	row[n++] = text_of(job->gpu_url);
	assert(n == COLUMNS);
}

/* A field with a comma, a quote, a line end or a blank, which some readers cut
 * off, stands in quotes; a quote in it stands twice. */
static void add_csv_text(struct buf *out, struct slice text)
{
	bool is_plain = true;
	for (size_t i = 0; i < text.len && is_plain; i++)
		is_plain = strchr(",\"\r\n ", text.data[i]) == NULL;
	if (is_plain) {
		(void)buf_add_slice(out, text);
		return;
	}
	(void)buf_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"')
			(void)buf_add_byte(out, '"');
		(void)buf_add_byte(out, text.data[i]);
	}
	(void)buf_add_byte(out, '"');
}

static int write_csv(struct dump *dump, const struct parquet_value *row,
		     struct cah_error *err)
{
	struct buf *out = sink_buf(dump->sink);
	for (size_t i = 0; i < COLUMNS; i++) {
		if (i > 0)
			(void)buf_add_byte(out, ',');
		if (columns[i].type == PARQUET_TEXT)
			add_csv_text(out, (struct slice){row[i].text,
							 row[i].text_len});
		else
			(void)buf_printf(out, "%lld", (long long)row[i].number);
	}
	(void)buf_add_byte(out, '\n');
	return sink_flush(dump->sink, false, err);
}

static int write_page(struct dump *dump, size_t count, struct cah_error *err)
{
	struct parquet_value row[COLUMNS];
	for (size_t i = 0; i < count; i++) {
		fill_row(row, &dump->page[i]);
		int rc = dump->format == FORMAT_CSV
				 ? write_csv(dump, row, err)
				 : parquet_add(dump->parquet, row, err);
		if (rc != CAH_OK)
			return rc;
	}
	dump->rows += (int64_t)count;
	return CAH_OK;
}

static void show_progress(const struct dump *dump)
{
	char line[128];
	(void)snprintf(line, sizeof(line), "exporting: %lld of %lld jobs",
		       (long long)dump->rows, (long long)dump->total);
	log_progress(dump->jobs->progress, line);
}

/* ---- the book ---- */

static int count_rows(struct dump *dump, struct cah_error *err)
{
	struct store_counts counts;
	int state = dump->jobs->state;
	int rc = store_get_counts(dump->jobs->store, &counts, clock_wall_s(),
				  err);
	if (rc != CAH_OK)
		return rc;
	for (int i = 0; i < JOB_STATE_COUNT; i++)
		if (state == -1 || state == i)
			dump->total += counts.jobs[i];
	return CAH_OK;
}

static int write_rows(struct dump *dump, struct cah_error *err)
{
	struct jobs_args *jobs = dump->jobs;
	size_t count = STORE_LIST_MAX;
	int64_t from = 1;
	int rc = count_rows(dump, err);
	while (rc == CAH_OK && count == STORE_LIST_MAX) {
		if (cancel_is_set(jobs->cancel))
			return cah_fail(err, CAH_ECANCELLED,
					"stopped after %lld of %lld jobs",
					(long long)dump->rows,
					(long long)dump->total);
		rc = store_jobs(jobs->store, dump->page, STORE_LIST_MAX, from,
				jobs->state, &count, err);
		if (rc == CAH_OK && count > 0) {
			from = dump->page[count - 1].number + 1;
			rc = write_page(dump, count, err);
			show_progress(dump);
		}
	}
	log_progress(jobs->progress, NULL);
	return rc;
}

/* Of the type store_group_fn. What a first run wrote may be read by others
 * already, so there is no second. */
static void in_group(void *arg)
{
	struct dump *dump = arg;
	if (dump->is_begun)
		dump->rc = cah_fail(dump->err, CAH_EUNAVAILABLE,
				    "the database gave up the transaction");
	else
		dump->rc = write_rows(dump, dump->err);
	dump->is_begun = true;
}

static int read_book(struct dump *dump, struct cah_error *err)
{
	struct cah_error group_err = {0};
	dump->err = err;
	int rc = store_group(dump->jobs->store, false, in_group, dump,
			     &group_err);
	/* What failed first says more than that the group failed. */
	if (dump->rc != CAH_OK)
		return dump->rc;
	if (rc != CAH_OK && err != NULL)
		*err = group_err;
	return rc;
}

/* ---- where it goes ---- */

static int begin_csv(struct dump *dump, struct cah_error *err)
{
	int rc = sink_open(&dump->sink, dump->path, err);
	if (rc != CAH_OK)
		return rc;
	for (size_t i = 0; i < COLUMNS; i++)
		(void)buf_printf(sink_buf(dump->sink), "%s%s", i > 0 ? "," : "",
				 columns[i].name);
	(void)buf_add_byte(sink_buf(dump->sink), '\n');
	return CAH_OK;
}

static int begin_parquet(struct dump *dump, struct cah_error *err)
{
	int fd = STDOUT_FILENO;
	if (dump->path == NULL && isatty(fd))
		return cah_fail(err, CAH_EINVALID,
				"Parquet is nothing for a terminal: name a "
				"file");
	if (dump->path != NULL) {
		int rc = file_create(&dump->file, dump->path, err);
		if (rc != CAH_OK)
			return rc;
		fd = file_fd(dump->file);
	}
	return parquet_open(&dump->parquet, fd, columns, COLUMNS, err);
}

static int commit(struct dump *dump, struct cah_error *err)
{
	if (dump->format == FORMAT_CSV) {
		int rc = sink_commit(dump->sink, err);
		dump->sink = NULL;
		return rc;
	}
	int rc = parquet_finish(dump->parquet, err);
	if (rc == CAH_OK && dump->file != NULL) {
		rc = file_commit(dump->file, err);
		dump->file = NULL;
	}
	return rc;
}

static void discard(struct dump *dump)
{
	sink_discard(dump->sink);
	parquet_free(dump->parquet);
	file_discard(dump->file);
	free(dump->page);
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t len = strlen(name), n = strlen(suffix);
	return len > n && strcasecmp(name + len - n, suffix) == 0;
}

static int choose_format(struct dump *dump, struct cah_error *err)
{
	const char *name = dump->jobs->format;
	if (name == NULL && (dump->path == NULL || ends_in(dump->path, ".csv")))
		name = "csv";
	else if (name == NULL && ends_in(dump->path, ".parquet"))
		name = "parquet";
	if (name == NULL)
		return cah_fail(err, CAH_EINVALID,
				"%s ends in neither .csv nor .parquet: say "
				"--format",
				dump->path);
	if (strcmp(name, "csv") != 0 && strcmp(name, "parquet") != 0)
		return cah_fail(err, CAH_EINVALID,
				"--format: '%s' is none of csv, parquet", name);
	dump->format = name[0] == 'c' ? FORMAT_CSV : FORMAT_PARQUET;
	return CAH_OK;
}

static int report(const struct dump *dump, struct cah_error *err)
{
	const struct jobs_args *jobs = dump->jobs;
	if (jobs->is_json) {
		struct buf line;
		struct wire_json json;
		jobs_begin_json(&json, &line);
		wire_json_put_text(&json, "file", dump->path);
		wire_json_put_int(&json, "jobs", dump->rows);
		wire_json_close(&json, '}');
		return jobs_print_json(&line, err);
	}
	if (dump->path != NULL && !jobs->is_quiet)
		printf("%s has %lld jobs\n", dump->path, (long long)dump->rows);
	return CAH_OK;
}

static int begin(struct dump *dump, struct cah_error *err)
{
	if (dump->path == NULL && dump->jobs->is_json)
		return cah_fail(err, CAH_EINVALID,
				"--json tells about a file: name one");
	int rc = choose_format(dump, err);
	if (rc != CAH_OK)
		return rc;
	dump->page = calloc(STORE_LIST_MAX, sizeof(*dump->page));
	if (dump->page == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	return dump->format == FORMAT_CSV ? begin_csv(dump, err)
					  : begin_parquet(dump, err);
}

int jobs_export(struct jobs_args *jobs, struct cah_error *err)
{
	struct dump dump = {.jobs = jobs};
	if (jobs->operand_count > 0 && strcmp(jobs->operands[0], "-") != 0)
		dump.path = jobs->operands[0];
	int rc = CAH_OK;
	if (dump.path != NULL)
		rc = jobs_check_target(dump.path, err);
	if (rc == CAH_OK)
		rc = begin(&dump, err);
	if (rc == CAH_OK)
		rc = read_book(&dump, err);
	/* The reader has seen enough and needs no telling. */
	if (dump.sink != NULL && sink_is_unread(dump.sink) && err != NULL)
		err->text[0] = '\0';
	if (rc == CAH_OK)
		rc = commit(&dump, err);
	discard(&dump);
	return rc == CAH_OK ? report(&dump, err) : rc;
}
