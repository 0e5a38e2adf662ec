/* cah fetch: lists of URLs in, shards of pictures out. */
#include "base/fail.h"
#include "cli/cmd.h"
#include "cli/fetch_opts.h"
#include "cli/fetch_report.h"
#include "cli/worker_opts.h"
#include "fetch/local.h"
#include "gather/gather.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	LIST_OPTS = 12,    /* rows of fill_list_rows */
	PICTURE_OPTS = 18, /* rows of fill_picture_rows */
	OWN_OPTS = LIST_OPTS + PICTURE_OPTS,
	QUALITY_AUTO = -1,
	QUALITY = 95, /* img2dataset's */
	PNG_LEVEL = 6,
	PIXELS_MAX = 1000000000,
};

struct fetch_args {
	const char *out;
	const char *input_format;
	const char *url_column;
	const char *text_column;
	const char *keep;
	const char *output_format;
	int64_t shard_rows;
	const char *resize;
	int64_t size;
	bool only_if_bigger;
	bool skip_reencode;
	bool no_reencode;
	const char *encode_format;
	int64_t quality;
	const char *shrink;
	const char *enlarge;
	int64_t min_side;
	double max_aspect;
	int64_t max_pixels;
	bool keep_truncated;
	bool to_srgb;
	const char *hash;
	const char *verify_hash;
	bool wants_exif;
	bool wants_phash;
	bool is_unique;
	bool no_resume;
	bool is_overwriting;
	int64_t threads;
	bool no_sandbox;
	struct fetch_opts fetch;
	bool is_quiet;
	bool is_json;
	char *folder;
	struct decoders *decoders; /* NULL with no_sandbox */
};

static void init(struct fetch_args *a)
{
	const struct image_recipe recipe = image_recipe_default();
	const struct image_limits limits = image_limits_default();
	*a = (struct fetch_args){
		.input_format = "auto",
		.output_format = output_kind_name(OUTPUT_WEBDATASET),
		.shard_rows = GATHER_SHARD_ROWS,
		.resize = image_resize_name(recipe.resize),
		.size = recipe.size,
		.encode_format = "jpg",
		.quality = QUALITY_AUTO,
		.shrink = "bicubic",
		.enlarge = "lanczos",
		.max_pixels = limits.max_pixels,
		.hash = image_digest_name(IMAGE_DIGEST_SHA256),
	};
	fetch_opts_init(&a->fetch);
}

/* ---- words to values ---- */

static const char *const formats[] = {
	[IMAGE_JPEG] = "jpg", [IMAGE_PNG] = "png", [IMAGE_WEBP] = "webp"};
static const char *const filters[] = {[IMAGE_NEAREST] = "nearest",
				      [IMAGE_BILINEAR] = "bilinear",
				      [IMAGE_BICUBIC] = "bicubic",
				      [IMAGE_LANCZOS] = "lanczos"};

/* The place of @value in @words; -1. */
static int index_of(const char *const *words, int count, const char *value)
{
	for (int i = 0; i < count; i++)
		if (words[i] != NULL && strcmp(words[i], value) == 0)
			return i;
	return -1;
}

static int fail_word(const char *option, const char *value, const char *words,
		     struct cah_error *err)
{
	return cah_fail(err, CAH_EINVALID, "--%s: '%s' is none of %s", option,
			value, words);
}

static int read_filter(enum image_filter *out, const char *option,
		       const char *value, struct cah_error *err)
{
	int filter =
		index_of(filters, sizeof(filters) / sizeof(filters[0]), value);
	if (filter < 0)
		return fail_word(option, value,
				 "nearest, bilinear, bicubic, lanczos", err);
	*out = (enum image_filter)filter;
	return CAH_OK;
}

static int read_recipe(const struct fetch_args *a, struct image_recipe *r,
		       struct cah_error *err)
{
	int format = index_of(formats, sizeof(formats) / sizeof(formats[0]),
			      a->encode_format);
	*r = image_recipe_default();
	r->resize = image_resize_of(a->resize);
	if (r->resize == IMAGE_RESIZE_COUNT)
		return fail_word("resize", a->resize,
				 "no, border, keep_ratio, keep_ratio_largest, "
				 "center_crop",
				 err);
	if (format < 0)
		return fail_word("encode-format", a->encode_format,
				 "jpg, png, webp", err);
	r->format = (enum image_format)format;
	r->size = (int)a->size;
	r->only_if_bigger = a->only_if_bigger;
	r->skip_reencode = a->skip_reencode;
	r->keep_file = a->no_reencode;
	r->quality = (int)a->quality;
	if (a->quality == QUALITY_AUTO)
		r->quality = r->format == IMAGE_PNG ? PNG_LEVEL : QUALITY;
	r->wants_exif = a->wants_exif;
	r->wants_phash = a->wants_phash;
	int rc = read_filter(&r->shrink, "shrink-filter", a->shrink, err);
	if (rc == CAH_OK)
		rc = read_filter(&r->enlarge, "enlarge-filter", a->enlarge,
				 err);
	return rc == CAH_OK ? image_recipe_check(r, err) : rc;
}

static int read_limits(const struct fetch_args *a, struct image_limits *l,
		       struct cah_error *err)
{
	if (a->max_aspect != 0 && a->max_aspect < 1)
		return cah_fail(err, CAH_EINVALID,
				"--max-aspect: the longer side by the shorter "
				"is at least 1");
	*l = image_limits_default();
	l->min_bytes = 0; /* what is an image shall be told from its bytes */
	l->min_side = (int)a->min_side;
	l->max_aspect = a->max_aspect;
	l->max_pixels = a->max_pixels;
	l->keep_truncated = a->keep_truncated;
	l->to_srgb = a->to_srgb;
	return CAH_OK;
}

static int read_list(const struct fetch_args *a, struct list_options *l,
		     struct cah_error *err)
{
	l->format = list_format_of(a->input_format);
	l->url_column = a->url_column;
	l->text_column = a->text_column;
	l->hash_column = a->verify_hash;
	l->keep = a->keep;
	if (l->format == LIST_FORMATS)
		return fail_word("input-format", a->input_format,
				 "auto, txt, csv, tsv, jsonl, parquet", err);
	return CAH_OK;
}

static int read_output(struct fetch_args *a, struct gather_options *o,
		       struct cah_error *err)
{
	o->kind = output_kind_of(a->output_format);
	o->hash = strcmp(a->hash, "none") == 0 ? IMAGE_DIGEST_NONE
					       : image_digest_of(a->hash);
	o->mode = a->is_overwriting ? PLAN_OVERWRITE
		  : a->no_resume    ? PLAN_NEW
				    : PLAN_RESUME;
	if (o->kind == OUTPUT_KINDS)
		return fail_word("output-format", a->output_format,
				 "files, webdataset, parquet, none", err);
	if (o->hash == IMAGE_DIGEST_COUNT)
		return fail_word("hash", a->hash, "sha256, sha512, md5, none",
				 err);
	if (a->verify_hash != NULL && o->hash == IMAGE_DIGEST_NONE)
		return cah_fail(err, CAH_EINVALID,
				"--verify-hash goes without --hash none");
	if (a->is_overwriting && a->no_resume)
		return cah_fail(err, CAH_EINVALID,
				"--overwrite goes without --no-resume");
	if (a->out == NULL || a->out[0] == '\0')
		return cah_fail(err, CAH_EINVALID, "--out is missing");
	int rc = CAH_EINVALIDURL;
	if (local_is(a->out))
		rc = local_path(&a->folder, a->out, err);
	if (rc == CAH_EINVALIDURL)
		return cah_fail(err, CAH_EINVALID,
				"--out: %s is no folder of this machine",
				a->out);
	o->folder = a->folder;
	return rc;
}

static int read_args(struct fetch_args *a, struct gather_options *o,
		     struct cah_error *err)
{
	o->shard_rows = a->shard_rows;
	o->threads = worker_opts_threads(a->threads);
	o->is_unique = a->is_unique;
	int rc = read_output(a, o, err);
	if (rc == CAH_OK)
		rc = read_list(a, &o->list, err);
	if (rc == CAH_OK)
		rc = read_recipe(a, &o->recipe, err);
	if (rc == CAH_OK)
		rc = read_limits(a, &o->limits, err);
	if (rc == CAH_OK)
		rc = fetch_opts_open(&a->fetch, &o->fetch, err);
	return rc;
}

/* ---- the command ---- */

static int start_decoders(struct fetch_args *a, struct gather_options *o,
			  struct log *log, struct cah_error *err)
{
	const struct decoders_options decoders = {
		.count = o->threads,
		.file_max = o->fetch.max_bytes,
		.made_max = DECODERS_MADE_MAX,
		.log = log,
	};
	int rc = a->no_sandbox ? CAH_OK
			       : decoders_new(&a->decoders, &decoders, err);
	o->decoders = a->decoders;
	return rc;
}

static int fetch(struct fetch_args *a, int count, char **files,
		 struct cancel *cancel)
{
	struct cah_error err = {0};
	struct gather_result result = {0};
	struct gather_options options = {
		.list = {.files = (const char *const *)files,
			 .file_count = (size_t)count,
			 .cancel = cancel},
	};
	struct fetch_report report = {
		.is_terminal =
			isatty(STDERR_FILENO) && !a->is_quiet && !a->is_json,
		.is_json = a->is_json,
	};
	const struct gather_watch watch = {.tick = fetch_report_tick,
					   .shard = fetch_report_shard,
					   .arg = &report};
	int rc = read_args(a, &options, &err);
	if (rc == CAH_OK)
		rc = log_new(&report.log, stderr,
			     a->is_quiet ? LOG_ERROR : LOG_INFO, a->is_json,
			     &err);
	if (rc != CAH_OK)
		return opt_report("fetch", &err);
	rc = start_decoders(a, &options, report.log, &err);
	if (rc == CAH_OK)
		rc = gather_run(&options, cancel, &watch, &result, &err);
	decoders_free(a->decoders);
	int status = fetch_report_end(&report, &result, rc, &err);
	log_free(report.log);
	return status;
}

static const char about[] =
	"Fetches the pictures of lists of URLs (txt, csv, tsv, jsonl, .gz of "
	"them, parquet;\n- is standard input), resizes and stores them in "
	"shards with what is known of each.\nThe same command again goes on "
	"where an earlier one was stopped.";

static const char examples[] =
	"  cah fetch urls.txt --out pictures\n"
	"  cah fetch laion.parquet --out set --url-column URL --text-column "
	"TEXT \\\n"
	"            --keep similarity,NSFW --size 384 --resize keep_ratio "
	"--only-if-bigger\n"
	"  cah wat part.wat.gz | cah fetch - --input-format jsonl --out set\n"
	"  cah fetch urls.csv --out set --output-format none --json";

static void fill_list_rows(struct opt *rows, struct fetch_args *a)
{
	const struct opt table[LIST_OPTS] = {
		{"out", "DIR", "folder for the shards (or file: URI)", OPT_TEXT,
		 &a->out, 0, 0},
		{"input-format", "FORMAT",
		 "txt, csv, tsv, jsonl, parquet; auto: by the file's name",
		 OPT_TEXT, &a->input_format, 0, 0},
		{"url-column", "NAME", "column of the URLs; without: url",
		 OPT_TEXT, &a->url_column, 0, 0},
		{"text-column", "NAME",
		 "column of the texts; without: text, where there is one",
		 OPT_TEXT, &a->text_column, 0, 0},
		{"keep", "NAMES", "other columns to keep, a,b; without: all",
		 OPT_TEXT, &a->keep, 0, 0},
		{"output-format", "FORMAT",
		 "files, webdataset, parquet, or none: only statistics",
		 OPT_TEXT, &a->output_format, 0, 0},
		{"shard-size", "ROWS", "of the list in one shard", OPT_INT,
		 &a->shard_rows, 1, GATHER_SHARD_ROWS_MAX},
		{"unique-urls", NULL, "drop URLs that the list had before",
		 OPT_FLAG, &a->is_unique, 0, 0},
		{"no-resume", NULL, "refuse a folder that has shards", OPT_FLAG,
		 &a->no_resume, 0, 0},
		{"overwrite", NULL, "remove the shards of the folder first",
		 OPT_FLAG, &a->is_overwriting, 0, 0},
		{"threads", "N", "decoding threads; 0: one a core", OPT_INT,
		 &a->threads, 0, GATHER_THREADS_MAX},
		{"no-sandbox", NULL, "decode images in this process", OPT_FLAG,
		 &a->no_sandbox, 0, 0},
	};
	memcpy(rows, table, sizeof(table));
}

static void fill_picture_rows(struct opt *rows, struct fetch_args *a)
{
	const struct opt table[PICTURE_OPTS] = {
		{"resize", "MODE",
		 "no, border, keep_ratio, keep_ratio_largest, center_crop",
		 OPT_TEXT, &a->resize, 0, 0},
		{"size", "PIXELS", "that --resize makes", OPT_INT, &a->size, 1,
		 IMAGE_SIZE_MAX},
		{"only-if-bigger", NULL, "enlarge no picture", OPT_FLAG,
		 &a->only_if_bigger, 0, 0},
		{"skip-reencode", NULL,
		 "store files of which no pixel changes as they are", OPT_FLAG,
		 &a->skip_reencode, 0, 0},
		{"no-reencode", NULL, "store all files as they are, unseen",
		 OPT_FLAG, &a->no_reencode, 0, 0},
		{"encode-format", "FORMAT", "jpg, png, webp", OPT_TEXT,
		 &a->encode_format, 0, 0},
		{"quality", "N", "1 to 100, of png 0 to 9; -1: 95, of png 6",
		 OPT_INT, &a->quality, QUALITY_AUTO, 100},
		{"shrink-filter", "FILTER",
		 "nearest, bilinear, bicubic, lanczos", OPT_TEXT, &a->shrink, 0,
		 0},
		{"enlarge-filter", "FILTER", "the same", OPT_TEXT, &a->enlarge,
		 0, 0},
		{"min-side", "PIXELS", "drop pictures with a shorter side",
		 OPT_INT, &a->min_side, 0, 65535},
		{"max-aspect", "X",
		 "drop longer ones, longer side by shorter; 0: none", OPT_REAL,
		 &a->max_aspect, 0, 65535},
		{"max-pixels", "N", "drop pictures of more", OPT_INT,
		 &a->max_pixels, 1, PIXELS_MAX},
		{"keep-truncated", NULL, "keep JPEG files that were cut",
		 OPT_FLAG, &a->keep_truncated, 0, 0},
		{"to-srgb", NULL, "turn colours to sRGB by the ICC profile",
		 OPT_FLAG, &a->to_srgb, 0, 0},
		{"hash", "KIND",
		 "of files as fetched: sha256, sha512, md5, none", OPT_TEXT,
		 &a->hash, 0, 0},
		{"verify-hash", "NAME",
		 "drop files that have not the hash of this column", OPT_TEXT,
		 &a->verify_hash, 0, 0},
		{"exif", NULL, "keep EXIF, as JSON", OPT_FLAG, &a->wants_exif,
		 0, 0},
		{"phash", NULL, "add a perceptual hash", OPT_FLAG,
		 &a->wants_phash, 0, 0},
	};
	memcpy(rows, table, sizeof(table));
}

int cmd_fetch(int argc, char **argv, struct cancel *cancel)
{
	struct fetch_args args;
	init(&args);
	struct opt opts[OWN_OPTS + FETCH_OPTS_COUNT + 2];
	fill_list_rows(opts, &args);
	fill_picture_rows(opts + LIST_OPTS, &args);
	fetch_opts_rows(opts + OWN_OPTS, &args.fetch);
	opts[OWN_OPTS + FETCH_OPTS_COUNT] = (struct opt){
		"quiet",  NULL,           "say only what goes wrong",
		OPT_FLAG, &args.is_quiet, 0,
		0};
	opts[OWN_OPTS + FETCH_OPTS_COUNT + 1] = (struct opt){
		"json",   NULL,          "results and log lines as JSON",
		OPT_FLAG, &args.is_json, 0,
		0};
	const struct opt_command command = {
		.name = "fetch",
		.operands = "LIST...",
		.about = about,
		.examples = examples,
		.opts = opts,
		.opt_count = sizeof(opts) / sizeof(opts[0]),
		.min_operands = 1,
		.max_operands = -1,
	};
	int count;
	int status = opt_parse(&command, argc, argv, &count);
	if (status < 0) {
		status = fetch(&args, count, argv, cancel);
		fetch_opts_close(&args.fetch);
	}
	free(args.folder);
	return status;
}
