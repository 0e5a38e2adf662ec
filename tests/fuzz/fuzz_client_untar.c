/* A tar of anybody's: whatever it is, nothing appears beside its folder, and
 * nothing in it but files and folders. */
#include "client/untar.h"

#include <dirent.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int judge_and_remove(const char *path, const struct stat *st, int flag,
			    struct FTW *ftw)
{
	if (ftw->level > 0 && flag != FTW_F && flag != FTW_D && flag != FTW_DP)
		abort();
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		abort();
	if (ftw->level == 1 && strcmp(path + ftw->base, "in") != 0)
		abort();
	return remove(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct untar_options options = {.max_bytes = 65536, .max_entries = 16};
	char folder[] = "/tmp/cah-fuzz-XXXXXX";
	char inside[sizeof(folder) + 3];

	int fd = memfd_create("tar", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
	    mkdtemp(folder) == NULL)
		abort();
	(void)snprintf(inside, sizeof(inside), "%s/in", folder);
	(void)!untar_into(inside, fd, &options, NULL);
	close(fd);
	if (nftw(folder, judge_and_remove, 64, FTW_DEPTH | FTW_PHYS) != 0)
		abort();
	return 0;
}
