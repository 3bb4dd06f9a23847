/* check [--only SUBJECT[,SUBJECT]] [--isa ref|avx2|avx512|bf16|all] [--bench [--json]]
 *       [--threads N] [--seed N] [--list] */
#include "check.h"
#include "check_main.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct subject {
    const char *name;
    void (*init)(ts_cpu *);
    void (*check)(const check_env *);
    void (*bench)(const check_env *);
} subject;

#define ROW(s) { #s, ts_cpu_init_##s, check_##s, bench_##s },
static const subject subjects[] = { CHECK_SUBJECTS(ROW) };

static const struct {
    const char *name;
    unsigned isa;
} masks[] = {
    { "ref", TS_ISA_REF },
    { "avx2", TS_ISA_AVX2 },
    { "avx512", TS_ISA_AVX2 | TS_ISA_AVX512 },
    { "bf16", TS_ISA_AVX2 | TS_ISA_AVX512 | TS_ISA_BF16 | TS_ISA_VNNI },
    { "all", TS_ISA_ALL },
};

typedef struct options {
    const char *only, *isa;
    bool bench, json;
    int threads;
    uint64_t seed;
} options;

static void need(ts_status st)
{
    if (st != TS_OK) {
        fprintf(stderr, "check: %s\n", ts_error_message());
        exit(1);
    }
}

static ts_cpu *open_table(unsigned isa, int threads, const subject *s)
{
    ts_cpu *c;
    need(ts_alloc(&c, 1, sizeof *c));
    c->base.name = "cpu", c->base.computes = true;
    c->isa = isa;
    need(ts_pool_create(threads, &c->pool));
    need(ts_pool_create(1, &c->alone));
    c->shared_bytes = TS_CPU_SHARED_SCRATCH;
    c->shared_scratch = aligned_alloc(64, TS_CPU_SHARED_SCRATCH);
    c->thread_scratch = aligned_alloc(64, (size_t)threads * TS_CPU_THREAD_SCRATCH);
    if (!c->shared_scratch || !c->thread_scratch)
        need(ts_error(TS_ERR_NOMEM, "no memory for the kernels' work space"));
    s->init(c);
    return c;
}

static void close_table(ts_cpu *c)
{
    free(c->shared_scratch);
    free(c->thread_scratch);
    ts_pool_destroy(&c->pool);
    ts_pool_destroy(&c->alone);
    ts_free(&c);
}

/* Whether `name` is in the comma separated list. */
static bool listed(const char *list, const char *name)
{
    const size_t n = strlen(name);
    for (const char *p = list; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
        if (strncmp(p, name, n) == 0 && (p[n] == 0 || p[n] == ','))
            return true;
    return false;
}

/* True: all went well. */
static bool run_subject(const subject *s, size_t mask, unsigned has, const options *o)
{
    check_env e = { .isa_name = masks[mask].name, .isa = masks[mask].isa & has, .seed = o->seed,
                    .json = o->json };
    e.one = open_table(e.isa, 1, s);
    e.two = open_table(e.isa, o->threads, s);
    e.ref = open_table(TS_ISA_REF, o->threads, s);
    check_begin(s->name, e.isa_name, o->seed);
    if (o->bench)
        s->bench(&e);
    else
        s->check(&e);
    const check_count c = check_end();
    if (!o->bench)
        printf(
            "%-12s %-7s %6lld cases %10lld values, worst error %.2f of its bound (%s), %lld bad\n",
            s->name, e.isa_name, (long long)c.cases, (long long)c.values, c.worst, c.where,
            (long long)c.bad);
    fflush(stdout);
    close_table(e.one);
    close_table(e.two);
    close_table(e.ref);
    return o->bench || (c.bad == 0 && c.values > 0);
}

static int usage(const char *text, const char *found)
{
    fprintf(stderr,
            "check: %s%s\nusage: check [--only SUBJECT[,SUBJECT]] [--isa ref|avx2|avx512|bf16|all] "
            "[--bench [--json]] [--threads N] [--seed N] [--list]\n",
            text, found);
    return 2;
}

int main(int argc, char **argv)
{
    options o = { .threads = 2 };
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--bench") == 0) {
            o.bench = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            o.json = true;
        } else if (strcmp(argv[i], "--list") == 0) {
            for (size_t s = 0; s < CHECK_COUNT(subjects); s++)
                printf("%s\n", subjects[s].name);
            return 0;
        } else if (value && strcmp(argv[i], "--only") == 0) {
            o.only = argv[++i];
        } else if (value && strcmp(argv[i], "--isa") == 0) {
            o.isa = argv[++i];
        } else if (value && strcmp(argv[i], "--threads") == 0) {
            o.threads = atoi(argv[++i]);
        } else if (value && strcmp(argv[i], "--seed") == 0) {
            o.seed = strtoull(argv[++i], NULL, 10);
        } else {
            return usage("not understood: ", argv[i]);
        }
    }
    if (o.threads < 1 || o.threads > 64)
        return usage("--threads must be 1 to 64", "");
    if (o.json && !o.bench)
        return usage("--json is for --bench", "");
    const unsigned has = ts_isa_detect();
    bool fine = true;
    int ran = 0;
    for (size_t s = 0; s < CHECK_COUNT(subjects); s++) {
        if (o.only && !listed(o.only, subjects[s].name))
            continue;
        for (size_t m = 0; m < CHECK_COUNT(masks); m++) {
            if (o.isa && !listed(o.isa, masks[m].name))
                continue;
            ran++;
            if (o.isa || m == 0 || (masks[m].isa & has) != (masks[m - 1].isa & has))
                fine &= run_subject(&subjects[s], m, has, &o);
            else if (!o.json)
                printf("%-12s %-7s skipped: this CPU has nothing more\n", subjects[s].name,
                       masks[m].name);
        }
    }
    if (!ran)
        return usage("no such subject or instruction set", "");
    return fine ? 0 : 1;
}
