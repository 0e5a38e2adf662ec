#include "base/fate.h"

#include <assert.h>

struct fate_row {
	const char *key;
	const char *stage;
	const char *text;
};

static const struct fate_row rows[CAH_FATE_COUNT] = {
#define FATE(name, key, stage, text) {(key), (stage), (text)},
#include "base/fates.def"
#undef FATE
};

const char *fate_key(enum fate fate)
{
	assert(fate < CAH_FATE_COUNT);
	return rows[fate].key;
}

const char *fate_stage(enum fate fate)
{
	assert(fate < CAH_FATE_COUNT);
	return rows[fate].stage;
}

const char *fate_text(enum fate fate)
{
	assert(fate < CAH_FATE_COUNT);
	return rows[fate].text;
}

int64_t fate_total(const struct fate_counts *counts)
{
	int64_t total = 0;
	for (int i = 0; i < CAH_FATE_COUNT; i++)
		total += counts->n[i];
	return total;
}

void fate_add(struct fate_counts *to, const struct fate_counts *from)
{
	for (int i = 0; i < CAH_FATE_COUNT; i++)
		to->n[i] += from->n[i];
}
