/* Looks the names of a list up, all at once, and prints a JSON object: how
 * long it took, at what cost of this process, and what became of them.
 *
 *     bench_dns [OPTIONS] NAMES.TXT auto|recursive|system|ADDR[@PORT],..
 *
 *     -r FILE    root hints
 *     -s ADDR    what "system" asks
 *     -t MS      for one look-up
 *     -p         name servers of private addresses are not asked
 *     -v         before that a line for each name: NAME FATE WHY */
#include "base/clock.h"
#include "fetch/dns.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	NAMES_MAX = 1000000,
	LINE_MAX_BYTES = 512,
};

struct name {
	char *text;
	struct bench *bench;
};

struct bench {
	struct dns *dns;
	struct log *log;
	struct name *names;
	int count;
	int done;
	int64_t took_ms; /* of all */
	bool tells_each;
	struct fate_counts fates;
};

static int read_list(struct bench *bench, const char *path)
{
	char line[LINE_MAX_BYTES];
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return -1;
	while (bench->count < NAMES_MAX &&
	       fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		bench->names[bench->count].bench = bench;
		bench->names[bench->count++].text = strdup(line);
	}
	(void)fclose(file);
	return 0;
}

static void on_answer(const struct dns_answer *answer, void *arg)
{
	const struct name *name = arg;
	struct bench *bench = name->bench;
	char address[ADDRESS_TEXT];
	bench->done++;
	bench->took_ms += answer->took_ms;
	bench->fates.n[answer->fate]++;
	if (!bench->tells_each)
		return;
	printf("%s %s ", name->text, fate_key(answer->fate));
	if (answer->fate != CAH_FATE_KEPT) {
		printf("%s\n", answer->detail);
		return;
	}
	address_write(address, &answer->addresses[0]);
	printf("%s: %s\n", name->text, address);
}

static int look_up(struct bench *bench, struct cah_error *err)
{
	int rc = CAH_OK;
	for (int i = 0; i < bench->count && rc == CAH_OK; i++)
		rc = dns_ask(bench->dns, bench->names[i].text, clock_now_ms(),
			     on_answer, &bench->names[i], err);
	while (rc == CAH_OK && bench->done < bench->count) {
		struct pollfd polled = {.fd = dns_fd(bench->dns),
					.events = POLLIN};
		int64_t left_ms = dns_deadline_ms(bench->dns) - clock_now_ms();
		(void)poll(&polled, 1, left_ms > 0 ? (int)left_ms : 0);
		rc = dns_step(bench->dns, clock_now_ms(), err);
	}
	return rc;
}

static void report(const struct bench *bench, double s)
{
	const char *comma = "";
	struct rusage usage;
	(void)getrusage(RUSAGE_SELF, &usage);
	double cpu_s =
		(double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	printf("{\"names\": %d, \"seconds\": %.6f, \"cpu_s\": %.6f, "
	       "\"mean_ms\": %.3f, \"fates\": {",
	       bench->count, s, cpu_s,
	       (double)bench->took_ms / (bench->count > 0 ? bench->count : 1));
	for (int i = 0; i < CAH_FATE_COUNT; i++) {
		if (bench->fates.n[i] == 0)
			continue;
		printf("%s\"%s\": %lld", comma, fate_key((enum fate)i),
		       (long long)bench->fates.n[i]);
		comma = ", ";
	}
	printf("}}\n");
}

/* False where the usage is wrong; optind is at the first operand. */
static bool read_options(struct dns_options *options, struct bench *bench,
			 int argc, char **argv)
{
	for (int c; (c = getopt(argc, argv, "r:s:t:pv")) != -1;) {
		switch (c) {
		case 'r':
			options->root_hints = optarg;
			break;
		case 's':
			options->system = optarg;
			break;
		case 't':
			options->timeout_ms = strtoll(optarg, NULL, 10);
			break;
		case 'p':
			options->allow_private = false;
			break;
		case 'v':
			bench->tells_each = true;
			break;
		default:
			return false;
		}
	}
	return argc - optind == 2;
}

int main(int argc, char **argv)
{
	struct bench bench = {0};
	struct cah_error err = {0};
	struct dns_options options = dns_options_default();
	options.allow_private = true;
	if (!read_options(&options, &bench, argc, argv)) {
		fprintf(stderr, "usage: bench_dns [OPTIONS] NAMES.TXT HOW\n");
		return 2;
	}
	options.how = argv[optind + 1];
	bench.names = calloc(NAMES_MAX, sizeof(*bench.names));
	if (bench.names == NULL || read_list(&bench, argv[optind]) != 0) {
		fprintf(stderr, "bench_dns: %s cannot be read\n", argv[optind]);
		free(bench.names);
		return 1;
	}
	int rc = log_new(&bench.log, stderr, LOG_INFO, false, &err);
	if (rc == CAH_OK)
		rc = dns_new(&bench.dns, &options, &err);
	int64_t start_ns = clock_now_ns();
	if (rc == CAH_OK)
		dns_set_log(bench.dns, bench.log);
	if (rc == CAH_OK)
		rc = look_up(&bench, &err);
	if (rc == CAH_OK)
		report(&bench, (double)(clock_now_ns() - start_ns) / 1e9);
	else
		fprintf(stderr, "bench_dns: %s\n", err.text);
	dns_free(bench.dns);
	log_free(bench.log);
	for (int i = 0; i < bench.count; i++)
		free(bench.names[i].text);
	free(bench.names);
	return rc == CAH_OK ? 0 : 1;
}
