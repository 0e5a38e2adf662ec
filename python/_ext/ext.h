/* ext.h: what the files of the extension share. The stable ABI of Python 3.8
 * and include/cah/, nothing else. All with the GIL held. */
#ifndef EXT_EXT_H
#define EXT_EXT_H

#include <Python.h>
#include <cah/client.h>

/* Raises the exception that errors.def names for @err, unless the call was cut
 * short by a signal's handler that has raised already. Returns NULL. */
PyObject *ext_raise(const struct cah_error *err);

/* Texts of a sequence as C has them. */
struct ext_texts {
	PyObject *bytes;   /* list that owns them */
	const char **list; /* NULL-terminated */
	size_t count;
};

/* Takes @sequence of str; None: no list. False with an exception set. Whatever
 * comes, ext_texts_fini ends it. */
int ext_texts_init(struct ext_texts *texts, PyObject *sequence);
void ext_texts_fini(struct ext_texts *texts);

/* The type _ext.Client; a new reference. */
PyObject *ext_client_type(void);

#endif
