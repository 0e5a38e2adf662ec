/* server.h: HTTP connections become requests. */
#ifndef TRACKER_SERVER_H
#define TRACKER_SERVER_H

#include <cah/error.h>
#include <stdint.h>

struct server;
struct tracker;

/* Answers on tracker->listen_fd, which is the server's from now on, in a
 * thread of its own. Errors: CAH_EIO. */
CAH_MUST_CHECK int server_start(struct tracker *tracker, struct cah_error *err);

/* Connections that are open; none where no server runs. The server's thread
 * only. */
int64_t server_connections(const struct server *server);

/* Takes no new connection, waits for the answers in flight, ends the thread.
 * Fine where it was never started. */
void server_stop(struct tracker *tracker);

#endif
