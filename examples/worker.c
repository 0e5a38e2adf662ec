/* A hybrid worker in its smallest form: takes jobs, downloads their WATs,
 * counts the links to images in them, and reports that number as its pairs.
 *
 *     cc worker.c $(pkg-config --cflags --libs cah) -o worker
 *     ./worker http://127.0.0.1:8080 me
 *
 * Ctrl-C ends it; the job that it held is open again. */
#include <cah/client.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct cah_client *client; /* for the signal's handler */

static void on_interrupt(int number)
{
	(void)number;
	cah_client_cancel(client, true);
}

/* Links to images in a WAT; a real worker reads its JSON, downloads the images
 * and keeps the ones that fit their texts. */
static int64_t count_images(const char *path)
{
	static const char mark[] = "IMG@/src";
	size_t matched = 0;
	int64_t count = 0;
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return 0;
	for (int c = getc(file); c != EOF; c = getc(file)) {
		matched = c == mark[matched] ? matched + 1 : c == mark[0];
		if (matched == sizeof(mark) - 1) {
			count++;
			matched = 0;
		}
	}
	(void)fclose(file);
	return count;
}

static int work_on_one(struct cah_error *err)
{
	char text[64];
	int rc = cah_client_new_job(client, err);
	if (rc == CAH_OK)
		rc = cah_client_download_shard(client, NULL, err);
	if (rc != CAH_OK)
		return rc;
	int64_t pairs = count_images("./shard.wat");
	(void)snprintf(text, sizeof(text), "Found %" PRId64 " images", pairs);
	rc = cah_client_log(client, text, err);
	if (rc == CAH_OK)
		rc = cah_client_complete(client, pairs, NULL, err);
	if (rc == CAH_OK)
		printf("%s\n", text);
	return rc;
}

static int work(struct cah_error *err)
{
	for (;;) {
		int64_t count;
		int rc = cah_client_job_count(client, &count, err);
		if (rc != CAH_OK || count == 0)
			return rc;
		rc = work_on_one(err);
		/* Others may have taken the last job meanwhile. */
		if (rc != CAH_OK && rc != CAH_ENOJOB)
			return rc;
	}
}

int main(int argc, char **argv)
{
	struct cah_error err = {0};
	struct cah_client_options options = {
		.url = argc > 1 ? argv[1] : NULL,
		.nickname = argc > 2 ? argv[2] : "example",
		.type = CAH_HYBRID,
	};
	if (cah_client_init(&client, &options, &err) != CAH_OK) {
		fprintf(stderr, "worker: %s\n", err.text);
		return 1;
	}
	signal(SIGINT, on_interrupt);
	printf("working as %s\n", cah_client_display_name(client));
	int rc = work(&err);
	if (rc != CAH_OK)
		fprintf(stderr, "worker: %s\n", err.text);

	/* Also after Ctrl-C the tracker is told, so nobody waits for us. */
	signal(SIGINT, SIG_DFL);
	cah_client_cancel(client, false);
	if (cah_client_bye(client, &err) != CAH_OK)
		fprintf(stderr, "worker: %s\n", err.text);
	cah_client_free(client);
	return rc == CAH_OK ? 0 : 1;
}
