/* error.h: how every function of the project says what went wrong.
 *
 * A function that can fail returns CAH_OK or a negative CAH_E* and, when the
 * caller gave a struct cah_error, fills it with one line for people. The line
 * names the input and, where one was crossed, the limit. Any thread. */
#ifndef CAH_ERROR_H
#define CAH_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#define CAH_API __attribute__((visibility("default")))
#define CAH_MUST_CHECK __attribute__((warn_unused_result))

/* Longest text of an error, in bytes, with the final NUL. */
#define CAH_ERROR_TEXT 512

enum cah_code {
	CAH_OK = 0,
#define ERR(name, code, http, python, text) CAH_E##name = (code),
#include <cah/errors.def>
#undef ERR
};

struct cah_error {
	int code;        /* the CAH_E* that was returned */
	int http_status; /* what a tracker answered, 0 where none did */
	char text[CAH_ERROR_TEXT];
};

/* The name of @code without its prefix ("NOJOB"); "UNKNOWN" for others. */
CAH_API const char *cah_code_name(int code);

/* What @code means in general, one line, static. */
CAH_API const char *cah_code_text(int code);

#ifdef __cplusplus
}
#endif

#endif
