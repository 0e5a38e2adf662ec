/* ext.h: what the files of the extension share. The stable ABI of Python 3.8
 * and include/cah/, nothing else. All with the GIL held. */
#ifndef EXT_EXT_H
#define EXT_EXT_H

/* Lengths of texts are Py_ssize_t. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <cah/client.h>
#include <pythread.h>

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

/* ---- gate.c: one thread at a time, without the GIL ---- */

/* In the object of a client; zeroed before. */
struct ext_gate {
	PyThread_type_lock lock;
	PyThreadState *thread; /* of the call that runs, while it has no GIL */
};

/* False with an exception set. */
int ext_gate_init(struct ext_gate *gate);
void ext_gate_fini(struct ext_gate *gate);

/* Waits for the lock, then gives up the GIL; leave is the way back. False with
 * an exception set. */
int ext_gate_enter(struct ext_gate *gate);
void ext_gate_leave(struct ext_gate *gate);

/* Looks at the signals within the two; a cah_interrupt_fn of which @arg is the
 * gate. */
int ext_gate_signals(void *arg);

/* The types _ext.Client and _ext.Stage; new references. */
PyObject *ext_client_type(void);
PyObject *ext_stage_type(void);

#endif
