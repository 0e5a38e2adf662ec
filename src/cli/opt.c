#include "cli/opt.h"

#include "base/buf.h"
#include "base/fail.h"
#include "cli/cmd.h"

#include <assert.h>
#include <cah/version.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	HELP_COLUMN = 30, /* where the text of an option begins */
};

static void print_default(const struct opt *opt)
{
	switch (opt->kind) {
	case OPT_INT:
		printf(" (default %lld)", (long long)*(int64_t *)opt->value);
		break;
	case OPT_REAL:
		printf(" (default %g)", *(double *)opt->value);
		break;
	case OPT_TEXT:
		if (*(const char **)opt->value != NULL)
			printf(" (default %s)", *(const char **)opt->value);
		break;
	case OPT_LIST:
		printf(" (may be repeated)");
		break;
	case OPT_FLAG:
		break;
	}
}

static void print_help(const struct opt_command *c)
{
	printf("usage: cah %s [options]%s%s\n\n%s\n\noptions:\n", c->name,
	       c->operands[0] != '\0' ? " " : "", c->operands, c->about);
	for (size_t i = 0; i < c->opt_count; i++) {
		const struct opt *opt = &c->opts[i];
		int n = printf("  --%s%s%s", opt->name,
			       opt->metavar != NULL ? " " : "",
			       opt->metavar != NULL ? opt->metavar : "");
		if (n >= HELP_COLUMN) {
			putchar('\n');
			n = 0;
		}
		printf("%*s%s", HELP_COLUMN - n, "", opt->help);
		print_default(opt);
		putchar('\n');
	}
	printf("%-*s%s\n%-*s%s\n", HELP_COLUMN, "  --help", "show this text",
	       HELP_COLUMN, "  --version", "show the version");
	printf("\nAn option --some-name is also read from the variable "
	       "CAH_SOME_NAME.\n");
	if (c->examples != NULL)
		printf("\nexamples:\n%s\n", c->examples);
}

static int bad_value(const struct opt *opt, const char *text,
		     struct cah_error *err)
{
	if (opt->min == 0 && opt->max == 0)
		return cah_fail(err, CAH_EINVALID, "--%s: '%s' is not a number",
				opt->name, text);
	return cah_fail(err, CAH_EINVALID,
			"--%s: '%s' is not a number from %.15g to %.15g",
			opt->name, text, opt->min, opt->max);
}

static int set_int(const struct opt *opt, const char *text,
		   struct cah_error *err)
{
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' ||
	    isspace((unsigned char)*text))
		return bad_value(opt, text, err);
	bool is_limited = opt->min != 0 || opt->max != 0;
	if (is_limited && ((double)n < opt->min || (double)n > opt->max))
		return bad_value(opt, text, err);
	*(int64_t *)opt->value = n;
	return CAH_OK;
}

static int set_real(const struct opt *opt, const char *text,
		    struct cah_error *err)
{
	char *end;
	double x = strtod(text, &end);
	if (end == text || *end != '\0' || isspace((unsigned char)*text) ||
	    x != x)
		return bad_value(opt, text, err);
	bool is_limited = opt->min != 0 || opt->max != 0;
	if (is_limited && (x < opt->min || x > opt->max))
		return bad_value(opt, text, err);
	*(double *)opt->value = x;
	return CAH_OK;
}

static int set_value(const struct opt *opt, const char *text,
		     struct cah_error *err)
{
	switch (opt->kind) {
	case OPT_FLAG:
		*(bool *)opt->value = strcmp(text, "0") != 0 && text[0] != '\0';
		return CAH_OK;
	case OPT_TEXT:
		*(const char **)opt->value = text;
		return CAH_OK;
	case OPT_INT:
		return set_int(opt, text, err);
	case OPT_REAL:
		return set_real(opt, text, err);
	case OPT_LIST: {
		struct opt_list *list = opt->value;
		if (list->count == OPT_LIST_MAX)
			return cah_fail(err, CAH_ELIMIT, "--%s: more than %d",
					opt->name, OPT_LIST_MAX);
		list->values[list->count++] = text;
		return CAH_OK;
	}
	}
	return CAH_OK;
}

static int read_environment(const struct opt_command *c, struct cah_error *err)
{
	for (size_t i = 0; i < c->opt_count; i++) {
		char name[64];
		(void)snprintf(name, sizeof(name), "CAH_%s", c->opts[i].name);
		for (char *p = name; *p != '\0'; p++)
			*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
		const char *value = getenv(name);
		if (value == NULL || value[0] == '\0')
			continue;
		int rc = set_value(&c->opts[i], value, err);
		if (rc != CAH_OK)
			return cah_fail_prefix(err, rc, "%s", name);
	}
	return CAH_OK;
}

static const struct opt *find(const struct opt_command *c, struct slice name)
{
	for (size_t i = 0; i < c->opt_count; i++)
		if (slice_equal(name, slice_of(c->opts[i].name)))
			return &c->opts[i];
	return NULL;
}

static uint64_t bit_of(const struct opt_command *c, const struct opt *opt)
{
	assert(c->opt_count <= 64);
	return UINT64_C(1) << (opt - c->opts);
}

/* Takes argv[*at], and its value from behind '=' or from argv[*at + 1].
 * Its bit goes to @given. */
static int take_option(const struct opt_command *c, int argc, char **argv,
		       int *at, uint64_t *given, struct cah_error *err)
{
	const char *arg = argv[*at] + 2;
	size_t len = strcspn(arg, "=");
	const struct opt *opt = find(c, (struct slice){arg, len});
	if (opt == NULL)
		return cah_fail(err, CAH_EINVALID,
				"unknown option --%.*s (see cah %s --help)",
				(int)len, arg, c->name);
	*given |= bit_of(c, opt);
	if (opt->kind == OPT_FLAG) {
		if (arg[len] == '=')
			return cah_fail(err, CAH_EINVALID,
					"--%s takes no value", opt->name);
		return set_value(opt, "1", err);
	}
	if (arg[len] == '=')
		return set_value(opt, arg + len + 1, err);
	if (*at + 1 >= argc)
		return cah_fail(err, CAH_EINVALID, "--%s needs a value: %s",
				opt->name, opt->metavar);
	*at += 1;
	return set_value(opt, argv[*at], err);
}

static int check_operands(const struct opt_command *c, int count,
			  struct cah_error *err)
{
	if (count < c->min_operands)
		return cah_fail(err, CAH_EINVALID,
				"missing %s (see cah %s --help)", c->operands,
				c->name);
	if (c->max_operands >= 0 && count > c->max_operands)
		return cah_fail(err, CAH_EINVALID,
				"too many arguments (see cah %s --help)",
				c->name);
	return CAH_OK;
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);
	for (const char *w = words; *w != '\0';) {
		size_t n = strcspn(w, " ");
		if (n == len && memcmp(w, word, n) == 0)
			return true;
		w += n + strspn(w + n, " ");
	}
	return false;
}

/* @given: the options of the command line, a bit each. */
static int check_only(const struct opt_command *c, uint64_t given,
		      const char *action, struct cah_error *err)
{
	for (int i = 0; i < OPT_ONLY_MAX && c->only[i].option != NULL; i++) {
		const struct opt_only *only = &c->only[i];
		const struct opt *opt = find(c, slice_of(only->option));
		assert(opt != NULL);
		if ((given & bit_of(c, opt)) != 0 &&
		    !has_word(only->actions, action))
			return cah_fail(err, CAH_EINVALID,
					"--%s is not for %s (see cah %s "
					"--help)",
					only->option, action, c->name);
	}
	return CAH_OK;
}

/* CAH_OK to go on; 1 after help or version was printed. */
static int parse(const struct opt_command *c, int argc, char **argv,
		 int *operand_count, struct cah_error *err)
{
	bool is_only_operands = false;
	uint64_t given = 0;
	int rc = read_environment(c, err);
	for (int i = 1; rc == CAH_OK && i < argc; i++) {
		if (is_only_operands || argv[i][0] != '-' ||
		    argv[i][1] == '\0') {
			argv[(*operand_count)++] = argv[i];
		} else if (strcmp(argv[i], "--") == 0) {
			is_only_operands = true;
		} else if (strcmp(argv[i], "--help") == 0 ||
			   strcmp(argv[i], "-h") == 0) {
			print_help(c);
			return 1;
		} else if (strcmp(argv[i], "--version") == 0) {
			printf("cah %s\n", cah_version());
			return 1;
		} else if (argv[i][1] == '-') {
			rc = take_option(c, argc, argv, &i, &given, err);
		} else {
			rc = cah_fail(err, CAH_EINVALID,
				      "unknown option %s (see cah %s --help)",
				      argv[i], c->name);
		}
	}
	if (rc == CAH_OK)
		rc = check_operands(c, *operand_count, err);
	if (rc == CAH_OK && *operand_count > 0)
		rc = check_only(c, given, argv[0], err);
	return rc;
}

int opt_parse(const struct opt_command *command, int argc, char **argv,
	      int *operand_count)
{
	struct cah_error err = {0};

	*operand_count = 0;
	int rc = parse(command, argc, argv, operand_count, &err);
	if (rc == CAH_OK)
		return -1;
	if (rc > 0)
		return EXIT_DONE;
	(void)opt_report(command->name, &err);
	return EXIT_USAGE;
}

int opt_report(const char *command, const struct cah_error *err)
{
	fprintf(stderr, "cah %s: %s\n", command, err->text);
	if (err->code == CAH_ECANCELLED)
		return EXIT_INTERRUPTED;
	return err->code == CAH_EINVALID ? EXIT_USAGE : EXIT_FAILED;
}
