/* Variables. A scope has the names that were set in it; what it does not have its parent may. */
#ifndef TS_TEXT_JINJA_SCOPE_H
#define TS_TEXT_JINJA_SCOPE_H
#include "text/jinja/value.h"

struct ts_jscope {
    ts_jscope *parent; /* NULL: the template's own, with a value for each name */
    ts_jv *v;          /* [n]; of the template's own by the name's number */
    int *id;           /* [n] */
    size_t n, cap;
};

ts_status ts_jscope_create(ts_jx *x, ts_jscope *parent, ts_jscope **out) TS_NODISCARD;
ts_status ts_jscope_set(ts_jx *x, ts_jscope *s, int id, ts_jv v) TS_NODISCARD;
ts_jv ts_jscope_get(const ts_jscope *s, int id); /* ABSENT: there is none */
#endif
