/* The tracker's calls without a socket: requests one after another to a small
 * book, each as
 *
 *     METHOD URI
 *     Field: value
 *
 *     body
 *
 * until a line "%%". $T is the token and $N the name of the worker that was
 * made last, so that inputs find their way behind both. The library's functions
 * that requests call are here, so that its connections are ours.
 *
 * No answer may be 500 or 503; errors are one line; JSON must be JSON; pages
 * must hold no script, whatever was written into them. */
#include "base/fail.h"
#include "store/store.h"
#include "tracker/gate.h"
#include "tracker/request.h"
#include "tracker/watch.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HEADERS_MAX = 16,
	REQUESTS_MAX = 16,      /* of one input */
	LINE_MAX = 8192,        /* bytes of a request line or field */
	INPUTS_OF_A_BOOK = 256, /* then there is a new one */
	INPUT_STEP_MS = 120000, /* so that no limit of a minute is met */
	WATS = 3,
	TASKS = 3,
	BODY_MAX = 256 * 1024,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct MHD_Connection {
	char *names[HEADERS_MAX];
	char *values[HEADERS_MAX];
	int count;
	unsigned status;
	struct slice answer;
};

struct MHD_Response {
	struct slice body;
};

static struct tracker tracker;
static struct gate *gate;
static char folder[64];
static char token[64] = "none";
static char display_name[64] = "none";
static int64_t now_ms;

#define OK(call) must((call) == CAH_OK, #call)

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "not so: %s\n", what);
	abort();
}

/* ---- the library ---- */

const char *MHD_lookup_connection_value(struct MHD_Connection *connection,
					enum MHD_ValueKind kind,
					const char *name)
{
	(void)kind;
	for (int i = 0; i < connection->count; i++)
		if (strcasecmp(connection->names[i], name) == 0)
			return connection->values[i];
	return NULL;
}

int MHD_get_connection_values(struct MHD_Connection *connection,
			      enum MHD_ValueKind kind,
			      MHD_KeyValueIterator each, void *arg)
{
	for (int i = 0; i < connection->count; i++)
		(void)each(arg, kind, connection->names[i],
			   connection->values[i]);
	return connection->count;
}

struct MHD_Response *
MHD_create_response_from_buffer(size_t len, void *bytes,
				enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = calloc(1, sizeof(*response));
	(void)mode;
	must(response != NULL, "memory");
	response->body = (struct slice){bytes, len};
	return response;
}

enum MHD_Result MHD_add_response_header(struct MHD_Response *response,
					const char *name, const char *value)
{
	(void)response;
	must(strpbrk(name, "\r\n") == NULL && strpbrk(value, "\r\n") == NULL,
	     "a field is one line");
	return MHD_YES;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *connection,
				   unsigned status,
				   struct MHD_Response *response)
{
	connection->status = status;
	connection->answer = response->body;
	return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *response)
{
	free(response);
}

/* ---- the book ---- */

static void remove_book(void)
{
	static const char *const names[] = {"book.db", "book.db-wal",
					    "book.db-shm", "book.db.lock"};
	if (tracker.store == NULL)
		return;
	watch_free(tracker.watch);
	store_close(tracker.store);
	tracker.store = NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

static void make_book(void)
{
	char uri[128];
	/* In memory where there is such a folder: nothing here has to last. */
	const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(folder, sizeof(folder), "%s/cah-fuzz-XXXXXX", where);
	must(mkdtemp(folder) != NULL, "mkdtemp");
	(void)snprintf(uri, sizeof(uri), "sqlite:%s/book.db", folder);
	OK(store_open(&tracker.store, uri, NULL));
	OK(store_import_begin(tracker.store, NULL));
	for (int k = 0; k < WATS; k++) {
		char url[64];
		bool is_new;
		(void)snprintf(url, sizeof(url), "https://x/%d.wat.gz", k);
		OK(store_import_add(tracker.store, slice_of(url), &is_new,
				    NULL));
	}
	for (int k = 0; k < TASKS; k++) {
		char input[64];
		bool is_new;
		(void)snprintf(input, sizeof(input), "<!json!>{\"n\":%d}", k);
		OK(store_task_add(tracker.store, slice_of(input), &is_new,
				  NULL));
	}
	OK(store_import_end(tracker.store, NULL));
	OK(watch_new(&tracker.watch, tracker.store, NULL, NULL));
}

static void prepare(void)
{
	static char url[] = "http://127.0.0.1:8080/";
	static char address[] = "rsync://host/images";
	static const char *const proxies[] = {"127.0.0.1", "10.0.0.0/8"};
	static int inputs;
	if (gate == NULL) {
		const struct tracker_options options = {
			.limits = {.calls_per_min = 1000,
				   .pages_per_min = 1000,
				   .new_per_min = 1000,
				   .workers = 1000,
				   .connections = 1000,
				   .proxies = proxies,
				   .proxy_count = 2},
			.project = "A <project>",
			.stage_names = {"First", "Second <b>"},
		};
		OK(stages_init(&tracker.stages, &options, NULL));
		OK(gate_new(&gate, &options, NULL));
		OK(secret_set(&tracker.admin, SLICE("the organiser's own"),
			      NULL));
		tracker.gate = gate;
		tracker.url = url;
		tracker.upload_address[WORKER_CPU] = address;
		tracker.idle_timeout_s = 7200;
		tracker.listen_fd = -1;
		must(atexit(remove_book) == 0, "atexit");
	}
	if (inputs++ % INPUTS_OF_A_BOOK != 0)
		return;
	remove_book();
	make_book();
}

/* ---- requests ---- */

/* Takes a line off @text. */
static struct slice take_line(struct slice *text)
{
	const char *end =
		text->len > 0 ? memchr(text->data, '\n', text->len) : NULL;
	struct slice line = *text;
	if (end != NULL)
		line.len = (size_t)(end - text->data);
	*text = slice_from(*text, end != NULL ? line.len + 1 : line.len);
	return line;
}

/* With $T and $N written out; cut at @max. */
static char *expand(struct slice text, size_t max, size_t *len)
{
	struct buf out;
	buf_init(&out, max + sizeof(token));
	for (size_t i = 0; i < text.len && out.len < max; i++) {
		char next = '\0';
		if (text.data[i] == '$' && i + 1 < text.len)
			next = text.data[i + 1];
		if (next == 'T' || next == 'N') {
			buf_add_text(&out, next == 'T' ? token : display_name);
			i++;
		} else {
			buf_add_byte(&out, text.data[i]);
		}
	}
	buf_add_byte(&out, '\0');
	*len = out.len - 1;
	return buf_take(&out, &max);
}

/* As the library hands it on: without a NUL in it. */
static char *expand_text(struct slice text)
{
	size_t len;
	return expand(text, LINE_MAX, &len);
}

static void take_headers(struct MHD_Connection *connection, struct slice *text)
{
	for (;;) {
		struct slice line = take_line(text);
		if (line.len == 0)
			return;
		const char *colon = memchr(line.data, ':', line.len);
		if (colon == NULL || connection->count == HEADERS_MAX)
			continue;
		size_t len = (size_t)(colon - line.data);
		struct slice value = slice_from(line, len + 1);
		while (value.len > 0 && value.data[0] == ' ')
			value = slice_from(value, 1);
		int i = connection->count++;
		connection->names[i] =
			expand_text((struct slice){line.data, len});
		connection->values[i] = expand_text(value);
	}
}

static void keep_worker(struct slice answer)
{
	json_t *root = json_loadb(answer.data, answer.len, 0, NULL);
	(void)snprintf(token, sizeof(token), "%s",
		       json_string_value(json_object_get(root, "token")));
	(void)snprintf(
		display_name, sizeof(display_name), "%s",
		json_string_value(json_object_get(root, "display_name")));
	json_decref(root);
}

static void check_answer(const struct request *request,
			 const struct MHD_Connection *connection)
{
	unsigned status = connection->status;
	struct slice body = connection->answer;
	must(status >= 200 && status < 500, "a status that is a client's");
	if (status != 200) {
		must(body.len > 0 && memchr(body.data, '\n', body.len) == NULL,
		     "an error is one line");
		return;
	}
	enum wire_answer kind = wire_route_answer(request->route);
	if (kind == WIRE_JSON) {
		json_t *root = json_loadb(body.data, body.len, 0, NULL);
		must(root != NULL, "JSON is JSON");
		json_decref(root);
	}
	if (kind == WIRE_HTML)
		must(memmem(body.data, body.len, "<script", 7) == NULL,
		     "a page has no script");
	if (request->route == ROUTE_NEW)
		keep_worker(body);
}

static void run(void *arg)
{
	request_run(arg, now_ms / 1000, 1700000000 + now_ms / 1000);
}

/* The steps of server.c and desk.c. */
static void serve(struct request *request, struct slice body)
{
	struct cah_error err;
	if (request_begin(request, &request->err) != CAH_OK)
		request->is_refused = true;
	if (gate_pass(gate, request, now_ms, &err) != CAH_OK) {
		request->is_refused = true;
		request->err = err;
	}
	if (request_is_unread(request)) {
		if (!request->is_refused)
			(void)cah_fail(&request->err, CAH_ELIMIT, "too long");
		request->is_refused = true;
	} else {
		size_t half = body.len / 2;
		must(request_add_body(request,
				      (struct slice){body.data, half}) &&
			     request_add_body(request, slice_from(body, half)),
		     "a body of this size is read");
	}
	if (request_take(request)) {
		bool is_write = wire_route_book(request->route) == WIRE_WRITES;
		OK(store_group(tracker.store, is_write, run, request, NULL));
		request->is_done = true;
	}
	must(request_answer(request) == MHD_YES, "an answer");
	check_answer(request, request->connection);
	gate_leave(gate, request, now_ms);
}

static void take_request(struct guard_conn *conn, struct slice text)
{
	struct MHD_Connection connection = {.count = 0};
	struct slice line = take_line(&text);
	const char *space =
		line.len > 0 ? memchr(line.data, ' ', line.len) : NULL;
	size_t len = space != NULL ? (size_t)(space - line.data) : line.len;
	char *method = expand_text((struct slice){line.data, len});
	char *uri =
		expand_text(slice_from(line, space != NULL ? len + 1 : len));
	take_headers(&connection, &text);
	char *body = expand(text, BODY_MAX, &len);
	struct request *request = request_new(&tracker, uri);
	must(request != NULL && body != NULL, "memory");
	request->connection = &connection;
	request->conn = conn;
	request->method = method;
	serve(request, (struct slice){body, len});
	request_free(request);
	for (int i = 0; i < connection.count; i++) {
		free(connection.names[i]);
		free(connection.values[i]);
	}
	free(method);
	free(uri);
	free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sockaddr_in from = {.sin_family = AF_INET,
						.sin_addr = {0x0100007f}};
	struct slice rest = {(const char *)data, size};
	prepare();
	now_ms += INPUT_STEP_MS;
	struct guard_conn *conn =
		gate_open(gate, -1, (const struct sockaddr *)&from, now_ms);
	for (int i = 0; i < REQUESTS_MAX && rest.len > 0; i++) {
		const char *end = memmem(rest.data, rest.len, "\n%%\n", 4);
		struct slice text = rest;
		if (end != NULL)
			text.len = (size_t)(end - rest.data);
		rest = slice_from(rest, end != NULL ? text.len + 4 : text.len);
		take_request(conn, text);
	}
	gate_close(gate, conn);
	return 0;
}
