// SPDX-License-Identifier: GPL-2.0-or-later
/* Disks that went at once behind one controller, or out of one enclosure: for a while it is what they have in common
 * that is in doubt, not each of them. The guard shared-cause asks. */
#include "pipeline/inventory_impl.h"

#include "core/clock.h"

#include <string.h>

#define AT_ONCE (30 * NS_PER_SEC)

/* Of a managed set, and known to have gone since the start; perhaps it is back, the others may follow. */
static bool has_gone(const struct inventory *inv, const struct device *d)
{
	const struct disk_set *s = d->went && d->set[0] ? set_find(inv, d->set) : NULL;

	return s && s->managed;
}

static unsigned gone_with(const struct inventory *inv, size_t place, const char *name, int64_t *ret_last)
{
	int64_t last = 0;
	unsigned n = 0;

	for (size_t i = 0; name[0] && i < inv->n_devices; i++) {
		const struct device *d = inv->devices[i];

		if (has_gone(inv, d) && strcmp((const char *)d + place, name) == 0)
			last = MAX(last, d->went);
	}
	for (size_t i = 0; last && i < inv->n_devices; i++) {
		const struct device *d = inv->devices[i];

		n += has_gone(inv, d) && strcmp((const char *)d + place, name) == 0 && last - d->went <= AT_ONCE;
	}
	*ret_last = last;
	return n;
}

unsigned inventory_together(const struct inventory *inv, const struct device *d, enum together *ret, int64_t *ret_until)
{
	static const size_t places[] = {[TOGETHER_CONTROLLER] = offsetof(struct device, controller),
					[TOGETHER_ENCLOSURE] = offsetof(struct device, enclosure)};

	for (size_t i = 0; !d->present && has_gone(inv, d) && i < ARRAY_SIZE(places); i++) {
		int64_t last;
		unsigned n = gone_with(inv, places[i], (const char *)d + places[i], &last);

		if (n < TOGETHER_MIN || inv->now >= last + inv->settings->doubt)
			continue;
		*ret = (enum together)i;
		*ret_until = last + inv->settings->doubt;
		return n;
	}
	return 0;
}

void together_went(struct inventory *inv, const struct device *d)
{
	enum together what;
	int64_t until;

	if (inventory_together(inv, d, &what, &until))
		inv->doubt_until = until;
}

bool together_over(struct inventory *inv)
{
	if (inv->doubt_until == 0 || inv->now < inv->doubt_until)
		return false;
	inv->doubt_until = 0;
	return true;
}
