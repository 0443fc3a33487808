// SPDX-License-Identifier: GPL-2.0-or-later
/* clang-format off: the table of verbs is laid out by hand. */
/* The control socket: one JSON object a line, both ways, in UTF-8. For those who write clients: spared-protocol(7), and
 * the shape of each line in docs/spared-protocol.schema.json.
 *
 * Path: setting `control`, /run/spared/control.sock by default; a stream socket. Whoever the socket's mode lets connect
 * may ask; only uid 0 (SO_PEERCRED) may change anything. A request is at most CONTROL_REQUEST_MAX bytes; an answer at
 * most WIRE_LINE_MAX. Several requests may be sent on one connection; answers carry the request's id and may come out
 * of order (one that waits for a plan comes later than one that does not).
 *
 * Request      {"v":1, "id":N, "verb":VERB, ...}      id: any integer, 0 if not given
 * Answer       {"v":1, "id":N, "ok":true, ...}
 * or           {"v":1, "id":N, "ok":false, "error":{"code":CODE, "message":"one sentence"}}
 *
 * CODE: "malformed"     not JSON, not an object, v, id or verb of the wrong type; after CONTROL_BAD_MAX of them the
 *                       connection is closed
 *       "version"       v is not 1
 *       "unknown-verb"  the message names the nearest
 *       "denied"        it changes something, and the peer is not root
 *       "usage"         a key is missing, unknown or wrong
 *       "not-found"     no such array, device, rule
 *       "refused"       a guard or the state forbids it; nothing was done
 *       "failed"        tried, not reached
 *       "busy"          too many requests wait, or too many connections
 *       "internal"
 *
 * Verbs; keys in [] may be left out.
 *
 *   help              "verbs":[{"name","doc","changes":bool}]
 *   status            "status": what pipeline_status gives (sets, arrays, members, spares, devices, cases)
 *                     "broker":{"version","pid","started":wall ns,"uptime":ns,"settled":bool,
 *                        "history":"ok"|"not-durable"|"off", "subscribers":connections that monitor,
 *                        "sources":[as the verb gives],
 *                        "workers":{"probes":{"running","queued","killed","hanging"},
 *                                   "acts":[{"set","pid","state":"warm"|"idle"|"busy"|"stuck","plan","at"}],
 *                                   "alone":{"running","queued","hanging"}}}      processes of plans about one device
 *   sources "sources":[{"name","doc","state":"on"|"off"|"failed","reason","received","dropped","lost","rescans",
 *                        "events","merged","lag":ns,"lag-max":ns}]     messages; events that came of them, and what was
 *                     merged into those; from what happened to its event
 *   metrics           "text": counters and states in Prometheus' text format
 *   settings          "text": each setting, its value and where it was set
 *   monitor [types]   nothing more; from then on lines without "id": {"type":TYPE, ...} as they happen. TYPE: "event",
 *                     "verdict", "plan", "outcome", "notice", "command"; types: a list of those that are wanted, all if
 *                     left out. A client that does not read is cut off; its last line is
 *                     {"type":"notice","notice":{"severity","text":"cut off: ..","lost":lines}}
 *   history [table] [device] [array] [rule] [kind] [person] [plan] [since] [until] [before] [limit]
 *                     "rows":[{"id","table","wall","row":{the stored object}}], newest first; "more":bool.
 *                     table: "event", "verdict", "intent", "outcome", "case", "command" or "world"
 *                     (pictures as the verb world gives, stored at start and every six hours; told only if asked for);
 *                     kind: may be a glob; person:
 *                     name or number of a user; since, until: ns since 1970; before: only rows with a smaller id (to
 *                     page); limit: at most 1000, default 100; rows that do not fit one line are left for the next
 *                     page, too
 *   world             "world": a portable picture of all that decides, as spared-record(5) tells; of a broker with very
 *                     many windows and disks it may not fit: "failed"
 *   history verdict   "rows" of this verdict: outcomes and intents of its plans, itself, its events; newest first
 *   history errors [device] [since] [until] [limit]
 *                     "errors":[{"day":"2026-01-31","device","errors":N,"statuses":{status:N}}], newest day first;
 *                     "more"
 *   inject kind [device] [array] [slot] [facts] [extra] [count] [live]
 *                     without live "matches": what pipeline_what_if gives; with live (root) "seq" of the event, which
 *                     is marked as injected everywhere
 *   rules-list [origin]
 *                     "rules":[as ruleset_to_json gives]; origin: with the places where each key was set;
 *                     "questions":[{"id","rule","description","subject","device","array","asked":wall ns,
 *                     "deadline":wall ns,"then":"drop"|"do"}]: what rules in mode ask wait for
 *   rules-stats       "rules":[as engine_stats gives], "totals": as engine_totals gives
 *   rules-why rule subject
 *                     "why": as pipeline_why gives. subject: a device, ARRAY/SLOT, or an array
 *   spare-why subject "why": as pipeline_why_spare gives. subject: ARRAY/SLOT, a member, or an array
 *   rules-reload      (root) "reload":{"kept","reset","added","removed"}; settings and rules are read again. On errors
 *                     "usage", beside it "problems":[as diag_to_json gives] and "text" as printed; what ran goes on.
 *                     Where tests are run before (setting rules.tests), the answer comes after them; what failed of
 *                     them is "text", or with a warning "tests" beside "reload"
 *
 *   rules-approve question    (root) what was asked is planned and done, if it is still so; question: its id, or the
 *   rules-deny question       name of the rule that asks. "refused": it is not so any more
 *
 * The verbs below are for root. Device: id, kernel name or /dev path. Array: id, GUID or name. All but maintenance take
 * [dry-run] and [wait] (bools) and give "plan":[one line a step] and "plan-id" ("" if there is nothing to do). Without
 * wait the answer comes when the plan is queued. With wait, or with dry-run, it comes when the plan has ended, with
 * "result":"ok"|"failed"|"refused"|"timeout", "reason", and after dry-run "show":[text] (metadata and tables before and
 * after). A result other than ok is an error "refused" or "failed", with the same keys beside it.
 *
 *   array-start array [force] [degraded] [read-only]       force: beyond redundancy, a person's act
 *   array-stop array
 *   array-fail [array] [device] [slot]                     a device, or an array and a slot; likewise:
 *   array-remove [array] [device] [slot]
 *   array-re-add [array] [device] [slot]
 *   array-replace [array] [device] [slot] [with] [cancel]  with: the disk that takes its place; chosen
 *   array-scrub array [mode] [cancel]                      mode: check (default) or repair; cancel: the one that runs
 *   array-read-last [array] [device] [slot] [off]
 *   array-speed array [limit]                              bytes a second and member, or "max"; the kernel's own
 *   array-snapshot array name on [wipe]                    on: path of an empty device, or with wipe of any
 *   array-snapshot-remove array name
 *   spare-add device [array]                               array: for it alone; else for its set, or all
 *   spare-remove device [array]
 *   spare-activate array [slot] [device]
 *   disk-check device [speed]                              all of it is read, at most speed bytes a second; it may take
 *                                                          days: "progress" in the status, no answer to wait for
 *   disk-check-stop device                                 at once, without a plan
 *   path-fail path, path-reinstate path, path-demote path, path-restore path      of a multipath map
 *   map-queue-io map, map-fail-io map                      while no path of a multipath map works
 *   undo plan                                              the opposite of its steps, or what its disks held before,
 *                                                          while the set is as it left it; beside the plan "until"
 *                                                          (wall ns) and the GUID of a set that it makes again
 *                                                          ("new-set": it has to be managed before) or that goes
 *                                                          ("old-set")
 *   maintenance on [device] [array] [for]                  on: bool; for: ns, 0 for ever; at once, without a plan
 */
/* clang-format on */
#pragma once

#include "core/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

enum {
	CONTROL_VERSION = 1,
	CONTROL_REQUEST_MAX = 64 << 10, /* bytes of one request */
	CONTROL_BAD_MAX = 8,		/* malformed requests until the connection is closed */
	CONTROL_CLIENTS_MAX = 64,
	CONTROL_WAITS_MAX = 16,	   /* requests of one client whose answer is still to come */
	CONTROL_OUT_MAX = 4 << 20, /* bytes that may wait for a client */
};

struct broker;
struct control;
struct client;

/* A connection's other side, by SO_PEERCRED. */
struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	uid_t login;	  /* who logged in, through su and sudo; -1: nobody, or it is not known */
	char program[17]; /* what the process calls itself */
};

/* Listens on the fd (of socket activation, taken) or, with -1, on a socket that it makes at path. Who connects waits
 * until control_accept. 0 or -errno. */
int control_new(struct broker *b, int fd, const char *path, struct control **ret, struct err *e);
void control_accept(struct control *c);
void control_free(struct control *c);
DEFINE_CLEANUP(struct control *, control_free)

const struct peer *client_peer(const struct client *c);
/* Sends an answer: takes j, adds "v", "id" and, if it is missing, "ok":true. */
void client_answer(struct client *c, json_int_t id, json_t *j);
/* {"ok":false,"error":{..}} and whatever more brings (taken; NULL: nothing). */
void client_refuse(struct client *c, json_int_t id, const char *code, json_t *more, const char *fmt, ...)
	_printf_(5, 6);
/* The client wants messages of these types (bits of request.h). */
void client_subscribe(struct client *c, unsigned types);
unsigned control_subscribers(const struct control *c);
/* Requests whose answer is still to come: a weak reference that is NULL once the client is gone. */
struct client_ref {
	struct client *client;
	struct client_ref *next, **link;
};
/* False: too many wait already. */
bool client_wait(struct client *c, struct client_ref *ref);
void client_unwait(struct client_ref *ref);

/* Sends a message to whoever wants its type; those that do not read are cut off. */
void control_publish(struct control *c, unsigned type, const json_t *msg);
