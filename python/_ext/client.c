/* _ext.Client: cah_client with the GIL given up while it waits. A client serves
 * one thread at a time; other threads wait at its lock. */
#include "ext.h"

#include <stdlib.h>

struct client {
	PyObject_HEAD struct cah_client *client;
	struct ext_gate gate;
};

/* What a call gives back that has nothing to tell. */
static PyObject *finish(int rc, const struct cah_error *err)
{
	if (rc != CAH_OK || PyErr_Occurred() != NULL)
		return ext_raise(err);
	Py_RETURN_NONE;
}

typedef int (*plain_fn)(struct cah_client *client, struct cah_error *err);

static PyObject *call_plain(struct client *self, plain_fn fn)
{
	struct cah_error err = {0};
	if (!ext_gate_enter(&self->gate))
		return NULL;
	int rc = fn(self->client, &err);
	ext_gate_leave(&self->gate);
	return finish(rc, &err);
}

static PyObject *new_job(PyObject *self, PyObject *unused)
{
	return call_plain((struct client *)self, cah_client_new_job);
}

static PyObject *new_wat(PyObject *self, PyObject *unused)
{
	return call_plain((struct client *)self, cah_client_new_wat);
}

static PyObject *invalid_url(PyObject *self, PyObject *unused)
{
	return call_plain((struct client *)self, cah_client_invalid_url);
}

static PyObject *update_upload_server(PyObject *self, PyObject *unused)
{
	return call_plain((struct client *)self,
			  cah_client_update_upload_server);
}

static PyObject *recreate(PyObject *self, PyObject *unused)
{
	return call_plain((struct client *)self, cah_client_recreate);
}

static PyObject *bye(PyObject *self, PyObject *unused)
{
	return call_plain((struct client *)self, cah_client_bye);
}

static PyObject *job_count(PyObject *object, PyObject *unused)
{
	struct client *self = (struct client *)object;
	struct cah_error err = {0};
	int64_t count = 0;
	if (!ext_gate_enter(&self->gate))
		return NULL;
	int rc = cah_client_job_count(self->client, &count, &err);
	ext_gate_leave(&self->gate);
	if (rc != CAH_OK || PyErr_Occurred() != NULL)
		return ext_raise(&err);
	return PyLong_FromLongLong(count);
}

static PyObject *is_alive(PyObject *object, PyObject *unused)
{
	struct client *self = (struct client *)object;
	struct cah_error err = {0};
	bool alive = false;
	if (!ext_gate_enter(&self->gate))
		return NULL;
	int rc = cah_client_is_alive(self->client, &alive, &err);
	ext_gate_leave(&self->gate);
	if (rc != CAH_OK || PyErr_Occurred() != NULL)
		return ext_raise(&err);
	return PyBool_FromLong(alive);
}

static PyObject *download_shard(PyObject *object, PyObject *args)
{
	struct client *self = (struct client *)object;
	struct cah_error err = {0};
	PyObject *path = NULL;
	if (!PyArg_ParseTuple(args, "O&:download_shard", PyUnicode_FSConverter,
			      &path))
		return NULL;
	if (!ext_gate_enter(&self->gate)) {
		Py_DECREF(path);
		return NULL;
	}
	int rc = cah_client_download_shard(self->client, PyBytes_AsString(path),
					   &err);
	ext_gate_leave(&self->gate);
	Py_DECREF(path);
	return finish(rc, &err);
}

static PyObject *complete(PyObject *object, PyObject *args)
{
	struct client *self = (struct client *)object;
	struct cah_error err = {0};
	long long pairs;
	const char *url;
	if (!PyArg_ParseTuple(args, "Lz:complete", &pairs, &url))
		return NULL;
	if (!ext_gate_enter(&self->gate))
		return NULL;
	int rc = cah_client_complete(self->client, pairs, url, &err);
	ext_gate_leave(&self->gate);
	return finish(rc, &err);
}

static PyObject *complete_wat(PyObject *object, PyObject *args)
{
	struct client *self = (struct client *)object;
	struct cah_error err = {0};
	struct ext_texts urls;
	PyObject *sequence;
	PyObject *result = NULL;
	if (!PyArg_ParseTuple(args, "O:complete_wat", &sequence))
		return NULL;
	if (ext_texts_init(&urls, sequence) && ext_gate_enter(&self->gate)) {
		int rc = cah_client_complete_wat(self->client, urls.list,
						 urls.count, &err);
		ext_gate_leave(&self->gate);
		result = finish(rc, &err);
	}
	ext_texts_fini(&urls);
	return result;
}

static PyObject *say(PyObject *object, PyObject *args)
{
	struct client *self = (struct client *)object;
	struct cah_error err = {0};
	const char *progress;
	if (!PyArg_ParseTuple(args, "s:log", &progress))
		return NULL;
	if (!ext_gate_enter(&self->gate))
		return NULL;
	int rc = cah_client_log(self->client, progress, &err);
	ext_gate_leave(&self->gate);
	return finish(rc, &err);
}

static PyObject *dump(PyObject *object, PyObject *unused)
{
	struct client *self = (struct client *)object;
	struct cah_error err = {0};
	char *json = NULL;
	if (!ext_gate_enter(&self->gate))
		return NULL;
	int rc = cah_client_dump(self->client, &json, &err);
	ext_gate_leave(&self->gate);
	if (rc != CAH_OK || PyErr_Occurred() != NULL) {
		free(json);
		return ext_raise(&err);
	}
	PyObject *text = PyUnicode_FromString(json);
	free(json);
	return text;
}

/* Without the lock: its purpose is to end a call of another thread. */
static PyObject *cancel(PyObject *object, PyObject *args)
{
	int is_cancelled;
	if (!PyArg_ParseTuple(args, "p:cancel", &is_cancelled))
		return NULL;
	cah_client_cancel(((struct client *)object)->client, is_cancelled != 0);
	Py_RETURN_NONE;
}

static struct client *allocate(PyTypeObject *type)
{
	allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
	struct client *self = (struct client *)alloc(type, 0);
	if (self == NULL)
		return NULL;
	if (!ext_gate_init(&self->gate)) {
		Py_DECREF(self);
		return NULL;
	}
	return self;
}

/* Makes the client by cah_client_load where there is @json, else by
 * cah_client_init. */
static PyObject *make(PyTypeObject *type, const char *json,
		      struct cah_client_options *options, PyObject *resolve)
{
	struct cah_error err = {0};
	struct ext_texts texts;
	struct client *self = allocate(type);
	if (self == NULL)
		return NULL;
	options->interrupt = ext_gate_signals;
	options->interrupt_arg = &self->gate;
	int rc = CAH_ENOMEM;
	if (ext_texts_init(&texts, resolve) && ext_gate_enter(&self->gate)) {
		options->resolve = texts.list;
		if (json != NULL)
			rc = cah_client_load(&self->client, json, options,
					     &err);
		else
			rc = cah_client_init(&self->client, options, &err);
		ext_gate_leave(&self->gate);
	}
	ext_texts_fini(&texts);
	if (rc == CAH_OK && PyErr_Occurred() == NULL)
		return (PyObject *)self;
	Py_DECREF(self);
	return ext_raise(&err);
}

/* Client(json, url, nickname, type, *, ...): json is None for a new worker. */
static PyObject *new_client(PyTypeObject *type, PyObject *args,
			    PyObject *kwargs)
{
	static char *names[] = {"json",
				"url",
				"nickname",
				"type",
				"user_agent",
				"ca_file",
				"resolve",
				"connect_timeout_ms",
				"call_timeout_ms",
				"retry_s",
				"allow_private",
				NULL};
	struct cah_client_options options = {0};
	const char *json;
	const char *type_name;
	PyObject *resolve = Py_None;
	long long connect_ms = 0;
	long long call_ms = 0;
	long long retry_s = 0;
	int allow_private = 0;

	if (!PyArg_ParseTupleAndKeywords(
		    args, kwargs, "zzzs|$zzOLLLp:Client", names, &json,
		    &options.url, &options.nickname, &type_name,
		    &options.user_agent, &options.ca_file, &resolve,
		    &connect_ms, &call_ms, &retry_s, &allow_private))
		return NULL;
	int worker_type = cah_worker_type_parse(type_name);
	if (worker_type < 0) {
		PyErr_Format(PyExc_ValueError, "type %s is unknown", type_name);
		return NULL;
	}
	options.type = (enum cah_worker_type)worker_type;
	options.connect_timeout_ms = connect_ms;
	options.call_timeout_ms = call_ms;
	options.retry_s = retry_s;
	options.allow_private = allow_private != 0;
	return make(type, json, &options, resolve);
}

static void dealloc(PyObject *object)
{
	struct client *self = (struct client *)object;
	PyTypeObject *type = Py_TYPE(object);
	freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
	cah_client_free(self->client);
	ext_gate_fini(&self->gate);
	release(object);
	Py_DECREF(type);
}

static PyMethodDef methods[] = {
	{"job_count", job_count, METH_NOARGS, "cah_client_job_count"},
	{"new_job", new_job, METH_NOARGS, "cah_client_new_job"},
	{"new_wat", new_wat, METH_NOARGS, "cah_client_new_wat"},
	{"download_shard", download_shard, METH_VARARGS,
	 "cah_client_download_shard"},
	{"complete", complete, METH_VARARGS, "cah_client_complete"},
	{"complete_wat", complete_wat, METH_VARARGS, "cah_client_complete_wat"},
	{"log", say, METH_VARARGS, "cah_client_log"},
	{"is_alive", is_alive, METH_NOARGS, "cah_client_is_alive"},
	{"invalid_url", invalid_url, METH_NOARGS, "cah_client_invalid_url"},
	{"update_upload_server", update_upload_server, METH_NOARGS,
	 "cah_client_update_upload_server"},
	{"recreate", recreate, METH_NOARGS, "cah_client_recreate"},
	{"bye", bye, METH_NOARGS, "cah_client_bye"},
	{"dump", dump, METH_NOARGS, "cah_client_dump"},
	{"cancel", cancel, METH_VARARGS, "cah_client_cancel"},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
	{Py_tp_new, new_client},
	{Py_tp_dealloc, dealloc},
	{Py_tp_methods, methods},
	{Py_tp_doc, "A struct cah_client."},
	{0, NULL},
};

static PyType_Spec spec = {
	.name = "crawlingathome._ext.Client",
	.basicsize = sizeof(struct client),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = slots,
};

PyObject *ext_client_type(void)
{
	return PyType_FromSpec(&spec);
}
