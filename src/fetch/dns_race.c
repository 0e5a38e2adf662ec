#include "fetch/dns_race.h"

struct race race_start(int64_t timeout_ms)
{
	return (struct race){.timeout_ms = timeout_ms, .began_ms = -1};
}

bool race_takes(struct race *race, int64_t now_ms)
{
	if (race->began_ms < 0)
		race->began_ms = now_ms;
	if (race->asked == RACE_NAMES)
		return false;
	race->asked++;
	return true;
}

static int count(const struct race_sum *sum)
{
	return sum->answered + sum->failed;
}

void race_note(struct race *race, int lane, bool is_answered, int64_t took_ms)
{
	struct race_lane *l = &race->lanes[lane];
	struct race_sum *sum =
		count(&l->cold) < RACE_WARM_UP ? &l->cold : &l->warm;
	if (is_answered)
		sum->answered++;
	else
		sum->failed++;
	sum->total_ms += is_answered ? took_ms : race->timeout_ms;
}

/* Like is compared with like: a lane that is not warm yet is laid beside the
 * other's cold time. */
struct race_sum race_sum(const struct race *race, int lane)
{
	bool is_warm = true;
	for (int i = 0; i < RACE_LANES; i++)
		is_warm &= count(&race->lanes[i].warm) > 0;
	return is_warm ? race->lanes[lane].warm : race->lanes[lane].cold;
}

static bool is_whole(const struct race_lane *lane)
{
	return count(&lane->cold) + count(&lane->warm) >= RACE_NAMES;
}

bool race_has_leader(const struct race *race)
{
	return race->lanes[0].cold.answered + race->lanes[1].cold.answered +
		       race->lanes[0].warm.answered +
		       race->lanes[1].warm.answered >
	       0;
}

bool race_is_over(const struct race *race, int64_t now_ms)
{
	return race_has_leader(race) &&
	       (now_ms - race->began_ms >= RACE_MS ||
		(is_whole(&race->lanes[0]) && is_whole(&race->lanes[1])));
}

int64_t race_mean_ms(const struct race_sum *sum)
{
	return count(sum) > 0 ? sum->total_ms / count(sum) : -1;
}

int race_leader(const struct race *race)
{
	const struct race_sum a = race_sum(race, 0);
	const struct race_sum b = race_sum(race, 1);
	if (b.answered == 0)
		return 0;
	if (a.answered == 0)
		return 1;
	/* The means, with what the second must be ahead, without dividing. */
	return b.total_ms * count(&a) * (100 + RACE_AHEAD_PCT) <
			       a.total_ms * count(&b) * 100
		       ? 1
		       : 0;
}
