/* Programs that a model wrote, run by the host's python3 apart from everything: a process group of its own, no network,
 * no files written outside a folder that goes away, limits of time, memory, processes and files. What the kernel does
 * not grant (namespaces, Landlock) is left out; refusing sockets and the limits are always there on Linux. */
#ifndef TS_EVAL_PYTHON_H
#define TS_EVAL_PYTHON_H
#include "base/str.h"

typedef struct ts_python {
    ts_str path;   /* of the interpreter */
    ts_str folder; /* where programs run; empty again behind each */
} ts_python;

/* TS_ERR_USER: there is no python3 that runs. */
ts_status ts_python_open(ts_python *out) TS_NODISCARD;
void ts_python_close(ts_python *p);
/* Whether the program ends by itself within this time and raises nothing; leaving early (sys.exit) does not count. */
ts_status ts_python_passes(const ts_python *p, const char *program, size_t n, double seconds,
                           bool *passes) TS_NODISCARD;
#endif
