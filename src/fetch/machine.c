#include "fetch/machine.h"

#include "base/fail.h"
#include "base/table.h"

#include <stdlib.h>

struct machines {
	struct table *table; /* key to pointer */
};

int machines_new(struct machines **out, size_t max, struct cah_error *err)
{
	*out = NULL;
	struct machines *machines = calloc(1, sizeof(*machines));
	if (machines == NULL)
		return cah_fail(err, CAH_ENOMEM, "machines: out of memory");
	int rc = table_new(&machines->table, max, err);
	if (rc != CAH_OK) {
		free(machines);
		return rc;
	}
	*out = machines;
	return CAH_OK;
}

void machines_free(struct machines *machines)
{
	if (machines == NULL)
		return;
	table_free(machines->table);
	free(machines);
}

static struct slice key_of(const union address *address)
{
	if (address->any.sa_family == AF_INET6)
		return (struct slice){(const char *)&address->v6.sin6_addr,
				      sizeof(address->v6.sin6_addr)};
	return (struct slice){(const char *)&address->v4.sin_addr,
			      sizeof(address->v4.sin_addr)};
}

struct machine *machines_hold(struct machines *machines,
			      const union address *address)
{
	struct slice key = key_of(address);
	uint64_t value;
	if (table_get(machines->table, key, &value)) {
		struct machine *known = (struct machine *)(uintptr_t)value;
		known->holders++;
		return known;
	}
	struct machine *machine = calloc(1, sizeof(*machine));
	if (machine == NULL)
		return NULL;
	machine->holders = 1;
	machine->key_len = key.len;
	memcpy(machine->key, key.data, key.len);
	TAILQ_INIT(&machine->crowding);
	if (table_set(machines->table, key, (uint64_t)(uintptr_t)machine,
		      NULL) != CAH_OK) {
		free(machine);
		return NULL;
	}
	return machine;
}

void machines_let_go(struct machines *machines, struct machine *machine)
{
	if (machine == NULL || --machine->holders > 0)
		return;
	(void)table_remove(machines->table,
			   (struct slice){machine->key, machine->key_len});
	free(machine);
}
