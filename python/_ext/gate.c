/* The way into a client of C: its lock, and the GIL given up while it waits. */
#include "ext.h"

#define LOCK_STEP_US 100000 /* between two looks at the signals */

int ext_gate_init(struct ext_gate *gate)
{
	gate->lock = PyThread_allocate_lock();
	if (gate->lock == NULL)
		PyErr_NoMemory();
	return gate->lock != NULL;
}

void ext_gate_fini(struct ext_gate *gate)
{
	if (gate->lock != NULL)
		PyThread_free_lock(gate->lock);
}

/* Ctrl-C and whatever else a signal's handler in Python does. */
int ext_gate_signals(void *arg)
{
	struct ext_gate *gate = arg;
	PyEval_RestoreThread(gate->thread);
	int rc = PyErr_CheckSignals();
	gate->thread = PyEval_SaveThread();
	return rc;
}

int ext_gate_enter(struct ext_gate *gate)
{
	for (;;) {
		PyThreadState *thread = PyEval_SaveThread();
		PyLockStatus status = PyThread_acquire_lock_timed(
			gate->lock, LOCK_STEP_US, 0);
		if (status == PY_LOCK_ACQUIRED) {
			gate->thread = thread;
			return 1;
		}
		PyEval_RestoreThread(thread);
		if (PyErr_CheckSignals() != 0)
			return 0;
	}
}

void ext_gate_leave(struct ext_gate *gate)
{
	/* The other way round, the next owner would overwrite thread. */
	PyThreadState *thread = gate->thread;
	PyThread_release_lock(gate->lock);
	PyEval_RestoreThread(thread);
}
