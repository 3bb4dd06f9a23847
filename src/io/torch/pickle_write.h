/* Writing pickles (protocol 2) of plain values: into a string, one value behind the other; what is added between begin and
 * end goes into the container, of a dict keys and values in turn. */
#ifndef TS_IO_TORCH_PICKLE_WRITE_H
#define TS_IO_TORCH_PICKLE_WRITE_H
#include "base/str.h"

ts_status ts_pickle_begin(ts_str *p) TS_NODISCARD;
ts_status ts_pickle_end(ts_str *p) TS_NODISCARD;

ts_status ts_pickle_put_none(ts_str *p) TS_NODISCARD;
ts_status ts_pickle_put_bool(ts_str *p, bool v) TS_NODISCARD;
ts_status ts_pickle_put_int(ts_str *p, int64_t v) TS_NODISCARD;
ts_status ts_pickle_put_real(ts_str *p, double v) TS_NODISCARD;
ts_status ts_pickle_put_text(ts_str *p, const char *s) TS_NODISCARD;
ts_status ts_pickle_put_ints(ts_str *p, const int64_t *v, int n) TS_NODISCARD; /* a tuple */
/* Of a class or function: "torch", "float32". */
ts_status ts_pickle_put_name(ts_str *p, const char *module, const char *name) TS_NODISCARD;

ts_status ts_pickle_begin_dict(ts_str *p) TS_NODISCARD;
ts_status ts_pickle_end_dict(ts_str *p) TS_NODISCARD;
ts_status ts_pickle_begin_list(ts_str *p) TS_NODISCARD;
ts_status ts_pickle_end_list(ts_str *p) TS_NODISCARD;
/* An argparse.Namespace of what is added as to a dict. */
ts_status ts_pickle_begin_namespace(ts_str *p) TS_NODISCARD;
ts_status ts_pickle_end_namespace(ts_str *p) TS_NODISCARD;
#endif
