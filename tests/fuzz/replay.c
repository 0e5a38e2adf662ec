/* Runs a fuzz target over every file of the folders given: the corpus as a
 * plain test, with any compiler. */
#include "base/file.h"

#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>

enum {
	INPUT_MAX = 16 * 1024 * 1024, /* bytes of one corpus file */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *folder, const char *name)
{
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	struct cah_error err = {0};
	struct buf bytes;
	buf_init(&bytes, INPUT_MAX);
	int rc = file_read(&bytes, path, &err);
	if (rc != CAH_OK)
		fprintf(stderr, "%s\n", err.text);
	else
		(void)LLVMFuzzerTestOneInput(
			(const uint8_t *)(bytes.data != NULL ? bytes.data : ""),
			bytes.len);
	buf_fini(&bytes);
	return rc;
}

int main(int argc, char **argv)
{
	int count = 0;
	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		if (dir == NULL) {
			fprintf(stderr, "%s: no such folder\n", argv[i]);
			return EXIT_FAILURE;
		}
		for (struct dirent *e = readdir(dir); e != NULL;
		     e = readdir(dir)) {
			if (e->d_name[0] == '.')
				continue;
			if (replay_file(argv[i], e->d_name) != CAH_OK)
				return EXIT_FAILURE;
			count++;
		}
		closedir(dir);
	}
	printf("%d inputs\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
