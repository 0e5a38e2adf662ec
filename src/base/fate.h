/* fate.h: what became of a candidate. Any thread. */
#ifndef BASE_FATE_H
#define BASE_FATE_H

#include <stdint.h>

enum fate {
#define FATE(name, key, stage, text) CAH_FATE_##name,
#include "base/fates.def"
#undef FATE
	CAH_FATE_COUNT
};

/* One count a fate; whoever adds to it owns it. */
struct fate_counts {
	int64_t n[CAH_FATE_COUNT];
};

/* "too_small"; static. */
const char *fate_key(enum fate fate);

/* Where it is dropped: "fetch"; static. */
const char *fate_stage(enum fate fate);

/* One line for people; static. */
const char *fate_text(enum fate fate);

/* The sum over all fates: the number of candidates. */
int64_t fate_total(const struct fate_counts *counts);

/* Adds @from to @to. */
void fate_add(struct fate_counts *to, const struct fate_counts *from);

#endif
