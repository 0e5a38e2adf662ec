/* What trackers answer and what dumps hold: whatever is taken keeps to the
 * promises of client.h. */
#include "client/answer.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->count; i++) {
		const struct cah_job *job = &jobs->list[i];
		if (job->url[0] == '\0' || job->start_id < 0 ||
		    job->end_id < job->start_id || job->piece < 0 ||
		    job->piece > 1 || job->number < 0)
			abort();
	}
	jobs_clear(jobs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = {(const char *)data, size};
	struct answer_new hello;
	struct answer_stage stage;
	struct answer_task task;
	struct jobs jobs = {0};
	struct cah_client *client;
	char text[ANSWER_TEXT_MAX];
	char *line;
	int64_t count;
	bool is_true;

	if (answer_parse_new(&hello, body, NULL) == CAH_OK &&
	    hello.token[0] == '\0')
		abort();
	answer_new_fini(&hello);
	if (answer_parse_stage(&stage, body, NULL) == CAH_OK &&
	    stage.token[0] == '\0')
		abort();
	answer_stage_fini(&stage);
	if (answer_parse_task(&task, body, NULL) == CAH_OK &&
	    (task.number < 0 || task.data[task.len] != '\0'))
		abort();
	answer_task_fini(&task);
	(void)!answer_parse_job(&jobs, body, NULL);
	check(&jobs);
	(void)!answer_parse_wat(&jobs, body, NULL);
	check(&jobs);
	(void)!answer_parse_status(body, NULL);
	if (answer_parse_count(&count, body, NULL) == CAH_OK && count < 0)
		abort();
	(void)!answer_parse_bool(&is_true, body, NULL);
	if (answer_parse_line(&line, body, 100, NULL) == CAH_OK &&
	    strlen(line) > 100)
		abort();
	free(line);
	answer_error_text(text, body);

	char *json = strndup((const char *)data, size);
	if (json != NULL &&
	    cah_client_load(&client, json, NULL, NULL) == CAH_OK)
		cah_client_free(client);
	free(json);
	return 0;
}
