/* opt.h: the options of a command, as one table that parses, checks, fills in
 * from the environment and prints its own help. Main thread. */
#ifndef CLI_OPT_H
#define CLI_OPT_H

#include <cah/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_kind {
	OPT_FLAG, /* bool *: --name */
	OPT_TEXT, /* const char **: --name VALUE, borrowed from argv or environ
		   */
	OPT_INT,  /* int64_t *: a decimal number within min..max */
	OPT_REAL, /* double *: within min..max */
	OPT_LIST, /* struct opt_list *: may be given many times */
};

enum {
	OPT_LIST_MAX = 64, /* values of one OPT_LIST */
	OPT_ONLY_MAX = 12, /* rows of opt_command.only */
};

struct opt_list {
	const char *values[OPT_LIST_MAX]; /* borrowed */
	size_t count;
};

struct opt {
	const char *name; /* "idle-timeout": --idle-timeout, CAH_IDLE_TIMEOUT */
	const char *metavar; /* "SECONDS"; NULL for flags */
	const char *help;    /* one line; defaults are shown by themselves */
	enum opt_kind kind;
	void *value; /* holds the default before, the result after */
	double min;  /* OPT_INT and OPT_REAL; both 0: no limits */
	double max;
};

/* An option that only some actions of a command know, such as cah jobs list:
 * beside another one it is bad usage. */
struct opt_only {
	const char *option;
	const char *actions; /* "list export" */
};

/* What a command tells about itself. */
struct opt_command {
	const char *name;     /* "tracker" */
	const char *operands; /* "PATHS..." or "" */
	const char *about;    /* what it does, some lines */
	const char *examples; /* lines of shell */
	const struct opt *opts;
	size_t opt_count;
	/* Of a command whose first operand is an action; an option that is not
	 * here goes with all. */
	struct opt_only only[OPT_ONLY_MAX];
	int min_operands;
	int max_operands; /* -1: any number */
};

/* Reads CAH_NAME variables, then the arguments (argv[0] is the command's name).
 * Operands are moved to the front: argv[0..*operand_count) after the call.
 * Prints help or a one-line error by itself. Returns -1 to go on, else the
 * status to exit with: 0 after --help or --version, 2 for bad usage. */
int opt_parse(const struct opt_command *command, int argc, char **argv,
	      int *operand_count);

/* Prints "cah NAME: TEXT" on stderr; returns EXIT_FAILED, EXIT_USAGE for
 * CAH_EINVALID, EXIT_INTERRUPTED for CAH_ECANCELLED. */
int opt_report(const char *command, const struct cah_error *err);

#endif
