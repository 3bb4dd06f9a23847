"""ggml's matrix products (llama.cpp's library), for bench/kernels.py.

A few lines of C are compiled against a folder in which llama.cpp was built (its CMakeCache.txt says where the headers are): a
graph of one ggml_mul_mat, weights in bf16 or fp32, activations in fp32 (ggml turns them to the weights' type inside).
"""
import json
import re
import subprocess
from pathlib import Path

DRIVER = r"""
#include "ggml.h"
#include "ggml-cpu.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static int lesser(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }
/* Median seconds of y = x W^T, x [m, k], W [n, k]. */
static double product(enum ggml_type type, int64_t m, int64_t n, int64_t k, int threads, int repeat, double least)
{
    const size_t bytes = (size_t)(n * k) * ggml_type_size(type) + (size_t)((m * k + m * n) * 4) + (64u << 20);
    struct ggml_context *c = ggml_init((struct ggml_init_params){ .mem_size = bytes });
    struct ggml_tensor *w = ggml_new_tensor_2d(c, type, k, n), *x = ggml_new_tensor_2d(c, GGML_TYPE_F32, k, m);
    uint32_t r = 1;
    for (int64_t i = 0; i < n * k; i++) {
        r = r * 1664525u + 1013904223u;
        const uint32_t v = 0x3f000000u | (r & 0x80000000u) | (r >> 9 & 0x7f0000u); /* +-0.5 to 1, exact in bf16 */
        if (type == GGML_TYPE_BF16)
            ((uint16_t *)w->data)[i] = (uint16_t)(v >> 16);
        else
            ((uint32_t *)w->data)[i] = v;
    }
    for (int64_t i = 0; i < m * k; i++)
        ((float *)x->data)[i] = (float)(i % 17) / 8 - 1;
    struct ggml_cgraph *g = ggml_new_graph(c);
    ggml_build_forward_expand(g, ggml_mul_mat(c, w, x));
    struct ggml_cplan plan = ggml_graph_plan(g, threads, NULL);
    plan.work_data = malloc(plan.work_size + 1);
    double *t = malloc(sizeof *t * (size_t)repeat);
    double began = now();
    if (ggml_graph_compute(g, &plan) != GGML_STATUS_SUCCESS)
        exit(1);
    const double once = now() - began;
    int64_t calls = (int64_t)(least / repeat / once);
    calls = calls < 1 ? 1 : calls;
    for (int i = 0; i < repeat; i++) {
        began = now();
        for (int64_t j = 0; j < calls; j++)
            ggml_graph_compute(g, &plan);
        t[i] = (now() - began) / (double)calls;
    }
    qsort(t, (size_t)repeat, sizeof *t, lesser);
    const double median = t[repeat / 2];
    free(t);
    free(plan.work_data);
    ggml_free(c);
    return median;
}
int main(int argc, char **argv)
{
    (void)argc;
    ggml_cpu_init();
    const double s = product(argv[1][0] == 'b' ? GGML_TYPE_BF16 : GGML_TYPE_F32, atoll(argv[2]), atoll(argv[3]), atoll(argv[4]), atoi(argv[5]),
                             atoi(argv[6]), 0.2);
    printf("%.9g\n", s);
    return 0;
}
"""


def build(folder, out):
    """Compiles the driver against the llama.cpp build in `folder`; returns the program's path."""
    folder, out = Path(folder), Path(out)
    home = re.search(r"^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$", (folder / "CMakeCache.txt").read_text(), re.M).group(1)
    include = next(d for d in (Path(home) / "ggml" / "include", Path(home) / "include") if (d / "ggml-cpu.h").exists())
    libraries = []
    for name in ("libggml", "libggml-cpu", "libggml-base"):
        found = [*folder.rglob(name + ".so"), *folder.rglob(name + ".a")]
        if not found:
            raise SystemExit(f"{folder}: no {name}.so or .a; expected a folder in which llama.cpp was built")
        libraries.append(str(found[0]))
    (out / "ggml.c").write_text(DRIVER)
    subprocess.run(["gcc", "-O2", "-w", "-I", str(include), "-o", str(out / "ggml"), str(out / "ggml.c"), *libraries, "-fopenmp", "-lstdc++", "-ldl", "-lm",
                    "-lpthread", *(f"-Wl,-rpath,{Path(x).parent}" for x in libraries if x.endswith(".so"))], check=True)
    return out / "ggml"


def seconds(program, dtype, m, n, k, threads, repeat):
    return json.loads(subprocess.run([str(program), dtype, *map(str, (m, n, k, threads, repeat))], check=True, text=True, capture_output=True).stdout)
