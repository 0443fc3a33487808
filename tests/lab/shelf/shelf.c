// SPDX-License-Identifier: GPL-2.0-or-later
/* Enclosures for disks that have none, in the kernel's own class: what drivers/scsi/ses.c makes of what a SES device
 * and a SAS controller say, without both. The disk's device gets its links, and then the uevent that ses sends.
 *
 *    modprobe enclosure; insmod shelf.ko
 *    echo "SHELF SLOT H:C:T:L" > /sys/module/shelf/parameters/put       shelf and slot count from 0
 *    echo "SHELF H:C:T:L" > /sys/module/shelf/parameters/take           before the disk goes */
#include <linux/device.h>
#include <linux/enclosure.h>
#include <linux/err.h>
#include <linux/module.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_host.h>

enum { SHELVES = 2, SLOTS = 8 };

static struct device *root;
static struct enclosure_device *shelf[SHELVES];

static int set_fault(struct enclosure_device *e, struct enclosure_component *c, enum enclosure_component_setting to)
{
	c->fault = to;
	return 0;
}

static int set_locate(struct enclosure_device *e, struct enclosure_component *c, enum enclosure_component_setting to)
{
	c->locate = to;
	return 0;
}

static struct enclosure_component_callbacks callbacks = {.set_fault = set_fault, .set_locate = set_locate};

struct address {
	unsigned int shelf, slot, host, channel, target;
	u64 lun;
};

/* fn is called with the disk's device. */
static int at(const struct address *a, int (*fn)(const struct address *a, struct device *dev))
{
	struct Scsi_Host *host = scsi_host_lookup(a->host);
	struct scsi_device *sdev = host ? scsi_device_lookup(host, a->channel, a->target, a->lun) : NULL;
	int r = sdev ? fn(a, &sdev->sdev_gendev) : -ENODEV;

	if (sdev)
		scsi_device_put(sdev);
	if (host)
		scsi_host_put(host);
	return r;
}

static int add(const struct address *a, struct device *dev)
{
	int r = enclosure_add_device(shelf[a->shelf], a->slot, dev);

	return r < 0 ? r : kobject_uevent(&dev->kobj, KOBJ_CHANGE);
}

static int remove(const struct address *a, struct device *dev)
{
	return enclosure_remove_device(shelf[a->shelf], dev);
}

static int put(const char *text, const struct kernel_param *kp)
{
	struct address a;

	if (sscanf(text, "%u %u %u:%u:%u:%llu", &a.shelf, &a.slot, &a.host, &a.channel, &a.target, &a.lun) != 6 ||
	    a.shelf >= SHELVES || a.slot >= SLOTS)
		return -EINVAL;
	return at(&a, add);
}

static int take(const char *text, const struct kernel_param *kp)
{
	struct address a;

	if (sscanf(text, "%u %u:%u:%u:%llu", &a.shelf, &a.host, &a.channel, &a.target, &a.lun) != 5 ||
	    a.shelf >= SHELVES)
		return -EINVAL;
	return at(&a, remove);
}

static const struct kernel_param_ops put_ops = {.set = put}, take_ops = {.set = take};
module_param_cb(put, &put_ops, NULL, 0200);
module_param_cb(take, &take_ops, NULL, 0200);

static void shelves_end(void)
{
	for (unsigned int n = 0; n < SHELVES; n++)
		if (shelf[n])
			enclosure_unregister(shelf[n]);
	root_device_unregister(root);
}

static int shelf_begin(unsigned int n)
{
	struct enclosure_component *c;
	char name[16];
	int r = 0;

	snprintf(name, sizeof(name), "shelf-%u", n);
	shelf[n] = enclosure_register(root, name, SLOTS, &callbacks);
	if (IS_ERR(shelf[n])) {
		r = PTR_ERR(shelf[n]);
		shelf[n] = NULL;
	}
	for (unsigned int slot = 0; slot < SLOTS && r == 0; slot++) {
		snprintf(name, sizeof(name), "Slot %02u", slot);
		c = enclosure_component_alloc(shelf[n], slot, ENCLOSURE_COMPONENT_ARRAY_DEVICE, name);
		r = IS_ERR(c) ? PTR_ERR(c) : enclosure_component_register(c);
	}
	return r;
}

static int __init shelves_begin(void)
{
	int r = 0;

	root = root_device_register("shelf");
	if (IS_ERR(root))
		return PTR_ERR(root);
	for (unsigned int n = 0; n < SHELVES && r == 0; n++)
		r = shelf_begin(n);
	if (r < 0)
		shelves_end();
	return r;
}

module_init(shelves_begin);
module_exit(shelves_end);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Enclosures for the lab's disks");
