/* How to join, with this tracker's own address in the commands. */
#include "tracker/page.h"

#include <ctype.h>

/* What the browser called us; only the characters that a host and a port can
 * have, since the commands are there to be pasted into a shell. */
static bool is_host(struct slice s)
{
	if (s.len == 0 || s.len > REQUEST_HOST_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];
		if (c >= 0x80 || (!isalnum(c) && strchr(".-:[]", c) == NULL))
			return false;
	}
	return true;
}

static void add_url(struct request *request)
{
	const char *host = request_header(request, "Host");
	const char *scheme = request_header(request, "X-Forwarded-Proto");
	if (host == NULL || !is_host(slice_of(host))) {
		page_text(request, request->tracker->url);
		return;
	}
	bool is_tls = request->tracker->tls != NULL ||
		      (scheme != NULL && strcmp(scheme, "https") == 0);
	page_html(request, is_tls ? "https://" : "http://");
	page_text(request, host);
	page_html(request, "/");
}

static void add_stages(struct request *request)
{
	if (request->tracker->stages.count == 0)
		return;
	page_html(request, "<h2>As a worker of a stage of <bdi>");
	page_text(request, request->tracker->stages.project);
	page_html(request,
		  "</bdi></h2>\n<pre class=\"scroll\" tabindex=\"0\"><code>"
		  "from crawlingathome import distcompute as dc\n\n"
		  "client = dc.init(url=\"");
	add_url(request);
	page_html(request,
		  "\",\n                 stage=\"a\", nickname=\"YOUR_NAME\")\n"
		  "while client.is_alive() and client.job_count() &gt; 0:\n"
		  "    client.new_job()\n"
		  "    client.complete_job(process(client.job))  # your work\n"
		  "client.bye()\n</code></pre>\n");
}

int route_install(struct request *request, struct cah_error *err)
{
	int rc = page_begin(request, "Join in", err);
	if (rc != CAH_OK)
		return rc;
	page_html(request,
		  "<p>A worker takes a piece of Common Crawl, finds the images "
		  "that carry a text, and keeps the pairs that CLIP finds "
		  "similar. You need a machine with an internet connection and "
		  "a CLIP model in a folder.</p>\n<h2>With the program</h2>\n"
		  "<pre class=\"scroll\" tabindex=\"0\"><code>cah work --type "
		  "hybrid --nickname YOUR_NAME \\\n    --model MODEL_FOLDER "
		  "--out OUTPUT_FOLDER \\\n    --tracker ");
	add_url(request);
	page_html(request,
		  "</code></pre>\n<p>Ctrl-C stops it and gives its piece back. "
		  "<code>cah work --help</code> tells of all options.</p>\n"
		  "<h2>With a Python script of your own</h2>\n"
		  "<pre class=\"scroll\" tabindex=\"0\"><code>import "
		  "crawlingathome as cah\n\n"
		  "client = cah.init(url=\"");
	add_url(request);
	page_html(request,
		  "\",\n                  nickname=\"YOUR_NAME\", "
		  "type=\"HYBRID\")\n"
		  "while client.jobCount() &gt; 0 and client.isAlive():\n"
		  "    client.newJob()\n"
		  "    client.downloadShard()        # leaves ./shard.wat\n"
		  "    pairs = process(\"shard.wat\")  # your work\n"
		  "    client.log(f\"{pairs} pairs\")\n"
		  "    client.completeJob(pairs)\n"
		  "client.bye()\n</code></pre>\n");
	add_stages(request);
	page_end(request);
	return CAH_OK;
}
