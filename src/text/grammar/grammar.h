/* Grammars that an answer must fit, in llama.cpp's GBNF notation, and JSON schemas as such.
 *
 * A grammar is over the bytes of UTF-8, so that a token which ends inside a character is no special case. It is
 * compiled to a network of nodes for each rule, and read by a machine whose states are sets of places in the network
 * with what is to come after each rule (its stack). States and the steps between them are made as they are first
 * needed and kept: text of one kind goes round in few of them. */
#ifndef TS_TEXT_GRAMMAR_GRAMMAR_H
#define TS_TEXT_GRAMMAR_GRAMMAR_H
#include "base/json.h"

typedef struct ts_grammar ts_grammar;

/* text [n]: rules `name ::= ...` of literals, characters in brackets, `.`, groups, alternatives, `* + ? {m,n}` and
 * names of rules; `root` is the whole. `name` stands in messages. Errors of syntax, unknown rules, rules that begin
 * with themselves, and grammars of more than a million nodes are TS_ERR_USER with the line. */
ts_status ts_grammar_parse(const char *text, size_t n, const char *name, ts_grammar **out) TS_NODISCARD;
void ts_grammar_destroy(ts_grammar **g);

/* The GBNF of a JSON schema: of all that OpenAI's structured output knows, what schema.c lists; other words are TS_ERR_USER
 * with their place in the schema. Appended. Objects have their properties in the schema's order. */
ts_status ts_grammar_of_schema(const json_t *schema, const char *name, ts_str *out) TS_NODISCARD;
/* Any JSON object. */
extern const char ts_grammar_json_object[];
/* The GBNF of a regular expression that the whole text matches (anchors at its ends may stand there): literals, classes,
 * groups, alternatives, quantifiers, \d \w \s. As `rule ::= ...` lines under a name; appended. */
ts_status ts_grammar_of_regex(const char *regex, const char *rule, ts_str *out) TS_NODISCARD;

/* ---- the machine ---- */

enum { TS_GRAMMAR_DEAD = -1 };
/* The state before the first byte. */
int32_t ts_grammar_start(const ts_grammar *g);
/* *to: the state behind one more byte, or TS_GRAMMAR_DEAD. TS_ERR_RUN: more states than fit. */
ts_status ts_grammar_step(ts_grammar *g, int32_t state, unsigned char byte, int32_t *to) TS_NODISCARD;
/* Whether the text may end here, and whether it must. */
bool ts_grammar_may_end(const ts_grammar *g, int32_t state);
bool ts_grammar_must_end(const ts_grammar *g, int32_t state);
/* How many states there are: they are numbered from 0. */
int32_t ts_grammar_states(const ts_grammar *g);
#endif
