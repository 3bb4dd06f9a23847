/* Jinja templates as transformers renders chat templates: Jinja2's language in its immutable sandbox,
 * with trim_blocks, lstrip_blocks, loop controls, {% generation %}, tojson, raise_exception and
 * strftime_now. Left out and refused: what reads other templates (include, import, extends),
 * autoescape, and a few filters for web pages; whole numbers have 64 bits.
 *
 * Errors are TS_ERR_USER and read "NAME:LINE: KIND: what", KIND being the name of the exception that
 * Jinja2 raises. */
#ifndef TS_TEXT_JINJA_JINJA_H
#define TS_TEXT_JINJA_JINJA_H
#include "base/arena.h"
#include "base/json.h"

#include <time.h>

typedef struct ts_jinja ts_jinja;

/* Bytes [begin, end) of a rendering. */
typedef struct ts_jinja_span {
    size_t begin, end;
} ts_jinja_span;

/* A rendering; zero-initialise, the memory is kept from one to the next. */
typedef struct ts_jinja_text {
    ts_str text;
    ts_jinja_span *spans; /* [n_spans] what {% generation %} blocks wrote, in order; for one
                           * within a macro or a set block, as in transformers, from where the text
                           * ended when the block was rendered */
    size_t n_spans, cap_spans;
    ts_arena work; /* for values */
} ts_jinja_text;
void ts_jinja_text_deinit(ts_jinja_text *t);

/* text [n] is UTF-8; name stands in messages. The template is copied, belongs to the caller and is
 * only read by renderings: any number of threads may use it. A text that Jinja2 would not compile is
 * refused. */
ts_status ts_jinja_parse(const char *name, const char *text, size_t n, ts_jinja **out) TS_NODISCARD;
/* ts_jinja_parse of a file, named by its path. */
ts_status ts_jinja_read(const char *path, ts_jinja **out) TS_NODISCARD;
void ts_jinja_destroy(ts_jinja **t);

/* Whether there is a {% generation %} block. */
bool ts_jinja_has_generation(const ts_jinja *t);

/* vars: an object, the template's variables. now: what strftime_now shows. out is written anew; on
 * failure it is empty. A template that works for too long, or wants too much memory, is refused
 * (the limits below). */
ts_status ts_jinja_render(const ts_jinja *t, const json_t *vars, const struct tm *now,
                          ts_jinja_text *out) TS_NODISCARD;

enum {
    TS_JINJA_NESTING = 200, /* of tags and expressions in a template */
    TS_JINJA_DEPTH = 1500,  /* of calls, and of values in values, in a rendering */
    TS_JINJA_STEPS = 16 * 1000 * 1000, /* expressions, statements, items */
    TS_JINJA_BYTES = 256 << 20,       /* of values and text */
};
#endif
