/* Names for workers: a token that nobody can guess, and a name that people can
 * say to each other. */
#include "base/fail.h"
#include "store/store_priv.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

/* 64 of each, so that six random bits choose evenly. */
static const char *const first_words[64] = {
	"amber",  "ancient", "autumn", "azure",  "bold",   "brave",   "breezy",
	"bright", "bronze",  "calm",   "candid", "clever", "cobalt",  "coral",
	"cosmic", "crisp",   "dapper", "daring", "dusky",  "eager",   "early",
	"fair",   "fleet",   "fond",   "frosty", "gentle", "gilded",  "glad",
	"golden", "grand",   "hardy",  "hazel",  "honest", "humble",  "ivory",
	"jade",   "jolly",   "keen",   "kind",   "lively", "lucid",   "lunar",
	"mellow", "merry",   "mossy",  "noble",  "olive",  "patient", "plain",
	"proud",  "quick",   "quiet",  "rapid",  "rustic", "sandy",   "silver",
	"solar",  "steady",  "sunny",  "swift",  "tidy",   "violet",  "warm",
	"witty",
};

static const char *const second_words[64] = {
	"alder",   "badger",  "beacon", "beaver",  "birch",   "bison",
	"brook",   "canyon",  "cedar",  "comet",   "condor",  "cricket",
	"delta",   "dolphin", "eagle",  "ember",   "falcon",  "fern",
	"finch",   "fjord",   "forest", "fox",     "gannet",  "glade",
	"harbor",  "heron",   "ibex",   "island",  "juniper", "kestrel",
	"lagoon",  "lark",    "lemur",  "lichen",  "linden",  "lynx",
	"maple",   "marten",  "meadow", "meteor",  "moose",   "nebula",
	"newt",    "oriole",  "osprey", "otter",   "pebble",  "pine",
	"plover",  "prairie", "puffin", "quartz",  "raven",   "reef",
	"river",   "robin",   "salmon", "sparrow", "summit",  "tern",
	"thistle", "tundra",  "walnut", "willow",
};

static int random_bytes(void *out, size_t len, struct cah_error *err)
{
	/* Up to 256 bytes come whole (getrandom(2)). */
	ssize_t n;
	do
		n = getrandom(out, len, 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)len)
		return cah_fail(err, CAH_EUNAVAILABLE,
				"the system gives no random numbers");
	return CAH_OK;
}

int name_token(char out[STORE_TOKEN_LEN + 1], struct cah_error *err)
{
	unsigned char b[16];
	int rc = random_bytes(b, sizeof(b), err);
	if (rc != CAH_OK)
		return rc;
	/* RFC 9562, section 5.4: version 4, variant 10 */
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	(void)snprintf(out, STORE_TOKEN_LEN + 1,
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		       "%02x%02x%02x%02x%02x%02x",
		       b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8],
		       b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return CAH_OK;
}

int name_propose(char out[STORE_NAME_MAX + 1], int attempt,
		 struct cah_error *err)
{
	uint32_t r[3];
	int rc = random_bytes(r, sizeof(r), err);
	if (rc != CAH_OK)
		return rc;
	const char *first = first_words[r[0] % 64];
	const char *second = second_words[r[1] % 64];
	if (attempt == 0) {
		(void)snprintf(out, STORE_NAME_MAX + 1, "%s-%s", first, second);
		return CAH_OK;
	}
	uint32_t range = 100;
	for (int i = 1; i < attempt && range < 100000000; i++)
		range *= 10;
	(void)snprintf(out, STORE_NAME_MAX + 1, "%s-%s-%u", first, second,
		       2 + r[2] % (range - 2));
	return CAH_OK;
}
