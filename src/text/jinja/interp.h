/* What the parts of the interpreter call of each other. */
#ifndef TS_TEXT_JINJA_INTERP_H
#define TS_TEXT_JINJA_INTERP_H
#include "text/jinja/value.h"

/* The arguments of a call. */
typedef struct ts_jcall {
    const char *what; /* is called */
    const ts_jv *v;   /* [n] by position */
    size_t n;
    const char *const *names; /* [n_named] */
    const ts_jv *named;
    size_t n_named;
} ts_jcall;

enum { TS_JARGS = 6 };

/* A function, method or filter of ours. self: what a method is of, what is filtered; a: the arguments
 * by the number of their parameter, ABSENT where not given. */
typedef ts_status (*ts_jfn)(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out);
typedef struct ts_jrow {
    const char *name;
    const char *params; /* "a b c"; NULL: the function looks at the call itself */
    size_t required;
    ts_jfn fn;
} ts_jrow;
/* Number of the row of that name, -1: none. */
int ts_jrow_find(const ts_jrow *rows, size_t n_rows, const char *name, size_t n);
ts_status ts_jrow_call(ts_jx *x, const ts_jrow *row, ts_jv self, const ts_jcall *c,
                       ts_jv *out) TS_NODISCARD;

/* Arguments as what they must be; ABSENT gives the default. */
ts_status ts_jarg_int(ts_jx *x, ts_jv v, int64_t def, int64_t *out) TS_NODISCARD;
ts_status ts_jarg_str(ts_jx *x, ts_jv v, const char *def, ts_jv *out) TS_NODISCARD;
static inline ts_jv ts_jarg(ts_jv v, ts_jv def) { return v.type == TS_JV_ABSENT ? def : v; }
/* What s holds as a string; s is given up, whatever st is, which is returned. */
ts_status ts_jx_finish(ts_jx *x, ts_str *s, ts_status st, ts_jv *out) TS_NODISCARD;

/* A list that grows. */
ts_status ts_jseq_add(ts_jx *x, ts_jseq *s, size_t *cap, ts_jv v) TS_NODISCARD;

ts_status ts_jx_eval(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv *out) TS_NODISCARD;
ts_status ts_jx_call(ts_jx *x, ts_jv f, const ts_jcall *c, ts_jv *out) TS_NODISCARD;
ts_status ts_jx_call_macro(ts_jx *x, const ts_jclosure *m, const ts_jcall *c, ts_jv *out) TS_NODISCARD;
/* The arguments of a node, evaluated; extra: a named one more, or NULL. */
ts_status ts_jx_args(ts_jx *x, ts_jscope *s, const ts_jargs *a, const char *extra_name, ts_jv extra,
                     ts_jcall *out) TS_NODISCARD;
ts_status ts_jx_filters(ts_jx *x, ts_jscope *s, const ts_jnode *n, ts_jv first, ts_jv *out) TS_NODISCARD;

/* v.name and v[key]. */
ts_status ts_jx_attr(ts_jx *x, ts_jv v, ts_jv name, ts_jv *out) TS_NODISCARD;
ts_status ts_jx_item(ts_jx *x, ts_jv v, ts_jv key, ts_jv *out) TS_NODISCARD;
ts_status ts_jx_arith(ts_jx *x, ts_jop op, ts_jv a, ts_jv b, ts_jv *out) TS_NODISCARD;
ts_status ts_jx_negate(ts_jx *x, ts_jv v, bool is_plus, ts_jv *out) TS_NODISCARD;
ts_status ts_jx_compare(ts_jx *x, ts_jop op, ts_jv a, ts_jv b, bool *out) TS_NODISCARD;
ts_status ts_jx_contains(ts_jx *x, ts_jv in, ts_jv v, bool *out) TS_NODISCARD;
ts_status ts_jx_escape(ts_jx *x, ts_jv v, ts_jv *out) TS_NODISCARD; /* Markup of str(v) */
ts_status ts_jx_percent(ts_jx *x, ts_jv format, ts_jv args, ts_jv *out) TS_NODISCARD;
ts_status ts_jx_str_format(ts_jx *x, ts_jv format, const ts_jcall *c, ts_jv *out) TS_NODISCARD;

ts_status ts_jx_filter(ts_jx *x, int id, ts_jv v, const ts_jcall *c, ts_jv *out) TS_NODISCARD;
ts_status ts_jx_test(ts_jx *x, int id, ts_jv v, const ts_jcall *c, bool *out) TS_NODISCARD;

/* A method of a type by its name; *is_unsafe: it changes its value. -1: there is none. */
int ts_jx_method_id(ts_jv v, ts_jv name, bool *is_unsafe);
ts_status ts_jx_call_method(ts_jx *x, const ts_jmethod *m, const ts_jcall *c, ts_jv *out) TS_NODISCARD;
extern const ts_jrow ts_jinja_str_methods[];
extern const size_t ts_jinja_n_str_methods;

/* Global functions, by their number. */
int ts_jx_function_id(const char *name);
ts_status ts_jx_call_function(ts_jx *x, int id, const ts_jcall *c, ts_jv *out) TS_NODISCARD;
ts_status ts_jx_range(ts_jx *x, int64_t start, int64_t stop, int64_t step, ts_jv *out) TS_NODISCARD;

/* Strings: where character number `at` begins; where needle is from byte `at` on, or v.n + 1. */
size_t ts_jv_char_offset(ts_jv v, size_t at);
size_t ts_jv_find(ts_jv v, ts_jv needle, size_t at);
/* The bounds of a slice as Python clips them; step is not 0. */
typedef struct ts_jrange {
    int64_t start, step;
    size_t n;
} ts_jrange;
ts_status ts_jx_slice_range(ts_jx *x, const ts_jseq *slice, size_t length, ts_jrange *out) TS_NODISCARD;

/* Attributes of the loop variable. */
ts_status ts_jloop_attr(ts_jx *x, ts_jloop *l, ts_jv name, ts_jv *out) TS_NODISCARD;
/* cycle() and changed(). */
ts_status ts_jloop_method(ts_jx *x, const ts_jmethod *m, const ts_jcall *c, ts_jv *out) TS_NODISCARD;
ts_status ts_jloop_call(ts_jx *x, ts_jloop *l, const ts_jcall *c, ts_jv *out) TS_NODISCARD;
#endif
