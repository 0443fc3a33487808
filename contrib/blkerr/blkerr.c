// SPDX-License-Identifier: GPL-2.0-or-later
/* Block errors over generic netlink: every request that the block layer reports as failed (trace event block_rq_error)
 * is multicast to the family "blkerr", group "errors".
 *
 * The trace event fires where the request ends: hard interrupt, soft interrupt or task, with preemption off. So the
 * probe only copies a record into a ring that was allocated at load, under a raw spinlock, and queues work; messages
 * are made in the work. Each error gets a number there and then, also one that is dropped: a listener sees from the
 * numbers how many it does not have. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/version.h>
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
#error "blkerr needs Linux 5.18 or later: the trace event block_rq_error came with it"
#endif

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/blktrace_api.h>
#include <linux/module.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>
#include <trace/events/block.h>

#include "blkerr.h"

#ifndef GENL_MCAST_CAP_NET_ADMIN
#error "this kernel cannot restrict who joins a generic netlink group: blkerr wants 6.7, or a stable 6.1 from 6.1.68 on"
#endif

enum { RING = 4096, NOTE_DELAY_MS = 100 };

static unsigned int rate = 10000;
module_param(rate, uint, 0644);
MODULE_PARM_DESC(rate, "errors a second that are sent at most; what is beyond is counted (10000)");

struct record {
	u64 diskseq, sector, time, seq, dropped;
	u32 major, minor, sectors, error;
	u32 status;
	char operation[RWBS_LEN];
};

/* What the probe and the work share. */
static struct {
	raw_spinlock_t lock;
	struct record *ring;
	unsigned int head, n; /* of the ring: the oldest, how many */
	u64 seq;	      /* of the last error */
	u64 limited, overrun;
	u64 second; /* begin of the present second of the rate limit, ns */
	unsigned int in_second;
} shared = {.lock = __RAW_SPIN_LOCK_UNLOCKED(shared.lock)};

/* Messages go out one after the other, and an answer stands among them where its numbers are true. */
static DEFINE_MUTEX(sending);
static u64 told;  /* each error up to this number was sent or dropped */
static u64 noted; /* the drops that listeners were told of */
static u64 sent;

static struct workqueue_struct *queue;
static struct tracepoint *event;
static struct genl_family family;

/* ---- messages; all under the mutex ---- */

static int put_u64(struct sk_buff *skb, int attribute, u64 value)
{
	return nla_put_u64_64bit(skb, attribute, value, BLKERR_A_PAD);
}

static int put_record(struct sk_buff *skb, const struct record *r)
{
	return nla_put_u32(skb, BLKERR_A_MAJOR, r->major) || nla_put_u32(skb, BLKERR_A_MINOR, r->minor) ||
	       put_u64(skb, BLKERR_A_DISKSEQ, r->diskseq) || put_u64(skb, BLKERR_A_SECTOR, r->sector) ||
	       nla_put_u32(skb, BLKERR_A_SECTORS, r->sectors) ||
	       nla_put_string(skb, BLKERR_A_OPERATION, r->operation) || nla_put_u32(skb, BLKERR_A_STATUS, r->status) ||
	       nla_put_u32(skb, BLKERR_A_ERRNO, r->error) || put_u64(skb, BLKERR_A_TIME, r->time) ||
	       put_u64(skb, BLKERR_A_SEQ, r->seq) || put_u64(skb, BLKERR_A_DROPPED, r->dropped);
}

static int put_stats(struct sk_buff *skb, u64 limited, u64 overrun)
{
	return put_u64(skb, BLKERR_A_SEQ, told) || put_u64(skb, BLKERR_A_DROPPED, limited + overrun) ||
	       put_u64(skb, BLKERR_A_LIMITED, limited) || put_u64(skb, BLKERR_A_OVERRUN, overrun) ||
	       put_u64(skb, BLKERR_A_SENT, sent);
}

static void send_record(const struct record *r)
{
	struct sk_buff *skb;
	void *head;

	if (!genl_has_listeners(&family, &init_net, 0))
		return;
	/* Without memory the number is missing at the listener, who counts it. */
	skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb)
		return;
	head = genlmsg_put(skb, 0, 0, &family, 0, BLKERR_CMD_ERROR);
	if (!head || put_record(skb, r)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, head);
	if (genlmsg_multicast(&family, skb, 0, 0, GFP_KERNEL) == 0)
		sent++;
}

/* The oldest record; false: there is none, and all up to the last number have been sent or dropped. */
static bool take_record(struct record *r)
{
	unsigned long flags;
	bool any;

	raw_spin_lock_irqsave(&shared.lock, flags);
	any = shared.n > 0;
	if (any) {
		*r = shared.ring[shared.head];
		shared.head = (shared.head + 1) % RING;
		shared.n--;
	} else {
		told = shared.seq;
	}
	raw_spin_unlock_irqrestore(&shared.lock, flags);
	return any;
}

static void send_all(void)
{
	struct record r;

	while (take_record(&r)) {
		send_record(&r);
		told = r.seq;
		cond_resched();
	}
}

static void read_drops(u64 *limited, u64 *overrun)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&shared.lock, flags);
	*limited = shared.limited;
	*overrun = shared.overrun;
	raw_spin_unlock_irqrestore(&shared.lock, flags);
}

static void on_records(struct work_struct *work)
{
	mutex_lock(&sending);
	send_all();
	mutex_unlock(&sending);
}
static DECLARE_WORK(records_work, on_records);

/* Drops at the end of a storm would else be seen with the next error only. */
static void on_note(struct work_struct *work)
{
	u64 limited, overrun;
	struct sk_buff *skb;
	void *head;

	mutex_lock(&sending);
	send_all();
	read_drops(&limited, &overrun);
	skb = noted == limited + overrun ? NULL : genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	head = skb ? genlmsg_put(skb, 0, 0, &family, 0, BLKERR_CMD_STATS) : NULL;
	if (head && !put_stats(skb, limited, overrun)) {
		noted = limited + overrun;
		genlmsg_end(skb, head);
		genlmsg_multicast(&family, skb, 0, 0, GFP_KERNEL);
	} else {
		nlmsg_free(skb);
	}
	mutex_unlock(&sending);
}
static DECLARE_DELAYED_WORK(note_work, on_note);

static int answer_stats(struct sk_buff *request, struct genl_info *info)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	u64 limited, overrun;
	void *head;
	int r;

	if (!skb)
		return -ENOMEM;
	mutex_lock(&sending);
	send_all();
	read_drops(&limited, &overrun);
	head = genlmsg_put_reply(skb, info, &family, 0, BLKERR_CMD_STATS);
	if (!head || put_stats(skb, limited, overrun)) {
		nlmsg_free(skb);
		r = -EMSGSIZE;
	} else {
		genlmsg_end(skb, head);
		r = genlmsg_reply(skb, info);
	}
	mutex_unlock(&sending);
	return r;
}

/* ---- the probe ---- */

/* Under the lock. False: more than the rate in this second. */
static bool within_rate(u64 now)
{
	if (now - shared.second >= NSEC_PER_SEC) {
		shared.second = now;
		shared.in_second = 0;
	}
	if (shared.in_second >= READ_ONCE(rate))
		return false;
	shared.in_second++;
	return true;
}

/* As include/trace/events/block.h fills its record. */
static void on_error(void *data, struct request *rq, blk_status_t status, unsigned int bytes)
{
	const struct gendisk *disk = rq->q->disk;
	unsigned long flags;
	struct record *r;
	bool dropped = true;
	u64 now;

	/* An operation that the device does not have is no fault. */
	if (!disk || status == BLK_STS_NOTSUPP)
		return;
	raw_spin_lock_irqsave(&shared.lock, flags);
	now = ktime_get_boottime_ns();
	shared.seq++;
	if (!within_rate(now)) {
		shared.limited++;
	} else if (shared.n == RING) {
		shared.overrun++;
	} else {
		dropped = false;
		r = &shared.ring[(shared.head + shared.n++) % RING];
		*r = (struct record){
			.diskseq = disk->diskseq,
			.sector = blk_rq_pos(rq),
			.time = now,
			.seq = shared.seq,
			.dropped = shared.limited + shared.overrun,
			.major = disk->major,
			.minor = disk->first_minor,
			.sectors = bytes >> SECTOR_SHIFT,
			.error = -blk_status_to_errno(status),
			.status = (__force u32)status,
		};
		blk_fill_rwbs(r->operation, rq->cmd_flags);
	}
	raw_spin_unlock_irqrestore(&shared.lock, flags);
	if (dropped)
		queue_delayed_work(queue, &note_work, msecs_to_jiffies(NOTE_DELAY_MS));
	else
		queue_work(queue, &records_work);
}

/* ---- life ---- */

static const struct genl_small_ops commands[] = {
	{.cmd = BLKERR_CMD_STATS, .doit = answer_stats, .flags = GENL_UNS_ADMIN_PERM},
};

static const struct genl_multicast_group groups[] = {
	{.name = BLKERR_GROUP, .flags = GENL_MCAST_CAP_NET_ADMIN},
};

static struct genl_family family __ro_after_init = {
	.name = BLKERR_FAMILY,
	.version = BLKERR_VERSION,
	.maxattr = BLKERR_A_MAX,
	.module = THIS_MODULE,
	.small_ops = commands,
	.n_small_ops = ARRAY_SIZE(commands),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

/* The trace event is not exported by its symbol. */
static void find_event(struct tracepoint *tp, void *data)
{
	if (strcmp(tp->name, "block_rq_error") == 0)
		event = tp;
}

static int __init blkerr_init(void)
{
	int r = -ENOMEM;

	/* Does not compile where the event has other arguments. */
	check_trace_callback_type_block_rq_error(on_error);
	for_each_kernel_tracepoint(find_event, NULL);
	if (!event) {
		pr_err("the kernel has no trace event block_rq_error\n");
		return -ENOENT;
	}
	shared.ring = vzalloc(array_size(RING, sizeof(*shared.ring)));
	queue = alloc_workqueue("blkerr", WQ_UNBOUND, 1);
	if (!shared.ring || !queue)
		goto fail;
	r = genl_register_family(&family);
	if (r)
		goto fail;
	r = tracepoint_probe_register(event, on_error, NULL);
	if (r == 0)
		return 0;
	genl_unregister_family(&family);
fail:
	if (queue)
		destroy_workqueue(queue);
	vfree(shared.ring);
	return r;
}

/* No new records, then no probe that still runs, then the rest is sent, then nobody is left who could ask. */
static void __exit blkerr_exit(void)
{
	tracepoint_probe_unregister(event, on_error, NULL);
	tracepoint_synchronize_unregister();
	flush_delayed_work(&note_work);
	destroy_workqueue(queue);
	genl_unregister_family(&family);
	vfree(shared.ring);
}

module_init(blkerr_init);
module_exit(blkerr_exit);

MODULE_DESCRIPTION("Block errors over generic netlink");
MODULE_AUTHOR("The authors of spared");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
MODULE_ALIAS_GENL_FAMILY(BLKERR_FAMILY);
