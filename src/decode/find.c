#include "decode/find.h"

#include "base/fail.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const places[] = {"", CAH_LIBEXEC_FROM_BIN "/"};

int find_program(char **out, const char *given, struct cah_error *err)
{
	char self[PATH_MAX];
	char path[2 * PATH_MAX];
	*out = given != NULL ? strdup(given) : NULL;
	if (*out != NULL)
		return CAH_OK;
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		return cah_fail_errno(err, errno, "/proc/self/exe");
	self[len] = '\0';
	char *slash = strrchr(self, '/');
	if (slash != NULL)
		slash[1] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%scah-decoder",
			       places[i][0] == '/' ? "" : self, places[i]);
		if (access(path, X_OK) != 0)
			continue;
		*out = strdup(path);
		return *out != NULL ? CAH_OK
				    : cah_fail(err, CAH_ENOMEM, "decoders");
	}
	return cah_fail(err, CAH_EIO,
			"cah-decoder is neither in %s nor where it is "
			"installed (--no-sandbox does without it)",
			self);
}
