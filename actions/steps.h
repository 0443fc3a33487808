// SPDX-License-Identifier: GPL-2.0-or-later
/* What the action modules share: reading an ask, finding slots and spares in the world, appending steps. */
#pragma once

#include "actions/actions.h"

/* The ask's parameter, NULL or false if not given. */
const char *ask_text(const struct ask *ask, const char *key);
bool ask_flag(const struct ask *ask, const char *key);
/* The words of a list, or of the NULL-terminated default; returns their number. Borrowed. */
size_t ask_words(const struct ask *ask, const char *key, const char *const *unless, const char **words, size_t max);
/* The slot that the ask is about: "device", "slot", the subject. -ENOENT or -EINVAL with a reason. */
int ask_member(const struct ask *ask, const struct world_array *a, struct err *e);

/* Slot of a device by id or kernel name, or -1. */
int world_slot_named(const struct world_array *a, const char *device);
/* The best spare for the slot by the ask's parameters, as activate-spare has them. NULL with one line of why not. */
const struct world_spare *spare_choose(const struct ask *ask, const struct world_array *a, int slot, struct err *e);
/* The slot's member can be copied now, while it is used. 0, or -errno with *e. */
int may_be_copied(const struct world_array *a, int slot, struct err *e);
/* Then it is: to that disk of the picture, which becomes a spare of the set first, if it is none. 0, or -errno. */
int plan_copy(struct plan *p, const struct ask *ask, struct world_array *world, int slot,
	      const struct world_spare *spare, enum step_op op, struct err *e);
/* The parameters of spare_choose, for the tables of the actions that take them. */
#define SPARE_PARAMS                                                                                                   \
	{"spare", PARAM_SPARE, .doc = "the spare; chosen"},                                                            \
		{"from", PARAM_WORDS, .words = spare_from, .doc = "kinds of spares, best first"},                      \
		{"same", PARAM_WORDS, .words = spare_alike, .doc = "in what it must be like the member"},              \
		{"prefer", PARAM_WORDS, .words = spare_alike, .doc = "in what it should be"},                          \
	{                                                                                                              \
		"avoid-marks", PARAM_WORDS, .doc = "marks that a spare must not have; [flapping]"                      \
	}
extern const char *const spare_from[], *const spare_alike[];

struct world_spare *world_spare_named(struct world_array *a, const char *device);
void world_drop_spare(struct world_array *a, struct world_spare *s);
/* State by the slots; inactive and read-only stay so. */
enum array_state world_state(const struct world_array *a);
/* After slots changed: rebuilding and state follow. */
void world_settle(struct world_array *a);
/* Blank disks of the picture for an array of so many members, each of which needs so many sectors of 512 bytes (0: as
 * many as there are); their ids in the picture's order, borrowed. 0, -EINVAL, or -ENODEV with how many there are. */
int pool_choose(const struct world_array *a, unsigned members, uint64_t sectors, const char **ret, struct err *e);
/* The array's name for messages. */
const char *world_name(const struct world_array *a);

/* A new step at the plan's end; NULL with *e when it is full. */
struct step *plan_add_step(struct plan *p, enum step_op op, const struct ask *ask, struct err *e);
void step_of_slot(struct step *s, const struct world_array *a, int slot);
void step_of_spare(struct step *s, const struct world_spare *w);

/* A spare that is no disk of the set yet has to become one first. 0, or -errno with *e. */
int plan_join_spare(struct plan *p, const struct ask *ask, const struct world_spare *w, struct err *e);

extern const struct action_ops action_assemble, action_stop_array, action_fail_member, action_remove_member,
	action_readd_member, action_add_spare, action_remove_spare, action_activate_spare, action_read_check,
	action_fail_path, action_reinstate_path, action_demote_path, action_restore_path, action_queue_io,
	action_fail_io, action_notify, action_exec, action_replace_member, action_scrub, action_read_last,
	action_rebuild_speed, action_emit, action_mark, action_unmark, action_inhibit, action_create_array,
	action_delete_array, action_rename_array, action_grow_array, action_note_disk, action_snapshot,
	action_drop_snapshot, action_restore, action_copy_back, action_slot_light;
