/* What machines ask that watch the tracker. None of it asks the store: a thread
 * of its own does (health.h). */
#include "base/fail.h"
#include "tracker/request.h"
#include "tracker/server.h"
#include "tracker/watch.h"

int route_healthz(struct request *request, struct cah_error *err)
{
	(void)err;
	request_say(request, "ok");
	return CAH_OK;
}

int route_readyz(struct request *request, struct cah_error *err)
{
	char why[HEALTH_WHY_MAX];
	if (request->tracker->is_stopping)
		return cah_fail(err, CAH_EUNAVAILABLE, "the tracker stops");
	if (!watch_is_ready(request->tracker->watch, why))
		return cah_fail(err, CAH_EUNAVAILABLE, "%s", why);
	request_say(request, "ready");
	return CAH_OK;
}

int route_metrics(struct request *request, struct cah_error *err)
{
	(void)err;
	watch_write(request->tracker->watch, &request->out,
		    server_connections(request->tracker->server),
		    request->tracker->sifter);
	return CAH_OK;
}
