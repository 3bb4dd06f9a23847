/* Names that other programs have for options, in files (`--config`): what of them is read as which option here, so
 * that a configuration means the same as where it comes from. A set that was told of a table of such names takes them
 * from files, and remembers what it understood to be what (ts_option_understood). */
#ifndef TS_BASE_OPTION_FOREIGN_H
#define TS_BASE_OPTION_FOREIGN_H
#include "base/foreign_row.h"
#include "base/option_row.h"

/* Files that the set reads from now on may have these names; table and rows are borrowed. */
void ts_option_speak(ts_option_set *set, const ts_foreign_table *table);
/* What was understood so far, a line each: "  lora_rank: 8 -> --lora-r 8"; "" where nothing had to be. */
const char *ts_option_understood(const ts_option_set *set);

/* ---- for `make` and `end` ---- */

/* The key of this name, with - for _, in whatever section; NULL: the file has none, or it is null. */
const ts_option_key *ts_option_file_key(const ts_option_file *f, const char *name);
const json_t *ts_option_key_value(const ts_option_key *k);
/* The text of a value that is one word; NULL: k is NULL, or something else. Valid as long as the set. */
const char *ts_option_key_text(ts_option_file *f, const ts_option_key *k);
const char *ts_option_file_path(const ts_option_file *f);
/* The value of key k stands for this one of an option; a text with commas fills a list. k NULL: of no key, and only
 * where nothing was given: the line says `name` and who has it so. What is wrong is kept for ts_option_finish. */
ts_status ts_option_key_put(ts_option_file *f, const ts_option_key *k, const char *option,
                            const char *value) TS_NODISCARD;
ts_status ts_option_file_default(ts_option_file *f, const char *name, const char *whose, const char *option,
                                 const char *value) TS_NODISCARD;
/* The same in place of what another key of the file asked for. */
ts_status ts_option_key_replace(ts_option_file *f, const ts_option_key *k, const char *option,
                                const char *value) TS_NODISCARD;
/* What it is here, in words; that it has no effect, and why; that it is refused, and why or what is like it. */
ts_status ts_option_key_say(ts_option_file *f, const ts_option_key *k, const char *is) TS_NODISCARD;
ts_status ts_option_key_idle(ts_option_file *f, const ts_option_key *k, const char *why) TS_NODISCARD;
ts_status ts_option_key_refuse(ts_option_file *f, const ts_option_key *k, const char *why) TS_NODISCARD;
#endif
