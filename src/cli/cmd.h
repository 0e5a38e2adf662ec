/* cmd.h: what main.c knows of the commands. */
#ifndef CLI_CMD_H
#define CLI_CMD_H

struct cancel;

/* Exit statuses of every command. */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_INTERRUPTED = 130, /* as shells say of Ctrl-C: 128 + SIGINT */
};

/* Each takes the arguments from its own name on (argv[0] is the name), and a
 * switch that Ctrl-C and SIGTERM set. Returns an exit status. Main thread. */
#define CMD(name, text) \
	int cmd_##name(int argc, char **argv, struct cancel *cancel);
#include "cli/cmds.def"
#undef CMD

#endif
