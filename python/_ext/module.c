#include "ext.h"

#include <cah/version.h>
#include <string.h>

struct row {
	int code;
	const char *python;
};

static const struct row rows[] = {
#define ERR(name, code, http, python, text) {(code), #python},
#include <cah/errors.def>
#undef ERR
};

static const char *class_name(int code)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == code)
			return rows[i].python;
	return "RuntimeError";
}

static PyObject *get_from(const char *module_name, const char *name)
{
	PyObject *module = PyImport_ImportModule(module_name);
	if (module == NULL)
		return NULL;
	PyObject *object = PyObject_GetAttrString(module, name);
	Py_DECREF(module);
	return object;
}

/* Of the package, else built in. */
static PyObject *find_class(const char *name)
{
	PyObject *type = get_from("crawlingathome.errors", name);
	if (type != NULL)
		return type;
	PyErr_Clear();
	return get_from("builtins", name);
}

static int set_number(PyObject *object, const char *name, long value)
{
	PyObject *number = PyLong_FromLong(value);
	if (number == NULL)
		return -1;
	int rc = PyObject_SetAttrString(object, name, number);
	Py_DECREF(number);
	return rc;
}

PyObject *ext_raise(const struct cah_error *err)
{
	if (PyErr_Occurred() != NULL)
		return NULL;
	PyObject *type = find_class(class_name(err->code));
	/* The text may quote bytes of any kind. */
	PyObject *text = PyUnicode_DecodeUTF8(
		err->text, (Py_ssize_t)strlen(err->text), "replace");
	PyObject *error = NULL;
	if (type != NULL && text != NULL)
		error = PyObject_CallFunctionObjArgs(type, text, NULL);
	if (error != NULL && set_number(error, "code", err->code) == 0 &&
	    set_number(error, "http_status", err->http_status) == 0)
		PyErr_SetObject(type, error);
	Py_XDECREF(error);
	Py_XDECREF(text);
	Py_XDECREF(type);
	return NULL;
}

static int add_text(struct ext_texts *texts, PyObject *item)
{
	if (!PyUnicode_Check(item)) {
		PyErr_SetString(PyExc_TypeError, "a list of str is wanted");
		return 0;
	}
	PyObject *bytes = PyUnicode_AsUTF8String(item);
	if (bytes == NULL)
		return 0;
	int rc = PyList_Append(texts->bytes, bytes);
	Py_DECREF(bytes);
	if (rc != 0)
		return 0;
	texts->list[texts->count] = PyBytes_AsString(bytes);
	/* An embedded NUL would cut the text without a word. */
	if (strlen(texts->list[texts->count]) != (size_t)PyBytes_Size(bytes)) {
		PyErr_SetString(PyExc_ValueError, "embedded null character");
		return 0;
	}
	texts->count++;
	return 1;
}

int ext_texts_init(struct ext_texts *texts, PyObject *sequence)
{
	memset(texts, 0, sizeof(*texts));
	if (sequence == NULL || sequence == Py_None)
		return 1;
	if (PyUnicode_Check(sequence)) {
		PyErr_SetString(PyExc_TypeError, "a list of str is wanted");
		return 0;
	}
	PyObject *tuple = PySequence_Tuple(sequence);
	if (tuple == NULL)
		return 0;
	Py_ssize_t count = PyTuple_Size(tuple);
	texts->bytes = PyList_New(0);
	texts->list = PyMem_Calloc((size_t)count + 1, sizeof(*texts->list));
	int ok = texts->bytes != NULL && texts->list != NULL;
	if (texts->list == NULL)
		PyErr_NoMemory();
	for (Py_ssize_t i = 0; ok && i < count; i++)
		ok = add_text(texts, PyTuple_GetItem(tuple, i));
	Py_DECREF(tuple);
	return ok;
}

void ext_texts_fini(struct ext_texts *texts)
{
	PyMem_Free(texts->list);
	Py_XDECREF(texts->bytes);
	memset(texts, 0, sizeof(*texts));
}

static int add_type(PyObject *module, const char *name, PyObject *type)
{
	if (type == NULL)
		return -1;
	if (PyModule_AddObject(module, name, type) != 0) {
		Py_DECREF(type);
		return -1;
	}
	return 0;
}

static int exec_module(PyObject *module)
{
	if (add_type(module, "Client", ext_client_type()) != 0 ||
	    add_type(module, "Stage", ext_stage_type()) != 0)
		return -1;
	return PyModule_AddStringConstant(module, "version", cah_version());
}

static PyModuleDef_Slot slots[] = {
	{Py_mod_exec, exec_module},
	{0, NULL},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "crawlingathome._ext",
	.m_doc = "The C library behind the package.",
	.m_slots = slots,
};

PyMODINIT_FUNC PyInit__ext(void);

PyMODINIT_FUNC PyInit__ext(void)
{
	return PyModuleDef_Init(&definition);
}
