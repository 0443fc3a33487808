// SPDX-License-Identifier: GPL-2.0-or-later
/* The record process: the only one that opens the history's database. fd 3: a socket of JSON lines.
 *
 * From the broker: {"seq","table","key","wall","row":{..},"sync":bool}   one row, numbered from 1; sync: durable at
 * once
 *                  {"save":{..},"number":N}                              the state that a restart finds again
 *                  {"token":N,"query":{..}}                              rows, see the verb history in control.h
 *                  {"keep":{"time":ns,"size":bytes}}                     what is older, or beyond it, may go
 * To the broker:   {"hello":1,"state":..,"unfinished":[..]}              first
 *                  {"durable":N}                                         every row up to N is stored (with sync: on the
 * disk)
 *                  {"saved":N}                                           so is this state, or the next one
 *                  {"trouble":text}                                      it cannot be written; rows are kept and tried
 * again
 *                  {"token":N, what the query gives} or {"token":N,"error":text,"code":CODE of control.h}
 * End of file: writes what it has, and leaves. */
#pragma once

/* The record process's main; argv: path of the database, the broker's run number. */
int record_main(int argc, char **argv);
