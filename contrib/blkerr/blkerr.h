/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/* The generic netlink family "blkerr": what the module says and what a listener reads. Numbers here never change their
 * meaning; new ones come at the end. */
#ifndef BLKERR_H
#define BLKERR_H

#define BLKERR_FAMILY "blkerr"
#define BLKERR_VERSION 1
#define BLKERR_GROUP "errors"

enum blkerr_command {
	BLKERR_CMD_UNSPEC,
	/* To the group: one failed request, with MAJOR .. DROPPED. */
	BLKERR_CMD_ERROR,
	/* Asked for by a request without attributes (CAP_NET_ADMIN), and to the group soon after something was dropped:
	 * SEQ and DROPPED .. SENT. What has a number up to SEQ was sent before this message, or was dropped. */
	BLKERR_CMD_STATS,
};

enum blkerr_attribute {
	BLKERR_A_UNSPEC,
	BLKERR_A_MAJOR,	    /* u32, of the whole disk */
	BLKERR_A_MINOR,	    /* u32 */
	BLKERR_A_DISKSEQ,   /* u64: which disk had that number, as in sysfs and uevents */
	BLKERR_A_SECTOR,    /* u64, of 512 bytes; ~0: none */
	BLKERR_A_SECTORS,   /* u32: length */
	BLKERR_A_OPERATION, /* string: the letters of the block trace events, "RS", "WFS", "RA", .. */
	BLKERR_A_STATUS,    /* u32: blk_status_t, a number of this kernel only */
	BLKERR_A_ERRNO,	    /* u32, positive */
	BLKERR_A_TIME,	    /* u64: CLOCK_BOOTTIME, ns */
	BLKERR_A_SEQ,	    /* u64: number of the error, from 1; dropped ones count too */
	BLKERR_A_DROPPED,   /* u64: how many were dropped so far: LIMITED + OVERRUN */
	BLKERR_A_LIMITED,   /* u64: by the rate limit */
	BLKERR_A_OVERRUN,   /* u64: because the ring was full */
	BLKERR_A_SENT,	    /* u64: errors that were sent to somebody */
	BLKERR_A_PAD,
	BLKERR_A_LAST,
};
#define BLKERR_A_MAX (BLKERR_A_LAST - 1)

#endif
