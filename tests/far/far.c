#include "far.h"

#include <execinfo.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CLASSES = 48, PAGE = 4096 };
static const size_t reserved = (size_t)1 << 36;

/* Stretches of 2^class bytes that were given back. */
typedef struct free_list {
    void **p;
    size_t n, cap;
} free_list;

/* A copy that waits to be made. from: bytes of the device, or a copy of them that is freed. */
typedef struct waiting {
    ts_way way;
    void *to, *from;
    size_t n;
} waiting;

typedef struct waiting_list {
    waiting *v;
    size_t n, cap;
} waiting_list;

/* Host memory of alloc_host. */
typedef struct stretch {
    char *p;
    size_t n;
} stretch;

struct ts_event {
    ts_queue q;
    int64_t at; /* calls of the main queue, or copies of the other, before it */
    int asked;
};

typedef struct far_device {
    ts_device base;
    ts_device *cpu; /* who computes */
    char *memory;
    size_t used; /* whole pages from below */
    int inside;  /* calls under way: the memory is open */
    free_list given_back[CLASSES];
    waiting_list to_host; /* of the main queue, which else does everything at once */
    waiting_list copies;  /* of the other */
    int64_t n_main;       /* calls of the main queue */
    int64_t followed;     /* of these, those that the queue of copies waits for */
    int64_t n_copied;     /* copies that have been made */
    stretch *host;
    size_t n_host, cap_host;
    int64_t launches, fails; /* fails 0: never */
} far_device;

static far_device *as_far(ts_device *d) { return (far_device *)d; }

/* What the handler may look at; there is one device at a time, or the last counts. */
static far_device *watched;

static void guilty(int signal_number, siginfo_t *info, void *context)
{
    static const char text[] = "far: host code touches the device's memory:\n";
    const char *at = info->si_addr;
    void *frames[32];
    (void)context;
    if (watched && at >= watched->memory && at < watched->memory + reserved) {
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
        backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

__attribute__((noreturn, format(printf, 1, 2))) static void wrong(const char *format, ...)
{
    void *frames[32];
    va_list ap;
    va_start(ap, format);
    fputs("far: ", stderr);
    vfprintf(stderr, format, ap);
    fputs("\n", stderr);
    va_end(ap);
    backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
    abort();
}

static void protect(const far_device *f, int how)
{
    if (f->used && mprotect(f->memory, f->used, how) != 0)
        wrong("the memory cannot be %s", how == PROT_NONE ? "closed" : "opened");
}

static void enter(far_device *f)
{
    if (f->inside++ == 0)
        protect(f, PROT_READ | PROT_WRITE);
}

static void leave(far_device *f)
{
    if (--f->inside == 0)
        protect(f, PROT_NONE);
}

static bool is_far(const far_device *f, const void *p)
{
    return (const char *)p >= f->memory && (const char *)p < f->memory + f->used;
}

/* ---- memory ---- */

static int class_of(size_t bytes)
{
    int c = 6;
    while (((size_t)1 << c) < bytes)
        c++;
    return c;
}

static ts_status far_alloc(ts_device *d, size_t bytes, void **out)
{
    far_device *f = as_far(d);
    const int c = class_of(bytes);
    free_list *list = &f->given_back[c];
    const size_t size = (size_t)1 << c;
    if (list->n == 0) { /* a page at least, cut up */
        const size_t more = size < PAGE ? PAGE : size;
        if (more > reserved - f->used)
            return ts_error(TS_ERR_NOMEM, "far: no more memory");
        TS_TRY(ts_grow(&list->p, &list->cap, more / size, sizeof *list->p));
        for (size_t at = more; at > 0; at -= size)
            list->p[list->n++] = f->memory + f->used + at - size;
        f->used += more;
    }
    *out = list->p[--list->n];
    enter(f);
    memset(*out, 0xFF, bytes);
    leave(f);
    return TS_OK;
}

static void finish_with(far_device *f, const char *p, size_t n);

static void far_free(ts_device *d, void *p, size_t bytes)
{
    free_list *list = &as_far(d)->given_back[class_of(bytes)];
    if (!is_far(as_far(d), p))
        wrong("%p is given back, but never was the device's", p);
    finish_with(as_far(d), p, bytes);
    if (ts_grow(&list->p, &list->cap, list->n + 1, sizeof *list->p) != TS_OK)
        wrong("out of memory");
    list->p[list->n++] = p;
}

/* ---- copies ---- */

static bool in_host(const far_device *f, const void *p, size_t n)
{
    const char *at = p;
    for (size_t i = 0; i < f->n_host; i++)
        if (at >= f->host[i].p && at + n <= f->host[i].p + f->host[i].n)
            return true;
    return false;
}

/* The device's memory, or the host's that it reaches. */
static bool reaches(const far_device *f, const void *p, size_t n) { return is_far(f, p) || in_host(f, p, n); }

static void check_ends(ts_device *d, const char *what, const void *dst, bool dst_far,
                       const void *src, bool src_far, size_t bytes)
{
    const far_device *f = as_far(d);
    const bool dst_fits = dst_far ? reaches(f, dst, bytes) : !is_far(f, dst),
               src_fits = src_far ? reaches(f, src, bytes) : !is_far(f, src);
    if (bytes && (!dst_fits || !src_fits))
        wrong("%s of %zu bytes to %p%s, from %p%s", what, bytes, dst,
              is_far(f, dst) ? " (the device's)" : "", src,
              is_far(f, src) ? " (the device's)" : "");
}

static void put_off(waiting_list *l, const waiting *w)
{
    if (ts_grow(&l->v, &l->cap, l->n + 1, sizeof *l->v) != TS_OK)
        wrong("out of memory");
    l->v[l->n++] = *w;
}

static void far_to_device(ts_device *d, void *dst, const void *src, size_t bytes)
{
    far_device *f = as_far(d);
    check_ends(d, "to_device", dst, true, src, false, bytes);
    f->n_main++;
    d->copied[TS_TO_DEVICE] += (double)bytes;
    enter(f);
    memcpy(dst, src, bytes);
    leave(f);
}

static void far_to_host(ts_device *d, void *dst, const void *src, size_t bytes)
{
    far_device *f = as_far(d);
    const waiting w = { TS_TO_HOST, dst, malloc(bytes + 1), bytes };
    check_ends(d, "to_host", dst, false, src, true, bytes);
    if (!w.from)
        wrong("out of memory");
    d->copied[TS_TO_HOST] += (double)bytes;
    enter(f);
    memcpy(w.from, src, bytes);
    leave(f);
    memset(dst, 0xFF, bytes);
    put_off(&f->to_host, &w);
}

static void far_move(ts_device *d, void *dst, const void *src, size_t bytes)
{
    far_device *f = as_far(d);
    check_ends(d, "move", dst, true, src, true, bytes);
    f->n_main++;
    enter(f);
    f->cpu->move(f->cpu, dst, src, bytes);
    leave(f);
}

static void far_zero(ts_device *d, void *dst, size_t bytes)
{
    far_device *f = as_far(d);
    check_ends(d, "zero", dst, true, d, false, bytes);
    f->n_main++;
    enter(f);
    f->cpu->zero(f->cpu, dst, bytes);
    leave(f);
}

/* ---- the queue of copies ---- */

static ts_status far_alloc_host(ts_device *d, size_t bytes, void **out)
{
    far_device *f = as_far(d);
    TS_TRY(ts_grow(&f->host, &f->cap_host, f->n_host + 1, sizeof *f->host));
    TS_TRY(f->cpu->alloc_host(f->cpu, bytes, out));
    memset(*out, 0xFF, bytes);
    f->host[f->n_host++] = (stretch){ *out, bytes };
    return TS_OK;
}

static void far_free_host(ts_device *d, void *p, size_t bytes)
{
    far_device *f = as_far(d);
    size_t i = 0;
    while (i < f->n_host && (f->host[i].p != p || f->host[i].n != bytes))
        i++;
    if (i == f->n_host)
        wrong("%p is given back, but never was host memory for copies", p);
    f->host[i] = f->host[--f->n_host];
    f->cpu->free_host(f->cpu, p, bytes);
}

static void far_copy(ts_device *d, ts_way way, void *dst, const void *src, size_t bytes)
{
    far_device *f = as_far(d);
    const bool down = way == TS_TO_DEVICE;
    check_ends(d, "copy", dst, down, src, !down, bytes);
    if (bytes && !is_far(f, down ? dst : src))
        wrong("copy: the device's end is not its memory");
    if (bytes && !in_host(f, down ? src : dst, bytes))
        wrong("copy: the host's end is no memory of alloc_host");
    if (!down && f->followed < f->n_main)
        wrong("copy to the host: it does not wait for the main queue");
    d->copied[way] += (double)bytes;
    if (!down)
        memset(dst, 0xFF, bytes);
    const waiting w = { way, dst, (void *)(uintptr_t)src, bytes };
    put_off(&f->copies, &w);
}

/* The copies before the mark `at`, which are the first of those that wait. */
static void make_copies(far_device *f, int64_t at)
{
    size_t n = 0;
    if (f->copies.n == 0)
        return;
    enter(f);
    for (; n < f->copies.n && f->n_copied < at; n++, f->n_copied++)
        memcpy(f->copies.v[n].to, f->copies.v[n].from, f->copies.v[n].n);
    leave(f);
    f->copies.n -= n;
    if (n)
        memmove(f->copies.v, f->copies.v + n, f->copies.n * sizeof *f->copies.v);
}

/* Memory that is given back: copies of it are made first. */
static void finish_with(far_device *f, const char *p, size_t n)
{
    for (size_t i = 0; i < f->copies.n; i++) {
        const waiting *w = &f->copies.v[i];
        const char *at = w->way == TS_TO_HOST ? w->from : w->to;
        if (at < p + n && p < at + w->n) {
            make_copies(f, INT64_MAX);
            return;
        }
    }
}

static ts_status far_event_create(ts_device *d, ts_event **out)
{
    (void)d;
    return ts_alloc(out, 1, sizeof **out);
}

static void far_event_destroy(ts_device *d, ts_event *e)
{
    (void)d;
    ts_free(&e);
}

static void far_record(ts_device *d, ts_queue q, ts_event *e)
{
    const far_device *f = as_far(d);
    const int64_t copies = f->n_copied + (int64_t)f->copies.n;
    *e = (ts_event){ q, q == TS_QUEUE_MAIN ? f->n_main : copies, 0 };
}

static void far_follow(ts_device *d, ts_queue q, const ts_event *e)
{
    far_device *f = as_far(d);
    if (q == TS_QUEUE_COPY && e->q == TS_QUEUE_MAIN && e->at > f->followed)
        f->followed = e->at;
    if (q == TS_QUEUE_MAIN && e->q == TS_QUEUE_COPY)
        make_copies(f, e->at);
}

static bool far_reached(ts_device *d, const ts_event *e)
{
    ts_event *asked = (ts_event *)(uintptr_t)e;
    if (asked->asked++ == 0)
        return false;
    if (e->q == TS_QUEUE_COPY)
        make_copies(as_far(d), e->at);
    return true;
}

static ts_status far_sync(ts_device *d)
{
    far_device *f = as_far(d);
    make_copies(f, INT64_MAX);
    for (size_t i = 0; i < f->to_host.n; i++) {
        memcpy(f->to_host.v[i].to, f->to_host.v[i].from, f->to_host.v[i].n);
        free(f->to_host.v[i].from);
    }
    f->to_host.n = 0;
    return f->fails && f->launches >= f->fails
               ? ts_error(TS_ERR_RUN, "the device has failed: launch %lld was not carried out",
                          (long long)f->fails)
               : TS_OK;
}

/* ---- kernels ---- */

/* Words of a kernel's arguments that are the address of something in memory are the device's. Not
 * looked at is what may be a flag or the value of an enum, with anything behind it. */
static void check_args(const far_device *f, const char *kernel, const void *args, size_t bytes)
{
    unsigned char page;
    for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
        uintptr_t v;
        memcpy(&v, (const char *)args + at, sizeof v);
        if (v >> 32 == 0 || v >> 47 != 0 || (v & 0xFF) < 2 || (uint32_t)v >> 16 == 0 ||
            reaches(f, (const void *)v, 1))
            continue;
        if (mincore((void *)(v / PAGE * PAGE), PAGE, &page) == 0)
            wrong("%s is given host memory, %p, in byte %zu of its arguments", kernel, (void *)v,
                  at);
    }
}

static void check_launch(const far_device *f, ts_kernel k, const void *args)
{
    static const size_t bytes[] = {
#define BYTES(name, args_type, class) sizeof(args_type),
        TS_KERNELS(BYTES)
#undef BYTES
    };
    const ts_step_pack_args *both = args;
    if (k != TS_KERNEL_step_pack) {
        check_args(f, ts_kernel_name(k), args, bytes[k]);
        return;
    }
    if (both->adamw)
        check_args(f, "step_pack", both->adamw, sizeof *both->adamw);
    if (both->sgd)
        check_args(f, "step_pack", both->sgd, sizeof *both->sgd);
    ts_step_pack_args own = *both;
    own.adamw = NULL, own.sgd = NULL;
    check_args(f, "step_pack", &own, sizeof own);
}

static void far_launch(ts_device *d, ts_kernel k, const void *args, int64_t n, ts_cost cost)
{
    far_device *f = as_far(d);
    check_launch(f, k, args);
    f->n_main++;
    if (++f->launches >= f->fails && f->fails)
        return;
    enter(f);
    f->cpu->timing = d->timing;
    f->cpu->launch(f->cpu, k, args, n, cost);
    d->stat[k] = f->cpu->stat[k];
    leave(f);
}

static size_t far_packed_bytes(const ts_device *d, ts_gemm_form form, ts_dtype dtype, int64_t n,
                               int64_t k)
{
    const ts_device *cpu = ((const far_device *)(const void *)d)->cpu;
    return cpu->gemm_packed_bytes(cpu, form, dtype, n, k);
}

/* ---- the device ---- */

static void far_close(ts_device *d)
{
    far_device *f = as_far(d);
    if (watched == f)
        watched = NULL;
    if (f->n_host)
        wrong("host memory for copies is not given back");
    for (int c = 0; c < CLASSES; c++)
        ts_free(&f->given_back[c].p);
    for (size_t i = 0; i < f->to_host.n; i++)
        free(f->to_host.v[i].from);
    ts_free(&f->to_host.v);
    ts_free(&f->copies.v);
    ts_free(&f->host);
    munmap(f->memory, reserved);
    ts_device_close(&f->cpu);
    ts_free(&f);
}

ts_status __real_ts_cpu_open(const ts_device_options *o, ts_device **out);
ts_status __wrap_ts_cpu_open(const ts_device_options *o, ts_device **out);

static const ts_device table = { .name = "cpu", /* messages are the same */
                                 .computes = true,
                                 .alloc = far_alloc,
                                 .free = far_free,
                                 .to_device = far_to_device,
                                 .to_host = far_to_host,
                                 .move = far_move,
                                 .zero = far_zero,
                                 .launch = far_launch,
                                 .sync = far_sync,
                                 .alloc_host = far_alloc_host,
                                 .free_host = far_free_host,
                                 .copy = far_copy,
                                 .event_create = far_event_create,
                                 .event_destroy = far_event_destroy,
                                 .record = far_record,
                                 .follow = far_follow,
                                 .reached = far_reached,
                                 .gemm_packed_bytes = far_packed_bytes,
                                 .close = far_close };

ts_status ts_far_open(const ts_device_options *o, ts_device **out)
{
    const char *fails = getenv("TESSERA_FAR_FAILS");
    far_device *f;
    TS_TRY(ts_alloc(&f, 1, sizeof *f));
    const ts_status st = __real_ts_cpu_open(o, &f->cpu);
    if (st != TS_OK) {
        ts_free(&f);
        return st;
    }
    f->base = table;
    f->base.mem = f->cpu->mem;
    f->fails = fails ? atoll(fails) : 0;
    f->memory = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (f->memory == MAP_FAILED)
        wrong("no addresses");
    watched = f;
    const struct sigaction a = { .sa_sigaction = guilty, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &a, NULL);
    *out = &f->base;
    return TS_OK;
}

ts_status __wrap_ts_cpu_open(const ts_device_options *o, ts_device **out)
{
    return ts_far_open(o, out);
}
