#include "clip/model_json.h"

#include "base/fail.h"
#include "base/file.h"

#include <limits.h>

int model_json_parse(json_t **out, struct slice text, const char *name,
		     struct cah_error *err)
{
	json_error_t why;
	*out = json_loadb(text.data != NULL ? text.data : "", text.len, 0,
			  &why);
	if (*out == NULL)
		return cah_fail(err, CAH_EFORMAT, "%s: line %d: %s", name,
				why.line, why.text);
	if (json_is_object(*out))
		return CAH_OK;
	json_decref(*out);
	*out = NULL;
	return cah_fail(err, CAH_EFORMAT, "%s: not a JSON object", name);
}

int model_json_read(json_t **out, const char *folder, const char *name,
		    size_t max, struct cah_error *err)
{
	char path[PATH_MAX];
	struct buf text;
	*out = NULL;
	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >=
	    (int)sizeof(path))
		return cah_fail(err, CAH_ELIMIT,
				"the folder's name is too long");
	buf_init(&text, max);
	int rc = file_read(&text, path, err);
	if (rc == CAH_OK)
		rc = model_json_parse(out, buf_slice(&text), name, err);
	buf_fini(&text);
	return rc;
}

int model_json_optional(json_t **out, const char *folder, const char *name,
			size_t max, struct cah_error *err)
{
	int rc = model_json_read(out, folder, name, max, err);
	return rc == CAH_ENOTFOUND ? CAH_OK : rc;
}
