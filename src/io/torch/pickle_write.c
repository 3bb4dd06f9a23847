#include "io/torch/pickle_write.h"

#include <string.h>

static ts_status put(ts_str *p, const char *codes) { return ts_str_puts(p, codes); }

static ts_status put_number(ts_str *p, char code, uint64_t v, int bytes)
{
    char s[9] = { code };
    for (int i = 0; i < bytes; i++)
        s[1 + i] = (char)(v >> 8 * i);
    return ts_str_add(p, s, 1 + (size_t)bytes);
}

ts_status ts_pickle_begin(ts_str *p) { return put(p, "\x80\x02"); }
ts_status ts_pickle_end(ts_str *p) { return put(p, "."); }
ts_status ts_pickle_put_none(ts_str *p) { return put(p, "N"); }
ts_status ts_pickle_put_bool(ts_str *p, bool v) { return put(p, v ? "\x88" : "\x89"); }

ts_status ts_pickle_put_int(ts_str *p, int64_t v)
{
    if (v == (int32_t)v)
        return put_number(p, 'J', (uint64_t)v, 4);
    TS_TRY(put(p, "\x8a\x08"));
    char s[8];
    for (int i = 0; i < 8; i++)
        s[i] = (char)((uint64_t)v >> 8 * i);
    return ts_str_add(p, s, sizeof s);
}

ts_status ts_pickle_put_real(ts_str *p, double v)
{
    uint64_t bits;
    char s[9] = { 'G' };
    memcpy(&bits, &v, sizeof bits);
    for (int i = 0; i < 8; i++)
        s[1 + i] = (char)(bits >> 8 * (7 - i));
    return ts_str_add(p, s, sizeof s);
}

ts_status ts_pickle_put_text(ts_str *p, const char *s)
{
    TS_TRY(put_number(p, 'X', strlen(s), 4));
    return ts_str_puts(p, s);
}

ts_status ts_pickle_put_ints(ts_str *p, const int64_t *v, int n)
{
    TS_TRY(put(p, "("));
    for (int i = 0; i < n; i++)
        TS_TRY(ts_pickle_put_int(p, v[i]));
    return put(p, "t");
}

ts_status ts_pickle_put_name(ts_str *p, const char *module, const char *name)
{
    return ts_str_printf(p, "c%s\n%s\n", module, name);
}

ts_status ts_pickle_begin_dict(ts_str *p) { return put(p, "}("); }
ts_status ts_pickle_end_dict(ts_str *p) { return put(p, "u"); }
ts_status ts_pickle_begin_list(ts_str *p) { return put(p, "]("); }
ts_status ts_pickle_end_list(ts_str *p) { return put(p, "e"); }
ts_status ts_pickle_begin_namespace(ts_str *p) { return put(p, "cargparse\nNamespace\n)\x81}("); }
ts_status ts_pickle_end_namespace(ts_str *p) { return put(p, "ub"); }
