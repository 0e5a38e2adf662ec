#include "cli/languages.h"

#include "base/fail.h"
#include "wat/language.h"

int languages_read(struct languages *languages, struct scan_options *scan,
		   const char *list, struct cah_error *err)
{
	size_t len = strlen(list);
	scan->language_count = 0;
	scan->tells_language = true;
	if (strcmp(list, "all") == 0)
		return CAH_OK;
	if (len >= sizeof(languages->text))
		return cah_fail(err, CAH_EINVALID,
				"--languages: more than %d bytes",
				LANGUAGES_TEXT_MAX - 1);
	memcpy(languages->text, list, len + 1);
	char *rest = languages->text;
	for (char *code; (code = strsep(&rest, ",")) != NULL;) {
		if (scan->language_count == SCAN_LANGUAGES_MAX)
			return cah_fail(err, CAH_EINVALID,
					"--languages: more than %d",
					SCAN_LANGUAGES_MAX);
		if (!language_is_known(slice_of(code)))
			return cah_fail(err, CAH_EINVALID,
					"--languages: '%s' is no language that "
					"can be told (en, de, ... or all)",
					code);
		scan->languages[scan->language_count++] = code;
	}
	return CAH_OK;
}
