/* cah: one binary, `cah <command>`. Ctrl-C and SIGTERM set a switch that the
 * command looks at; the second one ends the process at once. */
#include "base/cancel.h"
#include "cli/cmd.h"

#include <cah/version.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct command {
	const char *name;
	const char *text;
	int (*run)(int argc, char **argv, struct cancel *cancel);
};

static const struct command commands[] = {
#define CMD(name, text) {#name, (text), cmd_##name},
#include "cli/cmds.def"
#undef CMD
	{NULL, NULL, NULL},
};

static struct cancel *interrupt; /* a signal handler has no argument */

static void on_signal(int number)
{
	if (cancel_is_set(interrupt))
		_exit(128 + number);
	cancel_set(interrupt);
}

static int catch_signals(struct cah_error *err)
{
	int rc = cancel_new(&interrupt, err);
	if (rc != CAH_OK)
		return rc;
	struct sigaction action = {.sa_handler = on_signal};
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Ignored by whoever started us, it would keep the ends of our own
	 * processes from us. */
	signal(SIGCHLD, SIG_DFL);
	/* A file that may not grow is an error of write, as a full disk is. */
	signal(SIGXFSZ, SIG_IGN);
	return CAH_OK;
}

static void print_usage(FILE *out)
{
	fprintf(out, "usage: cah COMMAND [options]\n\n"
		     "Crawling@Home: turns Common Crawl into an image-text "
		     "dataset\nwith the help of many machines.\n\ncommands:\n");
	for (const struct command *c = commands; c->name != NULL; c++)
		fprintf(out, "  %-10s %s\n", c->name, c->text);
	fprintf(out, "\n`cah COMMAND --help` tells more. `cah demo` shows all "
		     "of it on this machine.\n");
}

/* What was printed may have gone nowhere: a full disk, a closed pipe. */
static int end_output(const char *name, int status)
{
	if ((fflush(stdout) == 0 && !ferror(stdout)) || status != EXIT_DONE)
		return status;
	fprintf(stderr, "cah %s: cannot write standard output\n", name);
	return EXIT_FAILED;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct cah_error err;
	if (catch_signals(&err) != CAH_OK) {
		fprintf(stderr, "cah: %s\n", err.text);
		return EXIT_FAILED;
	}
	/* The switch is left to the process's end: a signal may still come. */
	return end_output(c->name, c->run(argc, argv, interrupt));
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	if (strcmp(name, "--version") == 0) {
		printf("cah %s\n", cah_version());
		return end_output(name, EXIT_DONE);
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_usage(stdout);
		return end_output(name, EXIT_DONE);
	}
	for (const struct command *c = commands; c->name != NULL; c++) {
		if (strcmp(c->name, name) == 0)
			return run(c, argc - 1, argv + 1);
	}
	if (name[0] != '\0')
		fprintf(stderr, "cah: there is no command '%s'\n", name);
	print_usage(stderr);
	return EXIT_USAGE;
}
