/* _ext.Stage: cah_stage, as client.c has cah_client. */
#include "ext.h"

#include <cah/stage.h>

struct stage {
	PyObject_HEAD struct cah_stage *stage;
	struct ext_gate gate;
};

/* What a call gives back that has nothing to tell. */
static PyObject *finish(int rc, const struct cah_error *err)
{
	if (rc != CAH_OK || PyErr_Occurred() != NULL)
		return ext_raise(err);
	Py_RETURN_NONE;
}

typedef int (*plain_fn)(struct cah_stage *stage, struct cah_error *err);

static PyObject *call_plain(PyObject *object, plain_fn fn)
{
	struct stage *self = (struct stage *)object;
	struct cah_error err = {0};
	if (!ext_gate_enter(&self->gate))
		return NULL;
	int rc = fn(self->stage, &err);
	ext_gate_leave(&self->gate);
	return finish(rc, &err);
}

static PyObject *flag_invalid(PyObject *self, PyObject *unused)
{
	return call_plain(self, cah_stage_flag_invalid);
}

static PyObject *bye(PyObject *self, PyObject *unused)
{
	return call_plain(self, cah_stage_bye);
}

static PyObject *job_count(PyObject *object, PyObject *unused)
{
	struct stage *self = (struct stage *)object;
	struct cah_error err = {0};
	int64_t count = 0;
	if (!ext_gate_enter(&self->gate))
		return NULL;
	int rc = cah_stage_job_count(self->stage, &count, &err);
	ext_gate_leave(&self->gate);
	if (rc != CAH_OK || PyErr_Occurred() != NULL)
		return ext_raise(&err);
	return PyLong_FromLongLong(count);
}

static PyObject *is_alive(PyObject *object, PyObject *unused)
{
	struct stage *self = (struct stage *)object;
	struct cah_error err = {0};
	bool alive = false;
	if (!ext_gate_enter(&self->gate))
		return NULL;
	int rc = cah_stage_is_alive(self->stage, &alive, &err);
	ext_gate_leave(&self->gate);
	if (rc != CAH_OK || PyErr_Occurred() != NULL)
		return ext_raise(&err);
	return PyBool_FromLong(alive);
}

/* The job's number and data: copied before another thread may change them. */
static PyObject *new_job(PyObject *object, PyObject *unused)
{
	struct stage *self = (struct stage *)object;
	struct cah_error err = {0};
	if (!ext_gate_enter(&self->gate))
		return NULL;
	int rc = cah_stage_new_job(self->stage, &err);
	PyObject *result = NULL;
	if (rc == CAH_OK) {
		size_t len = 0;
		PyEval_RestoreThread(self->gate.thread);
		const char *data = cah_stage_data(self->stage, &len);
		result = Py_BuildValue("Ls#",
				       (long long)cah_stage_number(self->stage),
				       data, (Py_ssize_t)len);
		self->gate.thread = PyEval_SaveThread();
	}
	ext_gate_leave(&self->gate);
	if (rc == CAH_OK && PyErr_Occurred() == NULL)
		return result;
	Py_XDECREF(result);
	return ext_raise(&err);
}

static PyObject *complete(PyObject *object, PyObject *args)
{
	struct stage *self = (struct stage *)object;
	struct cah_error err = {0};
	const char *data;
	Py_ssize_t len;
	if (!PyArg_ParseTuple(args, "s#:complete", &data, &len) ||
	    !ext_gate_enter(&self->gate))
		return NULL;
	int rc = cah_stage_complete(self->stage, data, (size_t)len, &err);
	ext_gate_leave(&self->gate);
	return finish(rc, &err);
}

static PyObject *say(PyObject *object, PyObject *args)
{
	struct stage *self = (struct stage *)object;
	struct cah_error err = {0};
	const char *progress;
	if (!PyArg_ParseTuple(args, "s:log", &progress) ||
	    !ext_gate_enter(&self->gate))
		return NULL;
	int rc = cah_stage_log(self->stage, progress, &err);
	ext_gate_leave(&self->gate);
	return finish(rc, &err);
}

/* Without the lock: its purpose is to end a call of another thread. */
static PyObject *cancel(PyObject *object, PyObject *args)
{
	int is_cancelled;
	if (!PyArg_ParseTuple(args, "p:cancel", &is_cancelled))
		return NULL;
	cah_stage_cancel(((struct stage *)object)->stage, is_cancelled != 0);
	Py_RETURN_NONE;
}

/* What does not change while the worker lives: url, token, nickname,
 * display_name, project, stage_name. */
static PyObject *about(PyObject *object, PyObject *unused)
{
	const struct cah_stage *stage = ((struct stage *)object)->stage;
	return Py_BuildValue(
		"{ssssssssssss}", "url", cah_stage_url(stage), "token",
		cah_stage_token(stage), "nickname", cah_stage_nickname(stage),
		"display_name", cah_stage_display_name(stage), "project",
		cah_stage_project(stage), "stage_name", cah_stage_name(stage));
}

static PyObject *make(PyTypeObject *type, char letter,
		      struct cah_client_options *options, PyObject *resolve)
{
	struct cah_error err = {0};
	struct ext_texts texts;
	allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
	struct stage *self = (struct stage *)alloc(type, 0);
	if (self == NULL)
		return NULL;
	options->interrupt = ext_gate_signals;
	options->interrupt_arg = &self->gate;
	int rc = CAH_ENOMEM;
	if (ext_texts_init(&texts, resolve) && ext_gate_init(&self->gate) &&
	    ext_gate_enter(&self->gate)) {
		options->resolve = texts.list;
		rc = cah_stage_init(&self->stage, letter, options, &err);
		ext_gate_leave(&self->gate);
	}
	ext_texts_fini(&texts);
	if (rc == CAH_OK && PyErr_Occurred() == NULL)
		return (PyObject *)self;
	Py_DECREF(self);
	return ext_raise(&err);
}

/* Stage(url, stage, nickname, *, ...) */
static PyObject *new_stage(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {
		"url",     "stage",   "nickname",           "user_agent",
		"ca_file", "resolve", "connect_timeout_ms", "call_timeout_ms",
		"retry_s", NULL};
	struct cah_client_options options = {0};
	const char *letter;
	PyObject *resolve = Py_None;
	long long connect_ms = 0;
	long long call_ms = 0;
	long long retry_s = 0;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "zss|$zzOLLL:Stage",
					 names, &options.url, &letter,
					 &options.nickname, &options.user_agent,
					 &options.ca_file, &resolve,
					 &connect_ms, &call_ms, &retry_s))
		return NULL;
	options.connect_timeout_ms = connect_ms;
	options.call_timeout_ms = call_ms;
	options.retry_s = retry_s;
	/* More than a letter is none, as is nothing. */
	return make(type,
		    (char)(letter[0] != '\0' && letter[1] != '\0' ? '?'
								  : letter[0]),
		    &options, resolve);
}

static void dealloc(PyObject *object)
{
	struct stage *self = (struct stage *)object;
	PyTypeObject *type = Py_TYPE(object);
	freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
	cah_stage_free(self->stage);
	ext_gate_fini(&self->gate);
	release(object);
	Py_DECREF(type);
}

static PyMethodDef methods[] = {
	{"about", about, METH_NOARGS, "What the tracker calls the worker."},
	{"job_count", job_count, METH_NOARGS, "cah_stage_job_count"},
	{"new_job", new_job, METH_NOARGS, "cah_stage_new_job"},
	{"complete", complete, METH_VARARGS, "cah_stage_complete"},
	{"flag_invalid", flag_invalid, METH_NOARGS, "cah_stage_flag_invalid"},
	{"log", say, METH_VARARGS, "cah_stage_log"},
	{"is_alive", is_alive, METH_NOARGS, "cah_stage_is_alive"},
	{"bye", bye, METH_NOARGS, "cah_stage_bye"},
	{"cancel", cancel, METH_VARARGS, "cah_stage_cancel"},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
	{Py_tp_new, new_stage},
	{Py_tp_dealloc, dealloc},
	{Py_tp_methods, methods},
	{Py_tp_doc, "A struct cah_stage."},
	{0, NULL},
};

static PyType_Spec spec = {
	.name = "crawlingathome._ext.Stage",
	.basicsize = sizeof(struct stage),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = slots,
};

PyObject *ext_stage_type(void)
{
	return PyType_FromSpec(&spec);
}
